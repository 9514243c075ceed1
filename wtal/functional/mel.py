"""Log-mel spectrograms: the energy of a sound in bands as wide as the ear hears them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_mel", "mel_filters"]

Floats = NDArray[np.floating[Any]]

_SILENCE = 1e-10  # power that is added, so that silence has a logarithm


def mel_filters(count: int, rate: int, size: int, low_hz: float = 50.0, high_hz: float | None = None) -> Floats:
    """Triangular filters, evenly spaced on the mel scale, over the bins of a Fourier transform.

    Args:
        count: Number of filters, ``M``.
        rate: Samples per second.
        size: Samples of a window; its transform has ``size // 2 + 1`` bins.
        low_hz: Frequency at which the first filter begins.
        high_hz: Frequency at which the last filter ends; half the rate by default.

    Returns:
        Weights, ``(M, size // 2 + 1)``.

    Raises:
        ValueError: If a filter holds no bin, as there are too many for the window.

    Source:
        The mel scale of O'Shaughnessy (HTK's), filters of height 1 as in HTK and torchaudio's default.
    """
    high_hz = rate / 2 if high_hz is None else high_hz
    if not (0 <= low_hz < high_hz <= rate / 2):
        raise ValueError(f"Frequencies need 0 <= low < high <= {rate / 2:g} Hz, got {low_hz:g} and {high_hz:g}.")
    low, high = (2595 * np.log10(1 + frequency / 700) for frequency in (low_hz, high_hz))
    edges = 700 * (10 ** (np.linspace(low, high, count + 2) / 2595) - 1)
    bins = np.arange(size // 2 + 1) * rate / size
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    if not filters.any(axis=1).all():
        raise ValueError(f"{count} bands are too many for windows of {size} samples at {rate} a second.")
    return np.asarray(filters)


def log_mel(samples: Floats, filters: Floats, size: int, hop: int) -> NDArray[np.float32]:
    """Log-mel spectrogram of a sound.

    Args:
        samples: Samples, ``(N,)``.
        filters: See :func:`mel_filters`, ``(M, size // 2 + 1)``.
        size: Samples of a window, which is weighted by a Hann function.
        hop: Samples from one window to the next.

    Returns:
        Natural logarithms of the power in each band, ``(T, M)``, for the windows that lie wholly in the sound:
        ``T = 1 + (N - size) // hop``, or 0.
    """
    if len(samples) < size:
        return np.empty((0, len(filters)), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, float), size)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    power = np.abs(np.fft.rfft(windows * hann, axis=1)) ** 2
    return np.asarray(np.log(power @ filters.T + _SILENCE), np.float32)

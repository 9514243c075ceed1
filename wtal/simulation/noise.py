"""Random numbers of a simulation: streams by name, directions, and noise that varies slowly."""

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "mixed", "random_stream", "slow_noise", "smoothed", "sparse_directions", "unit"]

Floats = NDArray[np.float64]

_DENSITY, _EXCITATORY = 0.12, 0.85  # shares of the channels that a direction acts on, and of these that it raises


def random_stream(seed: int, *words: str) -> np.random.Generator:
    """Random numbers that depend on the seed and on some words, such as the name of a video, and on nothing else.

    >>> random_stream(0, "a", "rgb").random() == random_stream(0, "a", "rgb").random()
    True
    >>> random_stream(0, "a", "rgb").random() == random_stream(0, "a", "flow").random()
    False
    """
    digest = hashlib.sha256("\0".join(words).encode(errors="surrogatepass")).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, "<u4").tolist()])


def unit(rows: Floats) -> Floats:
    """Rows scaled to unit length; rows of zeros stay as they are."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12))


def mixed(a: Floats, b: Floats, share: float) -> Floats:
    """Unit rows with this share of their energy in the unit rows ``a`` and the rest in ``b``."""
    return unit(np.sqrt(share) * a + np.sqrt(1 - share) * b)


def sparse_directions(rng: np.random.Generator, *shape: int) -> Floats:
    """Unit directions that act on few channels, most of which they raise, of the shape ``(..., dim)``."""
    size = rng.gamma(1.5, 1.0, shape) * (rng.random(shape) < _DENSITY)
    return unit(size * np.where(rng.random(shape) < _EXCITATORY, 1.0, -0.7))


def slow_noise(rng: np.random.Generator, length: int, width: int, memory: float) -> Floats:
    """Noise of unit variance with this correlation from row to row, ``(length, width)``."""
    rows = rng.standard_normal((length, width))
    rows[1:] *= np.sqrt(1 - memory**2)
    for t in range(1, length):
        rows[t] += memory * rows[t - 1]
    return rows


def smoothed(course: Floats, spread: float) -> Floats:
    """A course in time ``(n,)``, smoothed by a normal kernel of this standard deviation in steps."""
    if spread <= 0:
        return course
    reach = int(np.ceil(3 * spread))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / spread) ** 2)
    return np.convolve(np.pad(course, reach, mode="edge"), kernel / kernel.sum(), "valid")

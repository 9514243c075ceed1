import math

import numpy as np
import pytest

from wtal.functional.mel import log_mel, mel_filters


def slowly(samples, rate, size, hop, count, low, high):
    """A Fourier sum for each bin, a triangle for each band."""

    def mel(frequency):
        return 2595 * math.log10(1 + frequency / 700)

    def hertz(value):
        return 700 * (10 ** (value / 2595) - 1)

    edges = [hertz(mel(low) + (mel(high) - mel(low)) * i / (count + 1)) for i in range(count + 2)]
    rows = []
    for begin in range(0, len(samples) - size + 1, hop):
        window = [samples[begin + n] * math.sin(math.pi * n / size) ** 2 for n in range(size)]
        bands = [0.0] * count
        for k in range(size // 2 + 1):
            turns = [2 * math.pi * k * n / size for n in range(size)]
            re = sum(w * math.cos(t) for w, t in zip(window, turns, strict=True))
            im = sum(w * math.sin(t) for w, t in zip(window, turns, strict=True))
            frequency = k * rate / size
            for m in range(count):
                left, middle, right = edges[m : m + 3]
                if left < frequency < right:
                    side = (frequency - left) / (middle - left), (right - frequency) / (right - middle)
                    bands[m] += min(side) * (re**2 + im**2)
        rows.append([math.log(band + 1e-10) for band in bands])
    return rows


def test_it_equals_plain_sums():
    rng = np.random.default_rng(0)
    samples, rate, size, hop = rng.standard_normal(150), 800, 64, 25
    found = log_mel(samples, mel_filters(5, rate, size, 20, 380), size, hop)
    assert found == pytest.approx(np.array(slowly(samples, rate, size, hop, 5, 20, 380)), rel=1e-6)
    assert found.shape == (1 + (150 - 64) // 25, 5)
    assert found.dtype == np.float32


def test_a_tone_is_loudest_in_its_band_and_silence_has_a_logarithm():
    rate, size = 16000, 400
    filters = mel_filters(40, rate, size)
    centres = filters.argmax(axis=1) * rate / size
    for frequency in (300, 1000, 5000):
        tone = np.sin(2 * np.pi * frequency * np.arange(rate // 10) / rate)
        loudest = log_mel(tone, filters, size, 160).mean(axis=0).argmax()
        assert abs(centres[loudest] - frequency) == pytest.approx(0, abs=max(60, 0.08 * frequency))
    assert log_mel(np.zeros(800), filters, size, 160) == pytest.approx(math.log(1e-10))


def test_a_sound_shorter_than_a_window_has_no_row():
    assert log_mel(np.ones(9), mel_filters(2, 100, 10, 1), 10, 5).shape == (0, 2)


@pytest.mark.parametrize(("count", "low", "high"), [(60, 50, None), (4, -1, None), (4, 200, 100), (4, 0, 501)])
def test_impossible_bands_are_refused(count, low, high):
    with pytest.raises(ValueError, match=r"too many for windows|need 0 <= low < high"):
        mel_filters(count, 1000, 40, low, high)

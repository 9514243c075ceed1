import math

import numpy as np
import pytest

from wtal.metrics import faded_mean, forgetting


def test_the_faded_mean_is_the_recursion_of_its_source():
    scores = np.random.default_rng(0).random(30)
    total, weight = 0.0, 0.0
    for score in scores:
        total, weight = score + 0.9 * total, 1 + 0.9 * weight
    assert faded_mean(scores.tolist(), 0.9) == pytest.approx(total / weight)
    assert faded_mean(scores.tolist(), 1.0) == pytest.approx(scores.mean())
    assert math.isnan(faded_mean([], 0.9))
    with pytest.raises(ValueError, match=r"`fading` must lie in \(0, 1\], got 0"):
        faded_mean([1.0], 0)


def test_forgetting_is_the_loss_since_the_best_score():
    assert forgetting({"a": [0.2, 0.9, 0.4], "b": [0.1, 0.4], "c": [1.0]}) == pytest.approx((0.5 - 0.3) / 2)
    assert math.isnan(forgetting({"a": [0.5]}))

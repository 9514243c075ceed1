import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.metrics.error_analysis import ErrorProfile, error_profile

TRUTH = [(0, 0, 0, 10), (0, 0, 20, 30)]


def test_an_incomplete_method_by_hand():
    """It finds half of each instance and nothing else."""
    profile = error_profile([(0, 0, 0, 5, 0.9), (0, 0, 22, 26, 0.8)], TRUTH)
    assert profile == ErrorProfile(
        false_positive_rate=0.0,
        false_negative_rate=pytest.approx(11 / 20),
        completeness=pytest.approx((0.5 + 0.4) / 2),
        background_share=pytest.approx(0.0),
        swallowing=0.0,
        length_ratio=pytest.approx((0.5 + 0.4) / 2),
        precision=0.5,
        recall=0.5,
    )


def test_an_over_complete_method_by_hand():
    """It swallows both instances and what lies between them, and once takes background alone."""
    profile = error_profile([(0, 0, 0, 30, 0.9), (0, 0, 40, 50, 0.8)], TRUTH)
    assert profile == ErrorProfile(
        false_positive_rate=pytest.approx(20 / 40),
        false_negative_rate=pytest.approx(0.0),
        completeness=1.0,
        background_share=pytest.approx(10 / 30),
        swallowing=0.5,
        length_ratio=3.0,
        precision=0.0,
        recall=0.0,
    )


def test_counts_the_best_detections_of_a_class_as_many_as_instances():
    right = [(0, 0, 0, 10, 0.9), (0, 0, 20, 30, 0.8)]
    more = [(0, 0, 40, 90, 0.1), (0, 1, 0, 10, 0.95), (3, 0, 0, 5, 0.2)]
    assert error_profile([*more, *right], TRUTH) == error_profile(right, TRUTH) == ErrorProfile(0, 0, 1, 0, 0, 1, 1, 1)


def test_the_same_place_in_another_video_or_class_is_background():
    profile = error_profile([(1, 0, 0, 10, 0.9), (0, 1, 20, 30, 0.9)], [*TRUTH, (0, 1, 0, 5)])
    assert (profile.false_positive_rate, profile.false_negative_rate, profile.precision) == (1, 1, 0)
    assert math.isnan(profile.completeness)
    assert math.isnan(profile.background_share)


def test_without_detections_everything_is_missed():
    profile = error_profile([], TRUTH)
    assert (profile.false_negative_rate, profile.recall) == (1, 0)
    assert math.isnan(profile.false_positive_rate)
    assert math.isnan(profile.precision)


place = st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 12), st.integers(1, 6))


@settings(max_examples=100)
@given(st.lists(place, max_size=8), st.lists(place, min_size=1, max_size=8))
def test_rates_of_time_are_those_of_a_loop_over_seconds(found, truth):
    scored = [(v, c, s, s + n, 1 / (place + 1)) for place, (v, c, s, n) in enumerate(found)]
    truth = [(v, c, s, s + n) for v, c, s, n in truth]
    kept = []
    for label in {row[1] for row in truth}:
        of_class = [row for row in scored if row[1] == label]
        kept += of_class[: sum(row[1] == label for row in truth)]

    def seconds(rows):
        return {(v, c, t) for v, c, s, e, *_ in rows for t in range(s, e)}

    detected, acted = seconds(kept), seconds(truth)
    profile = error_profile(scored, truth)
    share = len(detected - acted) / len(detected) if detected else math.nan
    assert profile.false_positive_rate == pytest.approx(share, nan_ok=True, abs=1e-9)
    assert profile.false_negative_rate == pytest.approx(len(acted - detected) / len(acted), abs=1e-9)
    inside = [len(seconds([row]) & acted) / (row[3] - row[2]) for row in kept]
    met = [share for share in inside if share > 0]
    expected = 1 - np.mean(met) if met else math.nan
    assert profile.background_share == pytest.approx(expected, nan_ok=True, abs=1e-9)

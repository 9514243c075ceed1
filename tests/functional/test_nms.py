import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.functional.nms import nms, soft_nms
from wtal.functional.segments import elementwise_iou


def slow(segments, scores, groups, factor, min_score):
    """One group after another, one segment after another: rows and lowered scores, best first."""
    kept = []
    for group in sorted(set(groups.tolist())):
        left = {row: scores[row] for row in np.flatnonzero(groups == group).tolist()}
        while left:
            best = max(left, key=left.get)
            score = left.pop(best)
            if not score > min_score:
                break
            kept.append((best, score))
            factors = {row: factor(float(elementwise_iou(segments[row], segments[best]))) for row in left}
            left = {row: value * factors[row] for row, value in left.items() if factors[row] > 0}
    return sorted(kept, key=lambda row: -row[1])


@st.composite
def candidates(draw):
    drawn = draw(
        st.lists(
            st.tuples(st.integers(0, 20), st.integers(1, 9), st.floats(0.01, 1.0), st.integers(0, 2)),
            max_size=14,
            unique_by=lambda row: row[2],
        )
    )
    columns = np.array(drawn, dtype=float).reshape(-1, 4)
    return np.stack([columns[:, 0], columns[:, :2].sum(1)], 1), columns[:, 2], columns[:, 3].astype(int)


RULES = {
    "gaussian": lambda overlap: math.exp(-(overlap**2) / 0.4),
    "linear": lambda overlap: 1 - overlap if overlap >= 0.25 else 1.0,
}


@pytest.mark.parametrize("decay", ["gaussian", "linear"])
@settings(max_examples=60)
@given(drawn=candidates(), max_kept=st.sampled_from([None, 1, 3]))
def test_soft_nms_agrees_with_a_loop(decay, drawn, max_kept):
    segments, scores, groups = drawn
    rows, lowered = soft_nms(segments, scores, groups, decay, sigma=0.4, tiou=0.25, min_score=0.05, max_kept=max_kept)
    expected = slow(segments, scores, groups, RULES[decay], 0.05)[:max_kept]
    assert lowered == pytest.approx([score for _, score in expected], abs=1e-12)
    if len({round(score, 9) for _, score in expected}) == len(expected):
        assert rows.tolist() == [row for row, _ in expected]


@given(drawn=candidates(), tiou=st.sampled_from([0.2, 0.5, 1.0]))
def test_hard_nms_agrees_with_a_loop(drawn, tiou):
    expected = slow(*drawn, lambda overlap: float(overlap < tiou), -math.inf)
    assert nms(*drawn, tiou=tiou).tolist() == [row for row, _ in expected]


def test_groups_do_not_affect_each_other():
    twins, scores = np.array([[0.0, 2.0], [0.0, 2.0]]), np.array([0.9, 0.8])
    assert nms(twins, scores).tolist() == [0]
    assert nms(twins, scores, np.array([4, 1])).tolist() == [0, 1]
    assert soft_nms(twins, scores, np.array([4, 1]))[1].tolist() == [0.9, 0.8]


def test_a_twin_is_lowered_by_the_gaussian_at_full_overlap():
    _, lowered = soft_nms(np.array([[0.0, 2.0], [0.0, 2.0]]), np.array([0.9, 0.8]), sigma=0.5)
    assert lowered.tolist() == pytest.approx([0.9, 0.8 * math.exp(-2)])


def test_without_segments_nothing_is_kept():
    rows, lowered = soft_nms(np.empty((0, 2)), np.empty(0))
    assert len(rows) == len(lowered) == len(nms(np.empty((0, 2)), np.empty(0))) == 0
    assert len(soft_nms(np.array([[0.0, 1.0]]), np.array([0.0]))[0]) == 0

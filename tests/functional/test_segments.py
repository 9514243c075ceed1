import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wtal.functional.segments import (
    elementwise_iou,
    inner_outer_means,
    merge_segments,
    pairs_of_equal_key,
    runs,
    temporal_iou,
)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 10), (0, 10), 1.0),
        ((0, 10), (5, 15), 1 / 3),
        ((0, 10), (2, 4), 0.2),
        ((0, 10), (10, 20), 0.0),
        ((0, 10), (5, 5), 0.0),
        ((5, 5), (5, 5), 1.0),
        ((5, 5), (6, 6), 0.0),
    ],
)
def test_tiou_by_hand(a, b, expected):
    assert elementwise_iou(a, b) == elementwise_iou(b, a) == pytest.approx(expected)


def test_pairwise_tiou_has_one_row_per_segment():
    assert temporal_iou([[0, 2], [2, 4], [0, 4]], [[0, 2], [0, 1]]).tolist() == [[1, 0.5], [0, 0], [0.5, 0.25]]
    assert temporal_iou(np.empty((0, 2)), [[0, 1]]).shape == (0, 1)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12)))
def test_runs_agree_with_a_loop(mask):
    expected = []
    for row, line in enumerate(mask):
        start = None
        for index, value in enumerate([*line, False]):
            if value and start is None:
                start = index
            elif not value and start is not None:
                expected.append((row, start, index))
                start = None
    assert list(zip(*runs(mask), strict=True)) == expected


@given(st.data())
def test_means_are_those_of_slices(data):
    values = data.draw(hnp.arrays(float, (2, 9), elements=st.floats(-5, 5)))
    start = data.draw(st.integers(0, 8))
    end = data.draw(st.integers(start + 1, 9))
    ratio, least = data.draw(st.sampled_from([0.0, 0.25, 0.6])), data.draw(st.integers(0, 3))
    margin = max(least, round(ratio * (end - start)))
    line = values[1]
    around = np.concatenate([line[max(0, start - margin) : start], line[end : end + margin]])
    inner, outer = inner_outer_means(values, np.array([1]), np.array([start]), np.array([end]), ratio, least)
    assert inner.item() == pytest.approx(line[start:end].mean(), abs=1e-9)
    assert outer.item() == pytest.approx(around.mean() if len(around) else 0.0, abs=1e-9)


@given(
    hnp.arrays(int, st.integers(0, 8), elements=st.integers(0, 3)),
    hnp.arrays(int, st.integers(0, 8), elements=st.integers(0, 3)),
    st.integers(1, 9),
)
def test_pairs_are_all_and_in_order_however_many_at_once(a, b, at_once):
    found = [pair for rows in pairs_of_equal_key(a, b, at_once) for pair in zip(*rows, strict=True)]
    assert found == [(i, j) for i in range(len(a)) for j in range(len(b)) if a[i] == b[j]]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(1, 4)), max_size=8))
def test_merged_segments_are_disjoint_and_cover_the_same(drawn):
    key = np.array([k for k, _, _ in drawn], dtype=int)
    spans = np.array([(s, s + n) for _, s, n in drawn], dtype=float).reshape(-1, 2)
    covered = {(k, t) for k, s, n in drawn for t in range(s, s + n)}
    merged_key, merged = merge_segments(key, spans)
    places = [(k, t) for k, (s, e) in zip(merged_key, merged, strict=True) for t in range(int(s), int(e))]
    assert sorted(places) == sorted(covered)

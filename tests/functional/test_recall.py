import pytest
import slow_references
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.functional.recall import recall_at_multiples

times = st.tuples(st.integers(0, 8), st.integers(0, 6)).map(lambda pair: (float(pair[0]), float(sum(pair))))
places = st.tuples(st.integers(0, 2), st.integers(0, 2))


@settings(max_examples=200)
@given(st.lists(st.tuples(places, times), max_size=20), st.lists(st.tuples(places, times), min_size=1, max_size=10))
def test_agrees_with_a_loop(found, truth):
    detections = [(*place, *time, 1 / (2 + rank)) for rank, (place, time) in enumerate(found)]
    segments = [(*place, *time) for place, time in truth]
    values = recall_at_multiples(detections, segments, [0.3, 0.7], [1, 2])
    for row, threshold in enumerate([0.3, 0.7]):
        for column, multiple in enumerate([1, 2]):
            expected = slow_references.recall(detections, segments, threshold, multiple)
            assert values[row, column] == pytest.approx(expected, abs=1e-12)


def test_without_multiples_there_are_no_columns():
    assert recall_at_multiples([], [(0, 0, 0.0, 1.0)], [0.5, 0.7], []).shape == (2, 0)

import numpy as np
import pytest
import slow_references
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.functional.average_precision import average_precision, match, mean_average_precision

TIOUS = (0.1, 0.3, 0.5, 1.0)


times = st.tuples(st.integers(0, 8), st.integers(0, 6)).map(lambda pair: (float(pair[0]), float(sum(pair))))
places = st.tuples(st.integers(0, 2), st.integers(0, 2))
found = st.lists(st.tuples(places, times, st.sampled_from([0.1, 0.5, 0.5001, 0.9])), max_size=25)
truths = st.lists(st.tuples(places, times), max_size=12)


def rows(drawn):
    return [(*place, *time, *score) for place, time, *score in drawn]


@settings(max_examples=300)
@given(found, truths, st.sampled_from(["last", "first"]), st.booleans(), st.sampled_from(["largest", "first"]))
def test_agrees_with_a_loop_over_detections(detections, segments, ties, interpolated, takes):
    options = {"ties": ties, "interpolated": interpolated, "takes": takes}
    result = average_precision(rows(detections), rows(segments), TIOUS, **options)
    expected = slow_references.average_precision(rows(detections), rows(segments), TIOUS, **options)
    assert result.labels.tolist() == list(expected)
    assert result.values == pytest.approx(np.reshape(list(expected.values()), (-1, len(TIOUS))), abs=1e-12)


def test_by_hand():
    truth = [(0, 3, 0, 10), (0, 3, 20, 30), (1, 3, 0, 10)]
    detections = [
        (0, 3, 0, 10, 0.9),  # true
        (0, 3, 1, 10, 0.8),  # the same again: false
        (1, 3, 0, 6, 0.7),  # true up to 0.6
        (2, 3, 0, 10, 0.6),  # no ground truth in this video: false
        (0, 3, 21, 30, 0.5),  # true up to 0.9
        (0, 5, 20, 30, 0.4),  # a class without ground truth: does not count
    ]
    result = average_precision(detections, truth, [0.5, 0.6, 0.7])
    assert result.labels.tolist() == [3]
    assert result.values[0].tolist() == pytest.approx(
        [(1 + 2 / 3 + 3 / 5) / 3, (1 + 2 / 3 + 3 / 5) / 3, (1 + 2 / 5) / 3]
    )


def test_a_detection_takes_the_best_free_instance():
    truth = np.array([[0, 0, 0.0, 10.0], [0, 0, 4.0, 14.0]])
    detections = np.array([[0, 0, 1.0, 11.0], [0, 0, 1.0, 10.0]])  # both like the first instance best
    assert match(detections, truth, [0.3, 0.6]).tolist() == [[0, 1], [0, -1]]


def test_of_equal_scores_the_last_row_comes_first_by_default():
    truth, right, wrong = [(0, 0, 0, 1)], (0, 0, 0, 1, 0.5), (0, 0, 5, 6, 0.5)
    assert mean_average_precision([wrong, right], truth, [0.5], ties="last") == [1.0]
    assert mean_average_precision([wrong, right], truth, [0.5], ties="first") == [0.5]


def test_without_detections_zero_and_without_truth_nan():
    assert mean_average_precision([], [(0, 0, 0, 1)], [0.5, 0.7]).tolist() == [0, 0]
    assert np.isnan(mean_average_precision([(0, 0, 0, 1, 0.5)], [], [0.5, 0.7])).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 0, 0, 1), "rows of 5"),
        ((0, 0, np.nan, 1, 0.5), "not finite in row 0"),
        ((0, 0, 2, 1, 0.5), "before it starts"),
    ],
)
def test_refuses_invalid_rows(row, message):
    with pytest.raises(ValueError, match=message):
        average_precision([row], [(0, 0, 0, 1)], [0.5])


distinct = found.map(lambda drawn: [(*row[:2], 1 / (2 + place)) for place, row in enumerate(drawn)])


@given(distinct, truths.filter(bool), st.randoms())
def test_order_of_rows_does_not_matter_without_ties(detections, segments, random):
    shuffled = rows(detections)
    random.shuffle(shuffled)
    args = rows(segments), TIOUS
    assert mean_average_precision(shuffled, *args).tolist() == mean_average_precision(rows(detections), *args).tolist()


@given(distinct, truths.filter(bool), st.tuples(places, times))
def test_one_more_detection_of_lowest_score_never_harms(detections, segments, last):
    args = rows(segments), TIOUS
    more = [*rows(detections), *rows([(*last, 0.001)])]
    assert (mean_average_precision(more, *args) >= mean_average_precision(rows(detections), *args) - 1e-12).all()


@given(found, truths.filter(bool), st.sampled_from([-7, 64, 1024]))
def test_a_shift_of_time_changes_nothing(detections, segments, shift):
    def moved(drawn):
        return rows([(place, (time[0] + shift, time[1] + shift), *score) for place, time, *score in drawn])

    after = mean_average_precision(moved(detections), moved(segments), TIOUS)
    assert after.tolist() == mean_average_precision(rows(detections), rows(segments), TIOUS).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_official_code_for_many_ties(seed):
    rng = np.random.default_rng(seed)

    def made(count):
        start = rng.integers(0, 40, count)
        return np.stack(
            [rng.integers(0, 2, count), rng.integers(0, 2, count), start, start + rng.integers(1, 9, count)], 1
        )

    segments, detections = made(100).astype(float), np.column_stack([made(400), rng.integers(0, 9, 400)]).astype(float)
    found = mean_average_precision(detections, segments, [0.1, 0.5])
    assert found.tolist() == pytest.approx(slow_references.official_map(detections, segments, [0.1, 0.5]), abs=1e-12)

"""Average precision and delay by the time of emission."""

import numpy as np
import pytest
import slow_references

from wtal.metrics import online_score

TIOUS = (0.3, 0.5, 0.7)


def slow_delay(found, truth, threshold):
    """One detection after the other, best first, as MATR's evaluator does it."""
    delays = []
    for label in np.unique(truth[:, 1]):
        free = {row for row in range(len(truth)) if truth[row, 1] == label}
        ranked = sorted((one for one in found if one[1] == label), key=lambda one: -one[4])
        for one in ranked:
            if one[3] > one[5]:
                continue
            same = [row for row in free if truth[row, 0] == one[0]]
            best = max(same, key=lambda row: slow_references.tiou(one[2:4], truth[row, 2:4]), default=None)
            if best is not None and slow_references.tiou(one[2:4], truth[best, 2:4]) >= threshold:
                free.remove(best)
                delays.append(one[5] - truth[best, 3])
    return delays


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_a_loop(seed):
    random = np.random.default_rng(seed)

    def spans(count):
        start = random.uniform(0, 40, count)
        return np.column_stack(
            [random.integers(0, 3, count), random.integers(0, 2, count), start, start + random.uniform(1, 15, count)]
        )

    truth, count = spans(20), 60
    rows = spans(count)
    near = random.integers(0, 20, count)
    rows[::2] = truth[near[::2]] + np.column_stack([np.zeros((count, 2)), random.normal(0, 0.8, (count, 2))])[::2]
    rows[:, 3] = np.maximum(rows[:, 3], rows[:, 2] + 0.1)
    found = np.column_stack([rows, random.random(count), rows[:, 3] + random.normal(1.0, 1.0, count)])
    score = online_score(found, truth, TIOUS)
    early = found[:, 3] > found[:, 5]
    assert score.early == early.sum() > 0
    assert score.instances == 20
    expected = slow_references.average_precision(found[~early][:, :5], truth, TIOUS)
    np.testing.assert_allclose(score.precision.mean, np.mean(list(expected.values()), axis=0), atol=1e-12)
    for place, tiou in enumerate(TIOUS):
        delays = slow_delay(found, truth, tiou)
        assert score.found[place] == len(delays)
        assert score.delay_s[place] == pytest.approx(np.mean(delays))


def test_nothing_found_has_no_delay():
    score = online_score([[0, 0, 30.0, 40.0, 0.9, 41.0]], [[0, 0, 0.0, 10.0]], TIOUS)
    assert np.isnan(score.delay_s).all()
    assert score.found.tolist() == [0, 0, 0]
    assert score.precision.mean.tolist() == [0, 0, 0]
    assert online_score([], [[0, 0, 0.0, 10.0]], TIOUS).early == 0


def test_a_detection_before_the_true_end_is_early_by_as_much():
    score = online_score([[0, 0, 0.0, 9.0, 0.9, 9.5]], [[0, 0, 0.0, 10.0]], [0.5])
    assert score.delay_s.tolist() == [-0.5]
    assert score.precision.mean.tolist() == [1.0]

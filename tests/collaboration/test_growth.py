"""Points grow over what resembles them, and background lies between two of them."""

from itertools import pairwise

import numpy as np
import pytest

from wtal.collaboration.growth import grown


def points(length: int, **classes: int) -> tuple[np.ndarray, np.ndarray]:
    label, class_index = np.full(length, -1, np.int8), np.full(length, -1, np.int16)
    for place, index in classes.items():
        label[int(place[1:])], class_index[int(place[1:])] = 1, index
    return label, class_index


def slowly(label, class_index, scores, high, low, ends):
    """The rules, snippet by snippet."""
    label, class_index = label.copy(), class_index.copy()
    places = [t for t in range(len(label)) if label[t] == 1]
    edges = [-1, *places, len(label)]
    relative = {p: [scores[t][class_index[p]] / scores[p][class_index[p]] for t in range(len(label))] for p in places}
    for a, b in pairwise(edges):
        neighbours = [p for p in (a, b) if p in relative]
        stretch = range(a + 1, b)
        if not neighbours or not len(stretch):
            continue
        best = {t: max(relative[p][t] for p in neighbours) for t in stretch}
        sure = [t for t in stretch if best[t] < low]
        if len(neighbours) == 2:
            background = range(min(sure), max(sure) + 1) if sure else [min(stretch, key=best.get)]
        elif not sure or not ends[a in relative]:
            background = []
        else:
            background = range(a + 1, max(sure) + 1) if a == -1 else range(min(sure), b)
        for t in background:
            label[t] = 0
        for p, way in ((a, 1), (b, -1)):
            t = p + way
            while p in relative and t in stretch and label[t] == -1 and relative[p][t] >= high:
                label[t], class_index[t] = 1, class_index[p]
                t += way
    return label, class_index


@pytest.mark.parametrize("seed", range(40))
def test_it_equals_the_rules_snippet_by_snippet(seed):
    rng = np.random.default_rng(seed)
    length = int(rng.integers(1, 40))
    label, class_index = np.full(length, -1, np.int8), np.full(length, -1, np.int16)
    for place in rng.choice(length, size=min(length, int(rng.integers(0, 6))), replace=False):
        label[place], class_index[place] = 1, rng.integers(3)
    scores = rng.random((length, 3)) + 0.01
    ends = tuple(map(bool, rng.integers(0, 2, 2)))
    low, high = sorted(rng.random(2))
    found, expected = (rule(label, class_index, scores, high, low, ends) for rule in (grown, slowly))
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])
    assert (found[0][label == 1] == 1).all()
    assert np.array_equal(found[1][label == 1], class_index[label == 1])


def test_between_touching_instances_of_two_classes_the_lowest_snippet_is_background():
    scores = np.array([[1.0, 0], [0.9, 0.1], [0.5, 0.4], [0.1, 0.9], [0, 1.0]])
    label, class_index = grown(*points(5, p0=0, p4=1), scores, high=0.8, low=0.2)
    assert label.tolist() == [1, 1, 0, 1, 1]
    assert class_index.tolist() == [0, 0, -1, 1, 1]


def test_a_second_climax_without_a_point_is_background():
    scores = np.array([1.0, 0.1, 1.0, 0.1, 1.0])[:, None]
    assert grown(*points(5, p0=0, p4=0), scores)[0].tolist() == [1, 0, 0, 0, 1]


def test_beyond_the_points_of_a_crop_there_is_no_background_if_more_points_follow():
    scores = np.array([1.0, 0.0, 0.9, 1.0, 0.0])[:, None]
    assert grown(*points(5, p3=0), scores)[0].tolist() == [0, 0, 1, 1, 0]
    assert grown(*points(5, p3=0), scores, ends=(False, False))[0].tolist() == [-1, -1, 1, 1, -1]
    assert grown(*points(5, p3=0), scores, ends=(True, False))[0].tolist() == [0, 0, 1, 1, -1]


def test_without_a_point_nothing_is_labelled_and_scores_of_zero_are_no_reason_to_fail():
    nothing = points(3)
    assert grown(*nothing, np.ones((3, 1)))[0].tolist() == [-1, -1, -1]
    assert grown(*points(3, p1=0), np.zeros((3, 1)))[0].tolist() == [0, 1, 0]

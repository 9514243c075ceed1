"""From points to the snippets around them: pure functions on the scores of one video."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["grown"]

Floats = NDArray[np.floating[Any]]

_LEAST = 1e-6  # score at a point that is none


def grown(
    label: NDArray[np.int8],
    class_index: NDArray[np.int16],
    scores: Floats,
    high: float = 0.7,
    low: float = 0.2,
    ends: tuple[bool, bool] = (True, True),
) -> tuple[NDArray[np.int8], NDArray[np.int16]]:
    """Let the points of a video grow over the snippets that resemble them, and find background between them.

    All scores are taken relative to those of the same class at the neighbouring points. Between two points lies some
    background, at least the snippet with the lowest score; from the first to the last snippet below ``low`` it is all
    background, as two instances have two points. Before the first point and after the last one, background reaches from
    the snippet below ``low`` that is nearest to the point to the end. A point takes the snippets beside it, up to the
    background, as long as they score at least ``high``.

    Args:
        label: 1 at points, else -1, ``(T,)``.
        class_index: Class of each point, else -1, ``(T,)``.
        scores: Score of each class in each snippet, not negative, ``(T, C)``.
        high: Relative score from which a neighbour of a point belongs to it.
        low: Relative score below which a snippet is background.
        ends: Whether these are really the first and the last point of the video. In a crop that leaves points out,
            nothing is background beyond those that it shows.

    Returns:
        Label and class of each snippet.

    Source:
        LACP, arXiv:2108.05029, section 3.2, where the scores are those of the background and absolute.

    >>> point, nothing = np.array([1, -1, -1, -1, 1], np.int8), np.array([0, -1, -1, -1, 0], np.int16)
    >>> grown(point, nothing, np.array([[0.8], [0.7], [0.2], [0.3], [0.4]]))[0].tolist()
    [1, 1, 0, 1, 1]
    """
    label, class_index = label.copy(), class_index.copy()
    places = np.flatnonzero(label == 1)
    classes = class_index[places]
    relative = scores[:, classes] / np.maximum(scores[places, classes], _LEAST)  # (T, points)
    last = len(places) - 1
    for right in range(last + 2 if len(places) else 0):  # the stretch before each point, and that after the last one
        begin = int(places[right - 1]) + 1 if right else 0
        end = int(places[right]) if right <= last else len(label)
        neighbours = [point for point in (right - 1, right) if 0 <= point <= last]
        if begin == end:
            continue
        best = relative[begin:end, neighbours].max(axis=1)
        if len(neighbours) == 2:
            background = _between(best, low)
        else:
            background = _beyond(best, low, before=not right) if ends[right > last] else slice(0, 0)
        label[begin:end][background] = 0
        for point in neighbours:
            order = -1 if point == right else 1  # away from the point
            taken = _beside(label[begin:end][::order], relative[begin:end, point][::order], high)
            label[begin:end][::order][:taken] = 1
            class_index[begin:end][::order][:taken] = classes[point]
    return label, class_index


def _between(score: Floats, low: float) -> slice:
    """The background between two points: from the first to the last low snippet, or the lowest one."""
    found = np.flatnonzero(score < low)
    first, last = (found[0], found[-1]) if len(found) else (score.argmin(), score.argmin())
    return slice(int(first), int(last) + 1)


def _beyond(score: Floats, low: float, before: bool) -> slice:
    """The background before the first or after the last point: from the low snippet nearest to it to the end."""
    found = np.flatnonzero(score < low)
    if not len(found):
        return slice(0, 0)
    return slice(0, int(found[-1]) + 1) if before else slice(int(found[0]), len(score))


def _beside(label: NDArray[np.int8], score: Floats, high: float) -> int:
    """How many of the first snippets of a stretch are not labelled yet and score high."""
    fails = np.flatnonzero((label != -1) | (score < high))
    return int(fails[0]) if len(fails) else len(label)

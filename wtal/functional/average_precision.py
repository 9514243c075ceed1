"""Average precision of temporal detections by the rules of the ActivityNet challenge, vectorized."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtal.functional.segments import elementwise_iou, overlapping_pairs, pairs_of_equal_key

__all__ = [
    "AveragePrecision",
    "Takes",
    "Ties",
    "average_precision",
    "best_first_by_class",
    "group_keys",
    "match",
    "mean_average_precision",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ties = Literal["official", "last", "first"]
Takes = Literal["largest", "first"]


class AveragePrecision(NamedTuple):
    """Average precision in [0, 1] of each class at each threshold."""

    labels: Ints  # (C,) labels that occur in the ground truth, ascending
    values: Floats  # (C, K)

    @property
    def mean(self) -> Floats:
        """Mean over the classes, ``(K,)``; NaN without ground truth."""
        if len(self.labels) == 0:
            return np.full(self.values.shape[1], np.nan)
        return np.asarray(self.values.mean(axis=0))


def mean_average_precision(
    detections: ArrayLike, segments: ArrayLike, tious: Sequence[float], ties: Ties = "official"
) -> Floats:
    """Mean over the classes of :func:`average_precision`, ``(K,)``; NaN without ground truth.

    >>> found = [[0, 0, 0.0, 10.0, 0.9], [0, 0, 12.0, 20.0, 0.8], [1, 0, 0.0, 5.0, 0.7]]
    >>> truth = [[0, 0, 0.0, 8.0], [1, 0, 0.0, 5.0]]
    >>> mean_average_precision(found, truth, [0.5, 0.9]).round(4).tolist()
    [0.8333, 0.1667]
    """
    return average_precision(detections, segments, tious, ties).mean


def average_precision(
    detections: ArrayLike,
    segments: ArrayLike,
    tious: Sequence[float],
    ties: Ties = "official",
    interpolated: bool = True,
    takes: Takes = "largest",
) -> AveragePrecision:
    """Average precision of each class at each threshold of temporal IoU.

    The classes are those of the ground truth. The detections of a class, over all videos, are ranked by score. A
    detection is a true positive if its tIoU with a free instance of its video and class reaches the threshold; it then
    takes the one of largest tIoU, which is no longer free. All others are false positives, including those in
    videos without ground truth.

    Args:
        detections: ``(N, 5)`` rows of video, label, start, end, score.
        segments: Ground truth, ``(M, 4)`` rows of video, label, start, end.
        tious: Thresholds, ``(K,)``.
        ties: Which of several detections of equal score comes first, and which of several instances of equal tIoU is
            taken. ``official``: as the official code does on this machine. ``last``: the last row of either. ``first``:
            the first of the detections, the last of the instances.
        interpolated: Whether the precision at a recall is the best one at that recall or a larger one.
        takes: See :func:`match`.

    Returns:
        Labels ``(C,)`` and average precision ``(C, K)``.

    Raises:
        ValueError: If a shape is wrong, a value is not finite, or a segment ends before it starts.

    Source:
        activitynet/ActivityNet: Evaluation/eval_detection.py. It ranks by NumPy's ``argsort()[::-1]``, whose order of
        equal values depends on the version of NumPy and on the processor, which has changed an mAP by 0.0004.
        ``ties="last"`` is the result of a stable sort in its place, the same everywhere.
    """
    found, truth = _rows(detections, 5, "detections"), _rows(segments, 4, "segments")
    found = best_first_by_class(found, ties)
    is_true = match(found, truth, tious, ties, takes) >= 0
    labels, instances = np.unique(truth[:, 1], return_counts=True)
    begin, end = (np.searchsorted(found[:, 1], labels, side) for side in ("left", "right"))
    values = [_area(is_true[:, i:j], count, interpolated) for i, j, count in zip(begin, end, instances, strict=True)]
    return AveragePrecision(labels.astype(int), np.reshape(values, (len(labels), len(tious))))


def best_first_by_class(found: Floats, ties: Ties = "last") -> Floats:
    """Rows of detections class by class, and within a class by descending score."""
    if ties == "official":  # sort each class separately, as the order of equal values depends on the other values
        found = found[np.argsort(found[:, 1], kind="stable")]
        classes = np.split(found, np.flatnonzero(np.diff(found[:, 1])) + 1)
        return np.concatenate([rows[rows[:, 4].argsort()[::-1]] for rows in classes])
    score = found[:, 4]
    order = np.argsort(score, kind="stable")[::-1] if ties == "last" else np.argsort(-score, kind="stable")
    return np.asarray(found[order[np.argsort(found[order, 1], kind="stable")]])


def group_keys(*tables: Floats) -> list[Ints]:
    """Number the pairs of video and class in the first two columns of the tables, consistently over all tables."""
    pairs = np.concatenate([table[:, :2] for table in tables])
    videos, labels = (np.unique(column, return_inverse=True)[1] for column in pairs.T)
    key = videos * (labels.max(initial=0) + 1) + labels
    return np.split(key, np.cumsum([len(table) for table in tables])[:-1])


def match(found: Floats, truth: Floats, tious: Sequence[float], ties: Ties = "last", takes: Takes = "largest") -> Ints:
    """Match detections, ranked best first, to the instances of their video and class.

    Each detection takes the instance of largest tIoU among those that no better one has taken. All thresholds, classes
    and videos are matched at once: every detection proposes to its best instance, an instance keeps the best detection
    that proposed, and the others propose to their next instance, until none is left. As all instances rank the
    detections alike, the result is that of matching the detections one after the other.

    Args:
        found: ``(N, >= 4)`` rows of video, label, start, end, best first within a video and class.
        truth: ``(M, 4)`` rows of video, label, start, end.
        tious: Thresholds, ``(K,)``.
        ties: Which of several instances of equal tIoU comes first: the last row or, if ``official``, as NumPy sorts.
        takes: ``largest`` tIoU, or the ``first`` row of the instances that reach the threshold (W-TALC).

    Returns:
        Row of the instance that a detection takes at a threshold, -1 for none, ``(K, N)``.

    Source:
        Gale and Shapley, College Admissions and the Stability of Marriage, 1962.
    """
    thresholds = np.asarray(tious, dtype=float)
    taken = np.full((len(thresholds), len(found)), -1)
    row, instance, tiou = _overlapping(found, truth, thresholds.min(initial=np.inf), ties)
    if takes == "first":
        order = np.lexsort((instance, row))
        row, instance, tiou = row[order], instance[order], tiou[order]
    if len(row) == 0:
        return taken
    num_candidates = np.stack([np.bincount(row[tiou >= t], minlength=len(found)) for t in thresholds])
    first = np.searchsorted(row, np.arange(len(found)))  # of the instances that a detection proposes to
    level, detection = np.nonzero(num_candidates)
    list_end = np.searchsorted(row, detection, side="right")
    # the instances of largest tIoU begin the list
    last = (first + num_candidates)[level, detection] if takes == "largest" else list_end
    candidate = first[detection]
    best = np.full((len(thresholds), len(truth)), len(found))
    while len(detection):
        asked, enough = instance[candidate], tiou[candidate] >= thresholds[level]
        np.minimum.at(best, (level[enough], asked[enough]), detection[enough])
        refused = (best[level, asked] != detection) | ~enough
        taken[level, detection] = np.where(refused, -1, asked)
        candidate = candidate + refused
        if not refused.any():
            break
        left = candidate < last
        level, detection, candidate, last = level[left], detection[left], candidate[left], last[left]
    return taken


def _overlapping(found: Floats, truth: Floats, least: float, ties: Ties) -> tuple[Ints, Ints, Floats]:
    """Pairs of detection and instance with at least this tIoU, by detection and then with the best instance first."""
    found_key, true_key = group_keys(found, truth)
    parts = [(np.empty(0, int), np.empty(0, int), np.empty(0))]
    for row, instance in overlapping_pairs(found_key, found[:, 2:4], true_key, truth[:, 2:4]):
        tiou = elementwise_iou(found[row, 2:4], truth[instance, 2:4])
        enough = tiou >= least
        parts.append((row[enough], instance[enough], tiou[enough]))
    row, instance, tiou = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((-instance, -tiou, row))
    row, instance, tiou = row[order], instance[order], tiou[order]
    equal = (row[1:] == row[:-1]) & (tiou[1:] == tiou[:-1])
    if ties == "official" and equal.any():
        turn = -instance
        tied = np.unique(row[1:][equal])
        for place, other in pairs_of_equal_key(found_key[tied], true_key):  # also of small tIoU: all affect the order
            turns = _official_turn(place, elementwise_iou(found[tied[place], 2:4], truth[other, 2:4]))
            pair, known = tied[place] * len(truth) + other, row * len(truth) + instance
            at = np.searchsorted(pair, known) % len(pair)
            turn = np.where(pair[at] == known, turns[at], turn)
        order = np.lexsort((turn, -tiou, row))
        row, instance, tiou = row[order], instance[order], tiou[order]
    return row, instance, tiou


def _official_turn(row: Ints, tiou: Floats) -> Ints:
    """Rank of each instance in ``argsort()[::-1]`` of a detection's tIoUs; equally long lists are ranked at once."""
    sizes = np.bincount(row)[row]
    turn = np.empty_like(row)
    for size in np.unique(sizes):
        chosen = sizes == size
        order = tiou[chosen].reshape(-1, size).argsort(axis=1)[:, ::-1]
        turn[chosen] = order.argsort(axis=1, kind="stable").reshape(-1)
    return turn


def _area(is_true: NDArray[np.bool_], instances: int, interpolated: bool) -> Floats:
    """Area under the precision-recall curve, ``(K, N)`` -> ``(K,)``."""
    precision = np.cumsum(is_true, axis=1) / np.arange(1, is_true.shape[1] + 1)
    if interpolated:
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((precision * is_true).sum(axis=1) / instances)


def _rows(table: ArrayLike, width: int, name: str) -> Floats:
    rows = np.asarray(table, dtype=float)
    if rows.size == 0:
        rows = rows.reshape(0, width)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"`{name}` must be rows of {width} numbers, got the shape {rows.shape}.")
    if not np.isfinite(rows).all():
        raise ValueError(f"`{name}` has a value that is not finite in row {np.argmin(np.isfinite(rows).all(axis=1))}.")
    if (rows[:, 3] < rows[:, 2]).any():
        raise ValueError(
            f"`{name}` has a segment that ends before it starts, in row {np.argmax(rows[:, 3] < rows[:, 2])}."
        )
    return rows

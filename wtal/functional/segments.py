"""Segments of time: overlap, runs above a threshold, means inside and around.

NumPy rather than tensors, so that evaluating a prediction file does not import torch.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "elementwise_iou",
    "inner_outer_means",
    "intersection",
    "merge_segments",
    "overlapping_pairs",
    "pairs_of_equal_key",
    "runs",
    "temporal_iou",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def intersection(a: ArrayLike, b: ArrayLike) -> Floats:
    """Duration that two segments share.

    Args:
        a: Start and end, ``(..., 2)``.
        b: Start and end, of a shape that broadcasts.

    Returns:
        Shared seconds, ``(...)``, not negative.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    shared = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    return np.asarray(np.maximum(shared, 0.0))


def elementwise_iou(a: ArrayLike, b: ArrayLike) -> Floats:
    """Temporal intersection over union, element by element.

    Args:
        a: Start and end, ``(..., 2)``.
        b: Start and end, of a shape that broadcasts.

    Returns:
        tIoU, ``(...)`` in [0, 1]. It is 1 for two empty segments at the same place, 0 for any others.

    Source:
        ActivityNet's evaluator divides 0 by 0 for two empty segments; the NaN passes every threshold there.

    >>> elementwise_iou([0, 10], [[5, 10], [5, 20], [10, 30]]).tolist()
    [0.5, 0.25, 0.0]
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    shared = intersection(a, b)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - shared
    same_place = np.broadcast_to(a[..., 0] == b[..., 0], union.shape).astype(float)
    return np.asarray(np.divide(shared, union, out=same_place, where=union > 0))


def temporal_iou(a: ArrayLike, b: ArrayLike) -> Floats:
    """Temporal intersection over union of all pairs of segments.

    Args:
        a: Start and end, ``(N, 2)``.
        b: Start and end, ``(M, 2)``.

    Returns:
        tIoU, ``(N, M)``, see :func:`elementwise_iou`.

    >>> temporal_iou([[0, 4]], [[0, 4], [2, 6]]).round(3).tolist()
    [[1.0, 0.333]]
    """
    return elementwise_iou(np.asarray(a, dtype=float)[:, None], np.asarray(b, dtype=float)[None])


def runs(mask: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Maximal runs of True in each row.

    Args:
        mask: ``(K, T)``.

    Returns:
        Row, first index and index after the last of each run, ``(R,)`` each, row by row.

    >>> [part.tolist() for part in runs(np.array([[True, True, False, True], [False, False, True, False]]))]
    [[0, 0, 1], [0, 3, 2], [2, 4, 3]]
    """
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    return row, start, np.nonzero(edges == -1)[1]


def inner_outer_means(
    values: Floats, row: Ints, start: Ints, end: Ints, outer_ratio: float, min_margin: int = 1
) -> tuple[Floats, Floats]:
    """Mean of a sequence inside a segment and in a margin on both sides of it.

    The margin is cut off at the ends of the sequence; the mean of an empty margin is zero.

    Args:
        values: Sequences, ``(K, T)``.
        row: Row of the sequence of each segment, ``(R,)``.
        start: First index of each segment, ``(R,)``.
        end: Index after the last of each segment, ``(R,)``, greater than its start.
        outer_ratio: Length of the margin on each side as a share of the length of the segment, rounded to whole steps.
        min_margin: Minimum length of the margin on each side, in steps.

    Returns:
        Inner and outer mean, ``(R,)`` each.

    Source:
        Outer-inner contrast of AutoLoc, arXiv:1807.08333.

    >>> sequence = np.array([[0.0, 1.0, 1.0, 0.5]])
    >>> inner, outer = inner_outer_means(sequence, np.array([0]), np.array([1]), np.array([3]), 0.25)
    >>> inner.item(), outer.item()
    (1.0, 0.25)
    """
    total = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
    margin = np.maximum(np.rint(outer_ratio * (end - start)).astype(int), min_margin)
    left, right = np.maximum(start - margin, 0), np.minimum(end + margin, values.shape[1])
    inner = total[row, end] - total[row, start]
    outer = total[row, right] - total[row, left] - inner
    outside = (right - left) - (end - start)
    return inner / (end - start), np.where(outside > 0, outer / np.maximum(outside, 1), 0.0)


def pairs_of_equal_key(a: Ints, b: Ints, at_once: int = 1 << 21) -> Iterator[tuple[Ints, Ints]]:
    """Enumerate all pairs of rows that share a key, such as video and class.

    Args:
        a: Keys, ``(N,)``.
        b: Keys, ``(M,)``.
        at_once: Approximate number of pairs per yield, which bounds memory.

    Yields:
        Rows of ``a``, ascending from one yield to the next, and rows of ``b``, ascending for each row of ``a``.

    >>> [[part.tolist() for part in pair] for pair in pairs_of_equal_key(np.array([7, 8]), np.array([8, 7, 8]))]
    [[[0, 1, 1], [1, 0, 2]]]
    """
    order = np.argsort(b, kind="stable")
    first = np.searchsorted(b[order], a, side="left")
    count = np.searchsorted(b[order], a, side="right") - first
    yield from _pairs(order, first, count, at_once)


def overlapping_pairs(
    a_key: Ints, a: Floats, b_key: Ints, b: Floats, at_once: int = 1 << 21
) -> Iterator[tuple[Ints, Ints]]:
    """Enumerate all pairs of segments that share a key and touch, and few other pairs.

    Args:
        a_key: Keys, ``(N,)``, not negative.
        a: Start and end, ``(N, 2)``.
        b_key: Keys, ``(M,)``.
        b: Start and end, ``(M, 2)``.
        at_once: Approximate number of pairs per yield, which bounds memory.

    Yields:
        Rows of ``a``, ascending from one yield to the next, and rows of ``b``, in the order of their starts.

    >>> a, b = np.array([[0.0, 2.0], [5.0, 6.0]]), np.array([[8.0, 9.0], [6.0, 7.0], [1.0, 3.0]])
    >>> [[part.tolist() for part in pair] for pair in overlapping_pairs(np.zeros(2, int), a, np.zeros(3, int), b)]
    [[[0, 1], [2, 1]]]
    """
    if not len(a) or not len(b):
        return
    low = min(a.min(), b.min())
    era = 2 * (max(a.max(), b.max()) - low) + 1  # keys lie one after the other on one time axis, with gaps
    slack = 1e-9 * era * (max(a_key.max(), b_key.max()) + 1)  # more than the rounding error on that axis
    a, b = a - low + a_key[:, None] * era, b - low + b_key[:, None] * era
    order = np.argsort(b[:, 0], kind="stable")
    first = np.searchsorted(np.maximum.accumulate(b[order, 1]), a[:, 0] - slack)
    count = np.maximum(np.searchsorted(b[order, 0], a[:, 1] + slack, side="right") - first, 0)
    yield from _pairs(order, first, count, at_once)


def _pairs(order: Ints, first: Ints, count: Ints, at_once: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs of each row with ``count`` entries of an order, from ``first`` on."""
    total = np.cumsum(count)
    begin = 0
    while begin < len(count):
        done = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, done + at_once, side="right")))
        here = count[begin:end]
        row = np.repeat(np.arange(begin, end), here)
        place = np.arange(len(row)) - np.repeat(np.cumsum(here) - here, here)
        yield row, order[first[row] + place]
        begin = end


def merge_segments(key: Ints, segments: Floats) -> tuple[Ints, Floats]:
    """Unite segments of the same key that overlap or touch.

    Args:
        key: Key of each segment, such as its video and class, ``(N,)``.
        segments: Start and end, ``(N, 2)``.

    Returns:
        Key and segment of each union, ``(U,)`` and ``(U, 2)``, sorted by key and time.

    >>> merge_segments(np.array([0, 0, 1, 0]), np.array([[4.0, 6.0], [0.0, 1.0], [0.0, 9.0], [5.0, 8.0]]))[1].tolist()
    [[0.0, 1.0], [4.0, 8.0], [0.0, 9.0]]
    """
    keys, times = np.tile(key, 2), segments.T.reshape(-1)
    step = np.repeat([1, -1], len(segments))
    order = np.lexsort((-step, times, keys))  # at equal times, starts come before ends
    open_ones = np.cumsum(step[order])
    last = order[open_ones == 0]
    first = order[np.roll(open_ones, 1) == 0]
    return keys[first], np.stack([times[first], times[last]], axis=1)

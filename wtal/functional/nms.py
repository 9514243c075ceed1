"""Hard and soft non-maximum suppression of temporal segments, for all groups (classes, videos) at once."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["nms", "soft_nms"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def nms(
    segments: Floats, scores: Floats, groups: Ints | None = None, tiou: float = 0.5, max_kept: int | None = None
) -> Ints:
    """Drop every segment that overlaps a better, kept segment of its group.

    Args:
        segments: Start and end, ``(N, 2)``.
        scores: Scores, ``(N,)``; of equal scores the first row is better.
        groups: Group of each segment, such as its class, ``(N,)``; segments of different groups do not affect each
            other. None for a single group.
        tiou: Temporal IoU from which a segment is dropped.
        max_kept: Maximum number of segments to keep, over all groups; None for all.

    Returns:
        Rows of the kept segments, best first.

    >>> nms(np.array([[0.0, 4.0], [1.0, 4.0], [5.0, 6.0]]), np.array([0.8, 0.9, 0.1])).tolist()
    [1, 2]
    """
    return _suppress(segments, scores, groups, lambda overlap: (overlap < tiou).astype(float), -np.inf, max_kept)[0]


def soft_nms(
    segments: Floats,
    scores: Floats,
    groups: Ints | None = None,
    decay: Literal["gaussian", "linear"] = "gaussian",
    sigma: float = 0.3,
    tiou: float = 0.3,
    min_score: float = 0.001,
    max_kept: int | None = None,
) -> tuple[Ints, Floats]:
    """Lower the score of every segment that overlaps a better one of its group, instead of dropping it.

    Args:
        segments: Start and end, ``(N, 2)``.
        scores: Scores, ``(N,)``, not negative for segments of interest; of equal scores the first row is better.
        groups: Group of each segment, such as its class, ``(N,)``; segments of different groups do not affect each
            other. None for a single group.
        decay: Factor at a temporal IoU of ``o``: ``exp(-o² / sigma)`` or, from ``tiou`` on, ``1 - o``.
        sigma: Width of the Gaussian.
        tiou: Temporal IoU at which the linear decay begins.
        min_score: A segment is dropped as soon as its score is no longer above this.
        max_kept: Maximum number of segments to keep, over all groups; None for all.

    Returns:
        Rows that are kept and their lowered scores, best first.

    Source:
        Bodla et al., Soft-NMS, arXiv:1704.04503.

    >>> rows, scores = soft_nms(np.array([[0.0, 4.0], [0.0, 4.0], [5.0, 6.0]]), np.array([0.9, 0.8, 0.1]), sigma=1.0)
    >>> rows.tolist(), scores.round(4).tolist()
    ([0, 1, 2], [0.9, 0.2943, 0.1])
    """
    factors: dict[str, Callable[[Floats], Floats]] = {
        "gaussian": lambda overlap: np.exp(-(overlap**2) / sigma),
        "linear": lambda overlap: np.where(overlap >= tiou, 1 - overlap, 1.0),
    }
    return _suppress(segments, scores, groups, factors[decay], min_score, max_kept)


def _suppress(
    segments: Floats,
    scores: Floats,
    groups: Ints | None,
    factor: Callable[[Floats], Floats],
    min_score: float,
    max_kept: int | None,
) -> tuple[Ints, Floats]:
    """Repeatedly take the best segment and lower the others of its group, so scores are taken in descending order."""
    _, group = np.unique(np.zeros(len(segments)) if groups is None else groups, return_inverse=True)
    order = np.lexsort((-scores, group))
    start, end, left = segments[order, 0], segments[order, 1], scores[order].astype(float)
    length, last = end - start, np.cumsum(np.bincount(group)).tolist()
    mates = [slice(*bounds) for bounds in zip([0, *last], last, strict=False)]
    owner, rows, lowered = group[order].tolist(), list[int](), list[float]()
    while len(rows) < (len(order) if max_kept is None else min(max_kept, len(order))):
        best = int(left.argmax())
        score = left[best]
        if not score > min_score:
            break
        rows.append(best)
        lowered.append(score)
        mine = mates[owner[best]]
        shared = np.maximum(np.minimum(end[mine], end[best]) - np.maximum(start[mine], start[best]), 0)
        union = length[mine] + length[best] - shared
        weight = factor(shared / np.maximum(union, np.finfo(float).tiny))
        left[mine] = np.where(weight > 0, left[mine], -np.inf) * np.where(weight > 0, weight, 1)
        left[best] = -np.inf
    return order[np.asarray(rows, dtype=int)], np.asarray(lowered)

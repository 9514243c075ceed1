"""Non-maximum suppression of temporal segments, hard and soft, of all groups (classes, videos) at once."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wtal.functional.segments import elementwise_iou

__all__ = ["nms", "soft_nms"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def nms(
    segments: Floats, scores: Floats, groups: Ints | None = None, tiou: float = 0.5, max_kept: int | None = None
) -> Ints:
    """Drop every segment that overlaps a better one, which is kept, of its group.

    Args:
        segments: Start and end, ``(N, 2)``.
        scores: ``(N,)``; of equal ones the first row is the better.
        groups: Segments of different groups, such as classes, leave each other alone, ``(N,)``; None for a single one.
        tiou: Overlap of at least this much is too much.
        max_kept: How many to keep in a group at most.

    Returns:
        Rows that are kept, by group and within it best first.

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
        scores: ``(N,)``, not negative where they matter; of equal ones the first row is the better.
        groups: Segments of different groups, such as classes, leave each other alone, ``(N,)``; None for a single one.
        decay: Factor for a neighbour of overlap ``o``: ``exp(-o² / sigma)`` or, from ``tiou`` on, ``1 - o``.
        sigma: Width of the Gaussian.
        tiou: Where the linear decay begins.
        min_score: A segment is dropped as soon as its score is not above this.
        max_kept: How many to keep in a group at most.

    Returns:
        Rows that are kept, by group and within it in the order of their lowered scores, and these scores.

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
    """Take the best of every group, lower its neighbours, and again: one step for all groups."""
    if len(segments) == 0:
        return np.empty(0, dtype=int), np.empty(0)
    _, group = np.unique(np.zeros(len(segments)) if groups is None else groups, return_inverse=True)
    order = np.lexsort((-scores, group))
    sizes = np.bincount(group)
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    source = np.full((len(sizes), sizes.max()), -1)  # (G, N) padded
    source[group[order], place] = order
    spans, left = segments[source], np.where(source >= 0, scores[source], -np.inf)
    alive = np.arange(len(sizes))
    kept: list[tuple[Ints, Ints, Floats]] = []
    for _ in range(source.shape[1] if max_kept is None else min(max_kept, source.shape[1])):
        best = left.argmax(axis=1)
        lane = np.arange(len(best))
        score = left[lane, best]
        go_on = score > min_score
        if not go_on.all():
            alive, source, spans, left = alive[go_on], source[go_on], spans[go_on], left[go_on]
            best, lane, score = best[go_on], np.arange(go_on.sum()), score[go_on]
            if len(alive) == 0:
                break
        kept.append((alive, source[lane, best], score))
        weight = factor(elementwise_iou(spans, spans[lane, best][:, None]))
        weight[lane, best] = 0
        left = np.where(weight > 0, left * np.where(weight > 0, weight, 1), -np.inf)
    if not kept:
        return np.empty(0, dtype=int), np.empty(0)
    owner, rows, lowered = (np.concatenate(part) for part in zip(*kept, strict=True))
    by_group = np.argsort(owner, kind="stable")
    return rows[by_group], lowered[by_group]

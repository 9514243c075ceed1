"""Recall of the best detections of each video and class, at multiples of its number of instances."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtal.functional.average_precision import best_first_by_class, group_keys
from wtal.functional.segments import elementwise_iou, pairs_of_equal_key

__all__ = ["recall_at_multiples"]

Floats = NDArray[np.float64]


def recall_at_multiples(
    detections: ArrayLike, segments: ArrayLike, tious: Sequence[float], multiples: Sequence[int]
) -> Floats:
    """Share of the instances whose tIoU with one of the best detections reaches a threshold, averaged over the classes.

    In a video with ``n`` instances of a class, the best ``k n`` detections of the class count. Several detections may
    find the same instance, and one may find several.

    Args:
        detections: ``(N, 5)`` rows of video, label, start, end, score.
        segments: Ground truth, ``(M, 4)`` rows of video, label, start, end.
        tious: Thresholds, ``(K,)``.
        multiples: The factors ``k``, ``(R,)``.

    Returns:
        Recall, ``(K, R)`` in [0, 1]; NaN without ground truth.

    Source:
        "Recall at kx" of ActionFormer's and OpenTAD's evaluators, after Ego4D's.

    >>> found = [[0, 0, 0.0, 3.0, 0.9], [0, 0, 0.0, 9.0, 0.8]]
    >>> recall_at_multiples(found, [[0, 0, 0.0, 10.0]], [0.3, 0.5], [1, 2]).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    truth = np.asarray(segments, dtype=float).reshape(-1, 4)
    if len(truth) == 0 or len(multiples) == 0:
        return np.full((len(tious), len(multiples)), np.nan)
    found = best_first_by_class(np.asarray(detections, dtype=float).reshape(-1, 5), "official")
    found_key, true_key = group_keys(found, truth)
    instances = np.bincount(true_key)[true_key]  # of the video and class of each instance
    order = np.argsort(found_key, kind="stable")
    rank = np.empty(len(found), dtype=int)
    rank[order] = np.arange(len(found)) - np.searchsorted(found_key[order], found_key[order])
    needed = np.full((len(tious), len(truth)), np.inf)  # rank of the best detection that finds an instance
    for row, other in pairs_of_equal_key(true_key, found_key):
        tiou = elementwise_iou(truth[row, 2:4], found[other, 2:4])
        for level, threshold in enumerate(tious):
            enough = tiou >= threshold
            np.minimum.at(needed[level], row[enough], rank[other[enough]])
    is_found = needed[:, None, :] < np.asarray(multiples)[:, None] * instances  # (K, R, M)
    by_class = [is_found[..., truth[:, 1] == label].mean(axis=-1) for label in np.unique(truth[:, 1])]
    return np.asarray(np.mean(by_class, axis=0))

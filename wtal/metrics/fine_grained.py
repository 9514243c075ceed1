"""Fine-grained mAP of anomalies: segments of each kind, cut out of frame-wise class probabilities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wtal.functional.average_precision import average_precision
from wtal.metrics.frame_scores import FRAME_RULE_SETS, FrameRules

__all__ = ["FINE_TIOUS", "fine_grained_map", "frame_proposals"]

Floats = NDArray[np.float64]
FINE_TIOUS = (0.1, 0.2, 0.3, 0.4, 0.5)
_NORMAL = -1  # label of normal videos among the kinds of anomaly, 0 to C - 1

# As in VadCLIP's code: how deep below its maximum a curve is cut, the shortest segment, the share of the frames that
# make the score of the video, and the weight of that score. The first is of double precision whatever the scores are.
_DEPTH, _SHORTEST, _SHARE, _WEIGHT = np.float64(0.6), 2, 16, 0.7


def frame_proposals(probability: NDArray[np.floating]) -> Floats:
    """Segments in which the probability of a class is high, relative to its range in the video.

    Args:
        probability: Probability of each class in each frame, ``(F, C)``.

    Returns:
        ``(N, 4)`` rows of class, first frame, the frame after the last, score; by class, best first. The score is the
        highest probability in the segment, and the mean of the highest sixteenth of the video times 0.7.

    Source:
        nwpu-zxr/VadCLIP: src/utils/ucf_detectionMAP.py. Its non-maximum suppression changes nothing, as the segments
        of its only threshold do not overlap.
    """
    frames, classes = probability.shape
    parts, top = [np.empty((0, 4))], frames // _SHARE
    for label in range(classes if top else 0):
        curve = probability[:, label]
        of_video = np.mean(-np.sort(-curve)[:top])
        above = (curve > curve.max() - (curve.max() - curve.min()) * _DEPTH) & (of_video > 0)
        edges = np.diff(np.pad(above.astype(np.int8), 1))
        start, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        long = end - start >= _SHORTEST
        score = np.array([curve[a:b].max() + _WEIGHT * of_video for a, b in zip(start[long], end[long], strict=True)])
        rows = np.column_stack([np.full(len(score), label), start[long], end[long], score]).reshape(-1, 4)
        parts.append(rows[np.argsort(-rows[:, 3])])
    return np.concatenate(parts)


def fine_grained_map(
    probabilities: Sequence[NDArray[np.floating]],
    segments: Floats,
    rules: FrameRules = FRAME_RULE_SETS["wtal"],
    tious: Sequence[float] = FINE_TIOUS,
) -> Floats:
    """Mean average precision of the segments of :func:`frame_proposals` at temporal IoU, ``(K,)`` in [0, 1].

    Args:
        probabilities: Probability of each frame of a video to be normal, which comes first, and of each kind of
            anomaly, ``(F, 1 + C)``.
        segments: True segments, ``(M, 4)`` rows of video, kind, first frame, the frame after the last. A video without
            one is normal.
        rules: What counts as a class, and how; see :class:`~wtal.metrics.frame_scores.FrameRules`.
        tious: Thresholds.

    Returns:
        NaN without a true segment if the classes are those that have one.
    """
    videos = [frame_proposals(video) for video in probabilities]
    numbers = [np.full((len(rows), 1), number) for number, rows in enumerate(videos)]
    found = np.concatenate([np.empty((0, 5)), *(np.hstack(pair) for pair in zip(numbers, videos, strict=True))])
    found[:, 1] -= 1  # normal comes first
    truth = np.asarray(segments, dtype=float).reshape(-1, 4)
    truth = truth[truth[:, 3] > truth[:, 2]]
    if rules.normal_class == "left out":
        found = found[found[:, 1] != _NORMAL]
    elif rules.normal_class == "a class":
        truth = np.concatenate([truth, _normal_videos(probabilities, truth)])
    measured = average_precision(_best_first(found), truth[::-1], tious, "last", rules.interpolated)
    if not rules.zero_without_proposals:
        return measured.mean
    every = np.arange(_NORMAL, probabilities[0].shape[1] - 1 if probabilities else 0)
    if not np.isin(every, found[:, 1]).all():
        return np.zeros(len(tious))
    return np.asarray(measured.values[np.isin(measured.labels, every)].sum(axis=0) / len(every))


def _normal_videos(probabilities: Sequence[NDArray[np.floating]], truth: Floats) -> Floats:
    """Each video without a true segment as one instance of the normal class."""
    rows = sorted(set(range(len(probabilities))) - set(truth[:, 0].astype(int)))
    return np.array([[row, _NORMAL, 0, len(probabilities[row])] for row in rows], dtype=float).reshape(-1, 4)


def _best_first(found: Floats) -> Floats:
    """Rows whose scores are ranks, so that proposals of equal score come in the order in which VadCLIP sorts them."""
    parts = [np.empty((0, 5))]
    for label in np.unique(found[:, 1]):
        rows = found[found[:, 1] == label]
        rows = rows[np.argsort(-rows[:, 4])]
        rows[:, 4] = -np.arange(len(rows))
        parts.append(rows)
    return np.concatenate(parts)

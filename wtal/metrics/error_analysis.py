"""How a method fails: which parts of actions it misses, and which background it takes for actions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtal.functional.average_precision import best_first_by_class, group_keys, match
from wtal.functional.segments import elementwise_iou, intersection, merge_segments, pairs_of_equal_key

__all__ = ["ErrorProfile", "error_profile"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ErrorProfile:
    """Error rates of a method in [0, 1]; NaN where the denominator is zero.

    Only the best-scored detections count, as many per class as the class has instances. This makes methods with few
    and with many detections comparable: the many of low score, which cost little mAP, do not dominate. Detections and
    instances are always compared within one video and class.

    The first two rates measure time, whatever the number of detections: an incomplete method has many false negatives
    and few false positives, an over-complete method the reverse. The next four measure how well a detection that
    overlaps an instance fits its bounds. The last two count detections and instances.

    Args:
        false_positive_rate: Share of the detected time outside the instances; time detected twice counts once.
        false_negative_rate: Share of the time of the instances that no detection covers.
        completeness: Mean, over the instances that a detection overlaps, of the share of the instance that the
            detection of largest tIoU covers.
        background_share: Mean, over the detections that overlap an instance, of the share of the detection outside all
            instances: its over-completeness.
        swallowing: Share of the detections that cover at least half of each of two or more instances.
        length_ratio: Median, over the instances that a detection overlaps, of the length of the detection of largest
            tIoU divided by that of the instance.
        precision: Share of the detections that are true positives by :func:`~wtal.functional.average_precision.match`.
        recall: Share of the instances that such a detection finds.
    """

    false_positive_rate: float
    false_negative_rate: float
    completeness: float
    background_share: float
    swallowing: float
    length_ratio: float
    precision: float
    recall: float


def error_profile(detections: ArrayLike, segments: ArrayLike, tiou: float = 0.5) -> ErrorProfile:
    """Profile the errors of detections of any number of videos and classes.

    Args:
        detections: ``(N, 5)`` rows of video, label, start, end, score.
        segments: Ground truth, ``(M, 4)`` rows of video, label, start, end.
        tiou: Threshold of a true positive, for precision and recall.

    Source:
        As many detections as instances: the cut ``1G`` of DETAD, arXiv:1807.10706. The measures are our choice.

    >>> error_profile([[0, 0, 0.0, 6.0, 0.9], [0, 0, 6.0, 8.0, 0.1]], [[0, 0, 4.0, 8.0]])
    ErrorProfile(false_positive_rate=0.6666666666666667, false_negative_rate=0.5, completeness=0.5, \
background_share=0.6666666666666667, swallowing=0.0, length_ratio=1.5, precision=0.0, recall=0.0)
    """
    truth = np.asarray(segments, dtype=float).reshape(-1, 4)
    found = _best_as_many(np.asarray(detections, dtype=float).reshape(-1, 5), truth)
    found_key, true_key = group_keys(found, truth)
    found_span, true_span = found[:, 2:4], truth[:, 2:4]
    covered_key, covered = merge_segments(found_key, found_span)
    action_key, action = merge_segments(true_key, true_span)
    both = _shared(covered_key, covered, action_key, action).sum()
    inside = _shared(found_key, found_span, action_key, action)
    meets = inside > 0
    completeness, length_ratio = _best_of_each_instance(found_key, found_span, true_key, true_span)
    true_ones = int((match(found, truth, [tiou]) >= 0).sum())
    return ErrorProfile(
        false_positive_rate=1 - _share(both, _length(covered).sum()),
        false_negative_rate=1 - _share(both, _length(action).sum()),
        completeness=_mean(completeness),
        background_share=1 - _mean(inside[meets] / _length(found_span)[meets]),
        swallowing=_mean(_half_covered(found_key, found_span, true_key, true_span) >= 2),
        length_ratio=float(np.median(length_ratio)) if len(length_ratio) else float("nan"),
        precision=_share(true_ones, len(found)),
        recall=_share(true_ones, len(truth)),
    )


def _best_as_many(found: Floats, truth: Floats) -> Floats:
    """The best-scored detections of each class in the ground truth, at most as many as it has instances."""
    found = best_first_by_class(found)
    labels, instances = np.unique(truth[:, 1], return_counts=True)
    begin, end = (np.searchsorted(found[:, 1], labels, side) for side in ("left", "right"))
    slices = [found[i : min(i + n, j)] for i, j, n in zip(begin, end, instances, strict=True)]
    return np.concatenate([found[:0], *slices])


def _length(spans: Floats) -> Floats:
    return np.asarray(spans[:, 1] - spans[:, 0])


def _shared(key: Ints, spans: Floats, others_key: Ints, others: Floats) -> Floats:
    """Seconds that each segment shares with other, disjoint segments of its key."""
    shared = np.zeros(len(spans))
    for row, other in pairs_of_equal_key(key, others_key):
        shared += np.bincount(row, intersection(spans[row], others[other]), minlength=len(spans))
    return shared


def _half_covered(found_key: Ints, found: Floats, true_key: Ints, truth: Floats) -> Ints:
    """Number of instances of which each detection covers at least half."""
    count = np.zeros(len(found), dtype=int)
    for row, other in pairs_of_equal_key(found_key, true_key):
        length = _length(truth[other])
        half = (length > 0) & (intersection(found[row], truth[other]) >= length / 2)
        count += np.bincount(row[half], minlength=len(found))
    return count


def _best_of_each_instance(found_key: Ints, found: Floats, true_key: Ints, truth: Floats) -> tuple[Floats, Floats]:
    """Share of each instance that the detection of largest tIoU covers, and the ratio of their lengths.

    Instances that no detection overlaps are left out.
    """
    shares, ratios = [np.empty(0)], [np.empty(0)]
    for row, other in pairs_of_equal_key(true_key, found_key):
        tiou = elementwise_iou(truth[row], found[other])
        order = np.lexsort((tiou, row))
        row, other, tiou = row[order], other[order], tiou[order]
        best = np.append(row[1:] != row[:-1], True)[: len(row)] & (tiou > 0) & (_length(truth[row]) > 0)
        mine, its = truth[row[best]], found[other[best]]
        shares.append(intersection(mine, its) / _length(mine))
        ratios.append(_length(its) / _length(mine))
    return np.concatenate(shares), np.concatenate(ratios)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _mean(values: Floats | NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")

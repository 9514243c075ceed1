"""The numbers of a page, computed by the metric functions for all videos together and for each one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.functional.average_precision import best_first_by_class, group_keys, match, mean_average_precision
from wtal.functional.segments import elementwise_iou, pairs_of_equal_key
from wtal.metrics.error_analysis import ErrorProfile, error_profile
from wtal.report.page.contents import Method
from wtal.results.ground_truth import GroundTruth, numbered

__all__ = ["MEASURES", "TIOU", "Judged", "Measured", "judge", "measure", "rows_of"]

Floats = NDArray[np.float64]

TIOU = 0.5  # threshold from which a detection counts as true, as in `error_profile`
# Fields of ErrorProfile, and what the page calls them.
MEASURES = {
    "false_negative_rate": "missed action time",
    "false_positive_rate": "false detected time",
    "completeness": "completeness",
    "background_share": "background share",
    "swallowing": "swallowing",
    "precision": f"precision at {TIOU:g}",
    "recall": f"recall at {TIOU:g}",
}


@dataclass(frozen=True)
class Measured:
    """The numbers of one method.

    Args:
        mean_ap: The mAP by threshold of temporal IoU, in [0, 1].
        average: Mean over the thresholds.
        profile: Errors in all videos.
        videos: Errors in each video that has an instance.
    """

    mean_ap: dict[float, float]
    average: float
    profile: ErrorProfile
    videos: dict[str, ErrorProfile]


def rows_of(table: pd.DataFrame, truth: GroundTruth) -> Floats:
    """Detections in the form that the metric functions take.

    Args:
        table: Rows of :data:`~wtal.results.predictions.COLUMNS`, with the names of videos that the ground truth uses.
        truth: The ground truth; videos and labels that it lacks get numbers after those that it has.

    Returns:
        ``(N, 5)`` rows of video, label, start, end, score, in the order of the table.
    """
    numbers = numbered(table["video_id"], truth.video_ids), numbered(table["label"], truth.class_names)
    return np.column_stack([c.to_numpy(float) for c in (*numbers, table["start_s"], table["end_s"], table["score"])])


def measure(method: Method, truth: GroundTruth, tious: Sequence[float]) -> Measured:
    """Measure a method on all videos of the ground truth."""
    found, true = rows_of(method.detections, truth), truth.segments
    mean_ap = dict(zip(tious, map(float, mean_average_precision(found, true, list(tious))), strict=True))
    found, begin, end = _by_video(found, len(truth.video_ids))
    true, first, last = _by_video(true, len(truth.video_ids))
    videos = {
        name: error_profile(found[begin[i] : end[i]], true[first[i] : last[i]])
        for name, i in truth.rows.items()
        if last[i] > first[i]
    }
    average = float(np.mean(list(mean_ap.values())))
    return Measured(mean_ap, average, error_profile(found, true), videos)


def _by_video(rows: Floats, count: int) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Rows sorted by video, and where the rows of each video begin and end."""
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    begin, end = (np.searchsorted(rows[:, 0], np.arange(count), side) for side in ("left", "right"))
    return rows, begin, end


@dataclass(frozen=True)
class Judged:
    """The verdict on each detection, in the order of the method's table; ``(N,)`` each.

    Args:
        true: Whether it matches an instance at :data:`TIOU`, as the mAP counts.
        counted: Whether it is among the best of its video and class, as many as there are instances.
        tiou: Its largest temporal IoU with an instance of its video and class.
    """

    true: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    tiou: Floats


def judge(table: pd.DataFrame, truth: GroundTruth) -> Judged:
    """Judge each detection by the ground truth."""
    segments = truth.segments
    found = np.column_stack([rows_of(table, truth), np.arange(len(table))])
    found = best_first_by_class(found) if len(found) else found
    place = found[:, 5].astype(int)
    true, counted, tiou = np.zeros(len(table), bool), np.zeros(len(table), bool), np.zeros(len(table))
    true[place] = match(found, segments, [TIOU])[0] >= 0
    found_key, true_key = group_keys(found, segments)
    instances = np.bincount(true_key, minlength=int(found_key.max(initial=-1)) + 1)
    order = np.argsort(found_key, kind="stable")  # still best first within each video and class
    rank = np.arange(len(order)) - np.searchsorted(found_key[order], found_key[order])
    counted[place[order]] = rank < instances[found_key[order]]
    best = np.zeros(len(found))
    for row, other in pairs_of_equal_key(found_key, true_key):
        np.maximum.at(best, row, elementwise_iou(found[row, 2:4], segments[other, 2:4]))
    tiou[place] = best
    return Judged(true, counted, tiou)

"""The numbers of a page: those of the metric functions, for all videos together and for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.functional.average_precision import best_first_by_class, group_keys, match, mean_average_precision
from wtal.functional.segments import elementwise_iou, pairs_of_equal_key
from wtal.metrics.error_analysis import ErrorProfile, error_profile
from wtal.report.page.material import Method, Truth

__all__ = ["MEASURES", "TIOU", "Judged", "Measured", "Rows", "judge", "measure"]

Floats = NDArray[np.float64]

TIOU = 0.5  # from which a detection counts as true, as in `error_profile`
# Of ErrorProfile, as the page calls them.
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
    """How good one method is.

    Args:
        mean_ap: By threshold of temporal IoU, in [0, 1].
        average: Mean of these.
        profile: Of all videos.
        videos: Of each video that has an instance.
    """

    mean_ap: dict[float, float]
    average: float
    profile: ErrorProfile
    videos: dict[str, ErrorProfile]


class Rows:
    """Detections and ground truth as the metric functions want them, numbered alike for all methods.

    Args:
        truth: Its videos are rows 0, 1, ..., as are the names of its classes.
    """

    def __init__(self, truth: Truth) -> None:
        self.videos = {name: row for row, name in enumerate(truth.durations_s)}
        self.classes = {name: row for row, name in enumerate(sorted(set(truth.segments["label"])))}
        self.truth = self._table(truth.segments, self.videos, self.classes)

    def detections(self, table: pd.DataFrame) -> Floats:
        """Rows of video, label, start, end, score; what the ground truth lacks gets a number of its own."""
        videos, classes = _extended(self.videos, table["video_id"]), _extended(self.classes, table["label"])
        return np.column_stack([self._table(table, videos, classes), table["score"].to_numpy(float)])

    def _table(self, table: pd.DataFrame, videos: Mapping[str, int], classes: Mapping[str, int]) -> Floats:
        columns = [table["video_id"].map(videos), table["label"].map(classes), table["start_s"], table["end_s"]]
        return np.column_stack([column.to_numpy(float) for column in columns])


def _extended(numbers: dict[str, int], names: pd.Series) -> dict[str, int]:
    """Numbers of names, with those that have none after the others."""
    strangers = sorted(set(names) - numbers.keys())
    return numbers | {name: len(numbers) + place for place, name in enumerate(strangers)}


def measure(method: Method, truth: Truth, tious: Sequence[float]) -> Measured:
    """Measure a method on all videos of the ground truth."""
    rows = Rows(truth)
    found, true = rows.detections(method.detections), rows.truth
    mean_ap = dict(zip(tious, map(float, mean_average_precision(found, true, list(tious))), strict=True))
    found, begin, end = _by_video(found, len(rows.videos))
    true, first, last = _by_video(true, len(rows.videos))
    videos = {
        name: error_profile(found[begin[i] : end[i]], true[first[i] : last[i]])
        for name, i in rows.videos.items()
        if last[i] > first[i]
    }
    average = float(np.mean(list(mean_ap.values())))
    return Measured(mean_ap, average, error_profile(found, true), videos)


def _by_video(rows: Floats, count: int) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Rows in the order of their videos, and where each video's begin and end."""
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    begin, end = (np.searchsorted(rows[:, 0], np.arange(count), side) for side in ("left", "right"))
    return rows, begin, end


@dataclass(frozen=True)
class Judged:
    """What becomes of each detection, in the order of the method's table.

    Args:
        true: Whether it takes an instance at :data:`TIOU`, as the mAP counts.
        counted: Whether it is among the best of its video and class, as many as there are instances.
        tiou: Its largest temporal IoU with an instance of its video and class.
    """

    true: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    tiou: Floats


def judge(table: pd.DataFrame, truth: Truth) -> Judged:
    """Judge each detection by the ground truth."""
    rows = Rows(truth)
    found = np.column_stack([rows.detections(table), np.arange(len(table))])
    found = best_first_by_class(found) if len(found) else found
    place = found[:, 5].astype(int)
    true, counted, tiou = np.zeros(len(table), bool), np.zeros(len(table), bool), np.zeros(len(table))
    true[place] = match(found, rows.truth, [TIOU])[0] >= 0
    found_key, true_key = group_keys(found, rows.truth)
    instances = np.bincount(true_key, minlength=int(found_key.max(initial=-1)) + 1)
    order = np.argsort(found_key, kind="stable")  # within a video and class still the best first
    rank = np.arange(len(order)) - np.searchsorted(found_key[order], found_key[order])
    counted[place[order]] = rank < instances[found_key[order]]
    best = np.zeros(len(found))
    for row, other in pairs_of_equal_key(found_key, true_key):
        np.maximum.at(best, row, elementwise_iou(found[row, 2:4], rows.truth[other, 2:4]))
    tiou[place] = best
    return Judged(true, counted, tiou)

"""The videos of a page, packed: one byte per snippet and curve, 16 per detection; decoded when a video is opened."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.metrics.error_analysis import ErrorProfile
from wtal.report.page.contents import Material, Method
from wtal.report.page.measures import Judged, Measured, judge
from wtal.results.frame_scores import anomaly_scores_of
from wtal.results.ground_truth import GroundTruth
from wtal.results.pseudo_instances import PseudoInstances
from wtal.results.scores import StudentLabels, TestScores

__all__ = ["DETECTION", "pack"]

# As the page's script reads it: times in milliseconds, tIoU in steps of 1/255; flags: 1 true, 2 counted.
DETECTION = np.dtype(
    [("start", "<u4"), ("end", "<u4"), ("score", "<f4"), ("label", "<u2"), ("flags", "u1"), ("tiou", "u1")]
)
Segment = tuple[int, float, float]  # class, start and end in seconds
Weighted = tuple[int, float, float, float, int]  # the same, weight, and whether it is ignored
_LEAST, _PER_INSTANCE = 40, 3  # how many of the best detections of each method a video keeps


def pack(material: Material, measured: Mapping[str, Measured], files: Mapping[str, str]) -> dict[str, Any]:
    """Pack everything that the timelines show, ready for JSON.

    Args:
        material: Contents of the page.
        measured: Numbers of each method, by its name.
        files: Links to the video files, by the names of the videos.

    Returns:
        ``activity``, ``classes``, ``methods``, ``students`` and ``videos``, the test videos first. ``activity`` names
        the first curve: actionness or, where anomalies are to be found, their score. The ``data`` of a video holds,
        one after another: for each method with curves, that curve and the probability of each class of the video, in
        steps of 1/255; for each student its pseudo-labels, plus one; for each method its detections. ``points`` of a
        video are pairs of class and seconds. The ``instances`` of a training video are class, start, end, weight, and 1
        if it is unknown whether there is an action.
    """
    packer = _Packer(material, measured)
    videos = [packer.test_video(name) for name in _test_videos(material)]
    videos += packer.train_videos(material.pseudo, material.instances)
    points = _points_of(material.points, packer.classes)
    for video in videos:
        if video["id"] in points:
            video["points"] = points[video["id"]]
        if video["id"] in files:
            video["file"] = files[video["id"]]
    methods = [{"name": m.name, "colour": m.colour, "leading": m.leading} for m in material.methods]
    students = sorted(material.pseudo.label) if material.pseudo else []
    activity = "anomaly score" if material.about.task == "anomaly" else "actionness"
    return {
        "activity": activity,
        "classes": list(packer.classes),
        "methods": methods,
        "students": students,
        "videos": videos,
    }


def _test_videos(material: Material) -> Sequence[str]:
    """Names of the test videos: those of the ground truth, without one all that have a score or a detection."""
    if material.truth is not None and material.truth.video_ids:
        return material.truth.video_ids
    scored = {name for method in material.methods if method.scores for name in method.scores.grids.video_ids}
    return sorted(scored.union(*(method.detections["video_id"] for method in material.methods)))


def _classes(material: Material) -> dict[str, int]:
    """All class names in alphabetical order, with their positions."""
    names = {str(name) for method in material.methods for name in method.detections["label"].unique()}
    if material.truth is not None:
        names.update(material.truth.class_names)
    if material.train_segments is not None:
        names.update(map(str, material.train_segments["label"].unique()))
    if material.pseudo is not None:
        names.update(material.pseudo.class_names)
    if material.instances is not None:
        names.update(map(str, material.instances.instances["label"].unique()))
    if material.points is not None:
        names.update(material.points["label"].unique())
    return {name: place for place, name in enumerate(sorted(names))}


class _Packer:
    """Packs one video after another.

    Args:
        material: Contents of the page.
        measured: Numbers of each method, by its name.
    """

    def __init__(self, material: Material, measured: Mapping[str, Measured]) -> None:
        truth, train = material.truth, material.train_segments
        self.methods, self.measured, self.classes = material.methods, measured, _classes(material)
        self.activity = [_activity(method.scores, material.about.task) for method in material.methods]
        self.durations_s: dict[str, float] = (
            {} if truth is None else dict(zip(truth.video_ids, truth.duration_s.tolist(), strict=True))
        )
        self.segments = {} if truth is None else _segments_of(truth.table, self.classes)
        self.train_segments = {} if train is None else _segments_of(train, self.classes)
        self.found = [_detections(method, truth, self.classes) for method in material.methods]

    def test_video(self, name: str) -> dict[str, Any]:
        """A test video, with curves and detections of each method."""
        segments = self.segments.get(name, [])
        limit = max(_LEAST, _PER_INSTANCE * len(segments))
        found = [detections.get(name, _NONE)[:limit] for detections in self.found]
        shown = _shown(segments, found)
        curves = [
            _curves(method.scores, activity, name, shown, self.classes)
            for method, activity in zip(self.methods, self.activity, strict=True)
        ]
        grids = [
            (len(rows[0]), *_grid(method.scores, name)) if rows and method.scores else None
            for method, rows in zip(self.methods, curves, strict=True)
        ]
        parts = [b"".join(rows) for rows in curves] + [rows.tobytes() for rows in found]
        return {
            "id": name,
            "part": "test",
            "duration": round(self._duration_s(name, segments, found, grids), 3),
            "truth": segments,
            "classes": shown,
            "grids": grids,
            "counts": list(map(len, found)),
            "errors": [_errors(self.measured, method, name) for method in self.methods],
            "data": base64.b64encode(b"".join(parts)).decode(),
        }

    def _duration_s(
        self,
        name: str,
        segments: Sequence[Segment],
        found: Sequence[NDArray[Any]],
        grids: Sequence[tuple[int, float, float] | None],
    ) -> float:
        """Duration of a video; where it is unknown, the last end of anything in it, at least a second."""
        known = self.durations_s.get(name, math.nan)
        if not math.isnan(known):
            return known
        for grids_of in (method.scores.grids for method in self.methods if method.scores):
            if name in grids_of.rows:
                return float(grids_of.duration_s[grids_of.rows[name]])
        ends = [float(rows["end"].max()) / 1000 for rows in found if len(rows)]
        ends += [end for _, _, end in segments]
        ends += [first + count * step for count, first, step in filter(None, grids)]
        return max([*ends, 1.0])

    def train_videos(self, pseudo: StudentLabels | None, found: PseudoInstances | None) -> list[dict[str, Any]]:
        """The training videos, with the pseudo-labels of each student, and the pseudo-instances of one."""
        names = dict.fromkeys([*(pseudo.grids.video_ids if pseudo else ()), *(found.videos if found else ())])
        instances = {} if found is None else _weighted(found.instances, self.classes)
        return [self._train_video(name, pseudo, found, instances.get(name, [])) for name in names]

    def _train_video(
        self, name: str, pseudo: StudentLabels | None, found: PseudoInstances | None, instances: list[Weighted]
    ) -> dict[str, Any]:
        segments = self.train_segments.get(name, [])
        video: dict[str, Any] = {"id": name, "part": "training", "truth": segments, "data": ""}
        classes = {one[0] for one in (*segments, *instances)}
        duration_s = math.nan if found is None else found.videos.get(name, math.nan)
        if pseudo is not None and name in pseudo.grids.rows:
            row, grids = pseudo.grids.rows[name], pseudo.grids
            duration_s = float(grids.duration_s[row])
            video["labels"] = [int(grids.lengths[row]), float(grids.first_s[row]), float(grids.step_s[row])]
            video["data"] = _labels_of(pseudo, grids.slices[name])
            classes |= self._taught(pseudo, grids.slices[name])
        if found is not None and name in found.videos:
            video["instances"] = instances
        if math.isnan(duration_s):
            duration_s = max([1.0, *(one[2] for one in (*segments, *instances))])
        return video | {"duration": round(duration_s, 3), "classes": sorted(classes)}

    def _taught(self, pseudo: StudentLabels, place: slice) -> set[int]:
        """The classes of the foreground of a video, for any student."""
        indices = np.unique(np.concatenate([[], *(student[place] for student in pseudo.class_index.values())]))
        return {self.classes[pseudo.class_names[index]] for index in indices.astype(int) if index >= 0}


def _labels_of(pseudo: StudentLabels, place: slice) -> str:
    """The labels of a video for each student in turn, plus one, a byte each."""
    labels = (pseudo.label[student][place] + 1 for student in sorted(pseudo.label))
    return base64.b64encode(b"".join(one.astype(np.uint8).tobytes() for one in labels)).decode()


def _weighted(table: pd.DataFrame, classes: Mapping[str, int]) -> dict[str, list[Weighted]]:
    """The pseudo-instances of each video."""
    found: dict[str, list[Weighted]] = {}
    columns = ["video_id", "label", "start_s", "end_s", "weight", "ignored"]
    for name, label, start_s, end_s, weight, ignored in table[columns].itertuples(index=False):
        one = (classes[label], round(start_s, 3), round(end_s, 3), round(weight, 3), int(ignored))
        found.setdefault(name, []).append(one)
    return found


def _shown(segments: Sequence[Segment], found: Sequence[NDArray[Any]]) -> list[int]:
    """Classes of a video: first those of its instances, then those of some method's best detection."""
    true = {segment[0] for segment in segments}
    guessed = dict.fromkeys(int(rows["label"][0]) for rows in found if len(rows))
    return [*sorted(true), *(label for label in guessed if label not in true)]


def _segments_of(table: pd.DataFrame, classes: Mapping[str, int]) -> dict[str, list[Segment]]:
    """The instances of each video."""
    segments: dict[str, list[Segment]] = {}
    for name, label, start_s, end_s in table[["video_id", "label", "start_s", "end_s"]].itertuples(index=False):
        segments.setdefault(name, []).append((classes[label], round(start_s, 3), round(end_s, 3)))
    return segments


def _points_of(table: pd.DataFrame | None, classes: Mapping[str, int]) -> dict[str, list[tuple[int, float]]]:
    """Class and time of the points of each video."""
    points: dict[str, list[tuple[int, float]]] = {}
    if table is not None:
        for name, label, time_s in table[["video_id", "label", "time_s"]].itertuples(index=False):
            points.setdefault(name, []).append((classes[label], round(time_s, 3)))
    return points


_NONE = np.empty(0, DETECTION)


def _detections(method: Method, truth: GroundTruth | None, classes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Packed detections of each video, best first."""
    table = method.detections
    none = np.zeros(len(table))
    judged = Judged(none > 0, none > 0, none) if truth is None else judge(table, truth)
    rows = np.empty(len(table), DETECTION)
    for name in ("start", "end"):
        rows[name] = np.clip(np.round(1000 * table[f"{name}_s"].to_numpy(float)), 0, 2**32 - 1)
    rows["score"], rows["label"] = table["score"], table["label"].map(classes)
    rows["flags"], rows["tiou"] = judged.true + 2 * judged.counted, np.floor(255 * judged.tiou)
    order = np.argsort(-table["score"].to_numpy(float), kind="stable")
    places = pd.Series(order).groupby(table["video_id"].to_numpy()[order], sort=False)
    return {str(name): rows[place.to_numpy()] for name, place in places}


def _activity(scores: TestScores | None, task: str) -> NDArray[Any] | None:
    """The first curve of all videos, ``(S,)``; None without scores."""
    if scores is None:
        return None
    return anomaly_scores_of(scores) if task == "anomaly" else scores.actionness


def _curves(
    scores: TestScores | None,
    activity: NDArray[Any] | None,
    name: str,
    shown: Sequence[int],
    classes: Mapping[str, int],
) -> list[bytes]:
    """The first curve and the probability of each shown class, in steps of 1/255; empty without scores."""
    if scores is None or activity is None or name not in scores.grids.slices:
        return []
    place = scores.grids.slices[name]
    column = {classes[label]: i for i, label in enumerate(scores.class_names) if label in classes}
    probability, silent = scores.probability[place], np.zeros(place.stop - place.start)
    curves = [activity[place], *(probability[:, column[k]] if k in column else silent for k in shown)]
    return [np.round(255 * np.clip(np.nan_to_num(c.astype(float)), 0, 1)).astype(np.uint8).tobytes() for c in curves]


def _grid(scores: TestScores, name: str) -> tuple[float, float]:
    row = scores.grids.rows[name]
    return float(scores.grids.first_s[row]), float(scores.grids.step_s[row])


def _errors(measured: Mapping[str, Measured], method: Method, name: str) -> list[float | None] | None:
    """The measures of one video as fractions, in the order of :class:`ErrorProfile`; None for NaN."""
    profile: ErrorProfile | None = measured[method.name].videos.get(name) if method.name in measured else None
    if profile is None:
        return None
    return [None if math.isnan(value) else round(value, 4) for value in vars(profile).values()]

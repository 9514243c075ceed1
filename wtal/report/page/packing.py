"""The videos of a page in few bytes, decoded when one is opened: a byte a snippet and curve, sixteen a detection."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.metrics.error_analysis import ErrorProfile
from wtal.report.page.material import Material, Method, Truth
from wtal.report.page.measures import Judged, Measured, judge
from wtal.results.scores import StudentLabels, TestScores

__all__ = ["DETECTION", "pack"]

# What the page's script reads: times in milliseconds, tIoU in 255ths; flags: 1 true, 2 counted.
DETECTION = np.dtype(
    [("start", "<u4"), ("end", "<u4"), ("score", "<f4"), ("label", "<u2"), ("flags", "u1"), ("tiou", "u1")]
)
_LEAST, _PER_INSTANCE = 40, 3  # detections that are kept of a video: the best of each method


def pack(material: Material, measured: Mapping[str, Measured], files: Mapping[str, str]) -> dict[str, Any]:
    """Everything that the timelines show, ready for JSON.

    Args:
        material: Of the page.
        measured: By name of the method.
        files: Where the videos are, by their names, as links.

    Returns:
        ``classes``, ``methods``, ``students`` and ``videos``; those of a video begin with the test videos. Its ``data``
        holds, after another: of each method with curves actionness and, for each of its classes, the class's
        probability, in 255ths; of each student its pseudo-labels, plus one; of each method its detections.
    """
    classes = _classes(material)
    truth = material.truth or Truth(_NO_SEGMENTS, {})
    names = list(truth.durations_s) or sorted({name for m in material.methods for name in m.detections["video_id"]})
    packer = _Packer(material, truth, classes, measured)
    videos = [packer.test_video(name) for name in names]
    if material.pseudo is not None:
        videos += packer.train_videos(material.pseudo)
    for video in videos:
        if video["id"] in files:
            video["file"] = files[video["id"]]
    methods = [{"name": m.name, "colour": m.colour, "leading": m.leading} for m in material.methods]
    students = sorted(material.pseudo.label) if material.pseudo else []
    return {"classes": list(classes), "methods": methods, "students": students, "videos": videos}


_NO_SEGMENTS = pd.DataFrame({"video_id": [], "label": [], "start_s": [], "end_s": []})


def _classes(material: Material) -> dict[str, int]:
    tables = [m.detections["label"] for m in material.methods]
    tables += [] if material.truth is None else [material.truth.segments["label"]]
    tables += [] if material.train_segments is None else [material.train_segments["label"]]
    names = {str(name) for table in tables for name in table.unique()}
    names |= set(material.pseudo.class_names) if material.pseudo else set()
    return {name: place for place, name in enumerate(sorted(names))}


class _Packer:
    def __init__(
        self, material: Material, truth: Truth, classes: Mapping[str, int], measured: Mapping[str, Measured]
    ) -> None:
        self.methods, self.classes, self.measured = material.methods, classes, measured
        self.durations_s = truth.durations_s
        self.segments = _segments_of(truth.segments, classes)
        self.train_segments = {} if material.train_segments is None else _segments_of(material.train_segments, classes)
        self.found = [_detections(m, material.truth, classes) for m in material.methods]

    def test_video(self, name: str) -> dict[str, Any]:
        segments = self.segments.get(name, [])
        limit = max(_LEAST, _PER_INSTANCE * len(segments))
        found = [detections.get(name, _NONE)[:limit] for detections in self.found]
        shown = self._shown(name, segments, found)
        curves = [_curves(method.scores, name, shown, self.classes) for method in self.methods]
        end_s = [float(rows["end"].max()) / 1000 for rows in found if len(rows)]
        grids = [
            (len(c[0]), *_grid(m.scores, name)) if c and m.scores else None
            for m, c in zip(self.methods, curves, strict=True)
        ]
        duration_s = self.durations_s.get(name, math.nan)
        if math.isnan(duration_s):
            duration_s = max([*end_s, *(end for _, _, end in segments), *(g[1] + g[0] * g[2] for g in grids if g), 1.0])
        parts = [b"".join(c) for c in curves] + [rows.tobytes() for rows in found]
        return {
            "id": name,
            "part": "test",
            "duration": round(duration_s, 3),
            "truth": segments,
            "classes": shown,
            "grids": grids,
            "counts": [len(rows) for rows in found],
            "errors": [_errors(self.measured, method, name) for method in self.methods],
            "data": base64.b64encode(b"".join(parts)).decode(),
        }

    def _shown(self, name: str, segments: Sequence[Sequence[float]], found: Sequence[NDArray[Any]]) -> list[int]:
        """Classes of a video: those that it has, then those that some method's best detections name."""
        true = dict.fromkeys(int(segment[0]) for segment in segments)
        guessed = dict.fromkeys(int(rows["label"][0]) for rows in found if len(rows))
        return [*sorted(true), *(label for label in guessed if label not in true)]

    def train_videos(self, pseudo: StudentLabels) -> list[dict[str, Any]]:
        videos = []
        for name, place in pseudo.grids.slices.items():
            row, segments = pseudo.grids.rows[name], self.train_segments.get(name, [])
            labels = [pseudo.label[student][place] for student in sorted(pseudo.label)]
            class_index = {k for student in pseudo.class_index.values() for k in np.unique(student[place]).tolist()}
            taught = {self.classes[pseudo.class_names[k]] for k in class_index if k >= 0}
            first_s, step_s = float(pseudo.grids.first_s[row]), float(pseudo.grids.step_s[row])
            videos.append(
                {
                    "id": name,
                    "part": "training",
                    "duration": round(float(pseudo.grids.duration_s[row]), 3),
                    "truth": segments,
                    "classes": sorted({int(segment[0]) for segment in segments} | taught),
                    "labels": [len(labels[0]) if labels else 0, first_s, step_s],
                    "data": base64.b64encode(b"".join((one + 1).astype(np.uint8).tobytes() for one in labels)).decode(),
                }
            )
        return videos


def _segments_of(table: pd.DataFrame, classes: Mapping[str, int]) -> dict[str, list[list[float]]]:
    """Class, start and end of the instances of each video."""
    segments: dict[str, list[list[float]]] = {}
    for name, label, start_s, end_s in table[["video_id", "label", "start_s", "end_s"]].itertuples(index=False):
        segments.setdefault(name, []).append([classes[label], round(start_s, 3), round(end_s, 3)])
    return segments


_NONE = np.empty(0, DETECTION)


def _detections(method: Method, truth: Truth | None, classes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
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


def _curves(scores: TestScores | None, name: str, shown: Sequence[int], classes: Mapping[str, int]) -> list[bytes]:
    """Actionness and the probability of each shown class, in 255ths; nothing without scores."""
    if scores is None or name not in scores.grids.slices:
        return []
    place = scores.grids.slices[name]
    column = {classes[label]: i for i, label in enumerate(scores.class_names) if label in classes}
    probability, silent = scores.probability[place], np.zeros(place.stop - place.start)
    curves = [scores.actionness[place], *(probability[:, column[k]] if k in column else silent for k in shown)]
    return [np.round(255 * np.clip(np.nan_to_num(c.astype(float)), 0, 1)).astype(np.uint8).tobytes() for c in curves]


def _grid(scores: TestScores, name: str) -> tuple[float, float]:
    row = scores.grids.rows[name]
    return float(scores.grids.first_s[row]), float(scores.grids.step_s[row])


def _errors(measured: Mapping[str, Measured], method: Method, name: str) -> list[float | None] | None:
    """The measures of one video in the order of :class:`ErrorProfile`, in 1; None for what has no value."""
    profile: ErrorProfile | None = measured[method.name].videos.get(name) if method.name in measured else None
    if profile is None:
        return None
    return [None if math.isnan(value) else round(value, 4) for value in vars(profile).values()]

"""What predictions are measured against: the videos and instances that a subset or a list of videos names."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.data.annotations import Annotations, read_annotations, with_ambiguous, with_subsets
from wtal.data.thumos14_lists import LEFT_OUT, TestList, lacking_videos
from wtal.errors import AnnotationError, PredictionError
from wtal.io.files import write_text

__all__ = ["Conventions", "GroundTruth", "detection_rows", "load_truth", "other_names", "write_ground_truth"]

Floats = NDArray[np.float64]
Conventions = Literal["thumos14", "activitynet"]

# As public evaluators have them: the third of the first is 0.30000000000000004, which matters for whole snippets.
_TIOUS = {
    "thumos14": tuple(np.linspace(0.1, 0.9, 9).tolist()),
    "activitynet": tuple(np.linspace(0.5, 0.95, 10).tolist()),
}
_PREFIX = "v_"


@dataclass(frozen=True)
class GroundTruth:
    """Ground truth of the chosen videos.

    Args:
        path: Where it was read.
        name: The subset or list, as a table's caption tells it.
        video_ids: Names of the videos, ``V``, in the order of the file.
        class_names: Names of the classes that have an instance, in the order of the file's classes.
        duration_s: Of each video, ``(V,)``; NaN where unknown.
        segments: ``(M, 4)`` rows of video, label, start, end in seconds; the label is a place in the class names.
        ambiguous: ``(A, 3)`` rows of video, start, end in seconds.
        left_out: Names of videos of the subset that the chosen list leaves out; detections in them don't count.
        aliases: Other names that the videos are known by.
    """

    path: Path
    name: str
    video_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    duration_s: Floats
    segments: Floats
    ambiguous: Floats
    left_out: frozenset[str]
    aliases: dict[str, str]

    @property
    def conventions(self) -> Conventions:
        """Whose conventions apply: THUMOS14's if every video is named like one of its videos, else ActivityNet's."""
        is_thumos = all(name.startswith(("video_test_", "video_validation_")) for name in self.video_ids)
        return "thumos14" if is_thumos else "activitynet"

    @property
    def tious(self) -> tuple[float, ...]:
        """The usual thresholds: 0.1 to 0.9 for THUMOS14, else 0.5 to 0.95."""
        return _TIOUS[self.conventions]


def load_truth(
    annotations: Path,
    subset: str | None = None,
    test_list: TestList | None = None,
    subsets: Path | None = None,
    ambiguous: Path | None = None,
) -> GroundTruth:
    """Read ground truth.

    Args:
        annotations: A file or folder, see :func:`~wtal.data.annotations.read_annotations`.
        subset: Name of the subset, as the file has it, in any case of letters. None: the only one with instances, or
            that of the test list.
        test_list: Of THUMOS14, by its number of videos; leaves out videos of the test subset.
        subsets: A table ``video,subset`` for files that name no subsets, or others.
        ambiguous: Lines ``video start end``, for files that don't come with them.

    Raises:
        AnnotationError: If a file is unreadable, the subset is not there or must be named, or it has no instance.
    """
    content = read_annotations(annotations)
    if subsets is not None:
        content = with_subsets(content, subsets)
    if ambiguous is not None:
        content = with_ambiguous(content, ambiguous)
    if test_list is not None and subset is None:
        subset = "test"
    name = subset or _only_subset(content)
    videos = content.in_subset([name])
    left_out = LEFT_OUT[test_list] if test_list is not None else frozenset()
    lacking = lacking_videos(test_list, videos.index) if test_list is not None else []
    if lacking:
        raise AnnotationError(
            f"{content.path} has no {' and no '.join(lacking)}, which the list of {test_list} test videos has: use "
            "--test-list 210 or another annotation file."
        )
    videos = videos.drop(index=list(left_out), errors="ignore")
    place = {video: row for row, video in enumerate(videos.index)}
    segments = content.segments[content.segments["video_id"].isin(place)]
    if segments.empty:
        raise AnnotationError(f"{content.path} has no instance in the subset {name!r}: nothing can be measured there.")
    present = set(segments["label"])
    class_names = tuple(label for label in content.class_names if label in present)
    unclear = content.ambiguous[content.ambiguous["video_id"].isin(place)]
    label_of = {label: index for index, label in enumerate(class_names)}
    return GroundTruth(
        path=content.path,
        name=f"THUMOS14 test, list of {test_list}" if test_list else f"subset {name!r}" if name else "all videos",
        video_ids=tuple(videos.index),
        class_names=class_names,
        duration_s=videos["duration_s"].to_numpy(float),
        segments=_numbers(
            segments["video_id"].map(place), segments["label"].map(label_of), segments["start_s"], segments["end_s"]
        ),
        ambiguous=_numbers(unclear["video_id"].map(place), unclear["start_s"], unclear["end_s"]),
        left_out=left_out,
        aliases={alias: str(video) for video, alias in videos["alias"].items() if alias},
    )


def _only_subset(content: Annotations) -> str:
    annotated = content.videos[content.videos.index.isin(content.segments["video_id"])]
    names = sorted(annotated["subset"].unique())
    if len(names) != 1:
        raise AnnotationError(
            f"{content.path} has instances in {len(names)} subsets: name one with --subset ({', '.join(names)})."
            if names
            else f"{content.path} has no instances, only video-level labels: nothing can be measured with it."
        )
    return str(names[0])


def _numbers(*columns: pd.Series) -> Floats:
    return np.column_stack([column.to_numpy(float) for column in columns])


def detection_rows(
    table: pd.DataFrame, truth: GroundTruth, unknown_labels: Literal["refuse", "ignore"] = "ignore"
) -> tuple[Floats, list[str]]:
    """Detections as rows that fit the ground truth, and what a reader should know of them.

    A video is also found by its name with or without ``v_``, or by its alias. Detections in a video that the ground
    truth does not know stay: they are false, as in every public evaluator; each such video gets a number of its own,
    above those that are known. Detections in a video that the chosen list leaves out go.

    Args:
        table: As :func:`~wtal.results.predictions.read_predictions` gives it.
        truth: What they are measured against.
        unknown_labels: What to do with a label that has no instance: raise, or let its detections go, which changes
            nothing.

    Returns:
        ``(N, 5)`` rows of video, label, start, end in seconds, score, in the order of the table; and sentences.

    Raises:
        PredictionError: If a label has no instance and ``unknown_labels`` is ``refuse``.
    """
    notes = []
    other = other_names(table["video_id"], (*truth.video_ids, *truth.left_out), truth.aliases)
    names = table["video_id"].map(lambda name: other.get(name, name))
    if other:
        notes.append(f"{len(other)} videos were found by another name of theirs, such as with or without {_PREFIX!r}.")
    blocked = names.isin(truth.left_out)
    if blocked.any():
        notes.append(f"{blocked.sum()} detections lie in videos that the list leaves out; they don't count.")
    label_of = {label: index for index, label in enumerate(truth.class_names)}
    known = table["label"].isin(label_of.keys())
    if not known[~blocked].all():
        label, video = table.loc[~known & ~blocked, ["label", "video_id"]].iloc[0]
        if unknown_labels == "refuse":
            raise PredictionError(
                f"The label {label!r} predicted in video {video} has no instance in {truth.name} of {truth.path}, and "
                "the official evaluator refuses that: correct the label, or take a protocol that ignores it (opentad)."
            )
        count = len(set(table.loc[~known & ~blocked, "label"]))
        notes.append(
            f"{(~known & ~blocked).sum()} detections have one of {count} labels without any instance, such as "
            f"{label!r}; they don't count."
        )
    kept = known & ~blocked
    names, rows = names[kept], table[kept]
    place = {video: row for row, video in enumerate(truth.video_ids)}
    strangers = [name for name in dict.fromkeys(names) if name not in place]
    if strangers:
        lost = names.isin(strangers).sum()
        notes.append(
            f"{lost} detections lie in {len(strangers)} videos that the ground truth does not have, such as "
            f"{strangers[0]}; they count as false."
        )
        place |= {name: len(place) + number for number, name in enumerate(strangers)}
    return _numbers(names.map(place), rows["label"].map(label_of), rows["start_s"], rows["end_s"], rows["score"]), [
        *notes,
        *_oddities(rows, names, truth),
    ]


def other_names(predicted: Iterable[str], known: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Which predicted videos are known by another name: an alias, or with or without ``v_``.

    A name that is predicted itself is no other video's.

    >>> other_names(["v_a", "v_b", "b", "c"], ["a", "b", "v_c"], {})
    {'c': 'v_c', 'v_a': 'a'}
    """
    predicted, known = set(predicted), set(known)
    free = known - predicted
    other: dict[str, str] = {}
    for name in sorted(predicted - known):
        candidates = (aliases.get(name, ""), name.removeprefix(_PREFIX), _PREFIX + name)
        other.update([(name, found) for found in candidates if found in free])
    return other


def _oddities(rows: pd.DataFrame, names: pd.Series, truth: GroundTruth) -> list[str]:
    """What lowers a number without being an error."""
    notes = []
    if rows.empty:
        notes.append("There is no detection at all: every number is 0.")
    empty = (rows["end_s"] <= rows["start_s"]).sum()
    if empty:
        notes.append(f"{empty} detections end where they start; they find at most an instance of no length.")
    copies = rows.duplicated().sum()
    if copies:
        notes.append(f"{copies} detections are exact copies of others; each counts as false.")
    annotated, predicted = np.unique(truth.segments[:, 0]).astype(int), set(names)
    silent = [row for row in annotated if truth.video_ids[row] not in predicted]
    if silent:
        lost = np.isin(truth.segments[:, 0], silent).sum()
        notes.append(
            f"{len(silent)} of {len(annotated)} annotated videos have no detection, such as "
            f"{truth.video_ids[silent[0]]}: their {lost} instances cannot be found, which lowers the number."
        )
    return notes


def write_ground_truth(path: Path, segments: pd.DataFrame, durations_s: Mapping[str, float], subset: str) -> None:
    """Write segments in ActivityNet's form.

    Args:
        path: Path of the JSON file.
        segments: One row per instance: ``video_id``, ``label``, ``start_s``, ``end_s``.
        durations_s: Duration of each video of the subset, those without an instance included; NaN is left out.
        subset: Name of the subset.
    """
    videos: dict[str, list[dict[str, object]]] = {video: [] for video in durations_s}
    columns = segments[["video_id", "label", "start_s", "end_s"]]
    for video, label, start_s, end_s in columns.itertuples(index=False):
        videos[video].append({"segment": [start_s, end_s], "label": label})
    database = {
        video: {"subset": subset, "annotations": found}
        | ({} if math.isnan(durations_s[video]) else {"duration": durations_s[video]})
        for video, found in videos.items()
    }
    write_text(path, json.dumps({"version": "ground truth of a run", "database": database}, ensure_ascii=False))

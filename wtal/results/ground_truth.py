"""What predictions are measured against: the videos and instances of a subset or of a list of videos."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.data.annotations import Annotations, read_annotations, with_ambiguous, with_subsets
from wtal.data.labels import label_key
from wtal.data.thumos14_lists import LEFT_OUT, TestList, lacking_videos
from wtal.errors import AnnotationError, PredictionError
from wtal.io.files import write_text
from wtal.results.class_list import read_class_list
from wtal.results.implausible import time_notes

__all__ = [
    "Conventions",
    "GroundTruth",
    "detection_rows",
    "load_truth",
    "numbered",
    "other_names",
    "unlikely_times",
    "write_ground_truth",
]

Floats = NDArray[np.float64]
Conventions = Literal["thumos14", "activitynet"]

# As in the public evaluators: THUMOS14's third is 0.30000000000000004, which matters for whole snippets.
_TIOUS = {
    "thumos14": tuple(np.linspace(0.1, 0.9, 9).tolist()),
    "activitynet": tuple(np.linspace(0.5, 0.95, 10).tolist()),
}
_PREFIX = "v_"


@dataclass(frozen=True)
class GroundTruth:
    """Ground truth of the chosen videos.

    Args:
        path: The file it was read from.
        name: The subset or list, as shown in captions.
        video_ids: Names of the videos, ``V``, in the order of the file.
        class_names: Names of the classes that have an instance, in the order of the file's classes.
        duration_s: Duration of each video, ``(V,)``; NaN where unknown.
        segments: ``(M, 4)`` rows of video, label, start, end in seconds; the label is an index of ``class_names``.
        ambiguous: ``(A, 3)`` rows of video, start, end in seconds.
        left_out: Names of videos of the subset that the chosen list leaves out; detections in them are not counted.
        aliases: Other names of the videos, and the video that each belongs to.
        class_ids: Names of classes by number, for predictions whose labels are numbers.
        notes: What a reader should know about how the file was read.
    """

    path: Path
    name: str
    video_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    duration_s: Floats
    segments: Floats
    ambiguous: Floats = field(default_factory=lambda: np.empty((0, 3)))
    left_out: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    class_ids: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, content: Annotations, videos: pd.DataFrame, name: str, left_out: frozenset[str] = frozenset()
    ) -> "GroundTruth":
        """Ground truth of some videos of an annotation file.

        Args:
            content: The annotations.
            videos: The chosen rows of ``content.videos``.
            name: Name of the subset or list, as shown in captions.
            left_out: Names of videos that the chosen list leaves out.
        """
        segments = content.segments[content.segments["video_id"].isin(videos.index)]
        ambiguous = content.ambiguous[content.ambiguous["video_id"].isin(videos.index)]
        present = set(segments["label"])
        class_names = tuple(label for label in content.class_names if label in present)
        return cls(
            path=content.path,
            name=name,
            video_ids=tuple(map(str, videos.index)),
            class_names=class_names,
            duration_s=videos["duration_s"].to_numpy(float),
            segments=_columns(
                numbered(segments["video_id"], videos.index),
                numbered(segments["label"], class_names),
                segments["start_s"],
                segments["end_s"],
            ),
            ambiguous=_columns(numbered(ambiguous["video_id"], videos.index), ambiguous["start_s"], ambiguous["end_s"]),
            left_out=left_out,
            aliases={alias: str(video) for video, alias in videos["alias"].items() if alias},
            class_ids=content.class_ids,
            notes=content.notes,
        )

    @property
    def conventions(self) -> Conventions:
        """Those of THUMOS14 if every video is named like one of its videos, otherwise those of ActivityNet."""
        is_thumos = all(name.startswith(("video_test_", "video_validation_")) for name in self.video_ids)
        return "thumos14" if is_thumos else "activitynet"

    @property
    def tious(self) -> tuple[float, ...]:
        """The usual thresholds: 0.1 to 0.9 for THUMOS14, else 0.5 to 0.95."""
        return _TIOUS[self.conventions]

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each video."""
        return {name: row for row, name in enumerate(self.video_ids)}

    @cached_property
    def last_end_s(self) -> dict[str, float]:
        """The end of the last instance of each video that has one."""
        rows, ends = self.segments[:, 0].astype(int), self.segments[:, 3]
        return {self.video_ids[row]: float(ends[rows == row].max()) for row in np.unique(rows)}

    @property
    def table(self) -> pd.DataFrame:
        """The instances with names: ``video_id``, ``label``, ``start_s``, ``end_s``."""
        video, label = self.segments[:, :2].astype(int).T
        return pd.DataFrame(
            {
                "video_id": np.array(self.video_ids, object)[video],
                "label": np.array(self.class_names, object)[label],
                "start_s": self.segments[:, 2],
                "end_s": self.segments[:, 3],
            }
        )


def load_truth(
    annotations: Path,
    subset: str | None = None,
    test_list: TestList | None = None,
    subsets: Path | None = None,
    ambiguous: Path | None = None,
    fps: float | None = None,
    classes: Path | None = None,
) -> GroundTruth:
    """Read ground truth.

    Args:
        annotations: A file or folder, see :func:`~wtal.data.annotations.read_annotations`.
        subset: Name of the subset as in the file, in upper or lower case. By default the only subset with instances,
            or the one of the test list.
        test_list: One of THUMOS14's lists of test videos, by its number of videos; it leaves out videos of the test
            subset.
        subsets: A table ``video,subset``, for files without subsets or to replace theirs.
        ambiguous: Lines ``video start end``, for files that come without ambiguous segments.
        fps: Frame rate of the videos, for annotations whose times are frames.
        classes: A class list for predictions whose labels are numbers, see
            :func:`~wtal.results.class_list.read_class_list`; by default the ``label_id`` of the annotations.

    Raises:
        AnnotationError: If a file is unreadable, if the subset does not exist or has to be named, or if it has no
            instance.
    """
    content = read_annotations(annotations, fps=fps)
    if classes is not None:
        content = replace(content, class_ids=read_class_list(classes))
    if subsets is not None:
        content = with_subsets(content, subsets)
    if ambiguous is not None:
        content = with_ambiguous(content, ambiguous)
    truth = _of_subset(content, subset) if test_list is None else _of_test_list(content, subset or "test", test_list)
    if not len(truth.segments):
        raise AnnotationError(
            f"{content.path} has no instance in the subset {subset or 'test'!r}: nothing can be measured there."
            + "".join(f" {note}" for note in content.notes)
        )
    return truth


def _of_subset(content: Annotations, subset: str | None) -> GroundTruth:
    name = subset or _only_subset(content)
    return GroundTruth.of(content, content.in_subset([name]), f"subset {name!r}" if name else "all videos")


def _of_test_list(content: Annotations, subset: str, test_list: TestList) -> GroundTruth:
    videos = content.in_subset([subset])
    lacking = lacking_videos(test_list, videos.index)
    if lacking:
        raise AnnotationError(
            f"{content.path} lacks {' and '.join(lacking)}, which the list of {test_list} test videos contains: use "
            "--test-list 210 or another annotation file."
        )
    left_out = LEFT_OUT[test_list]
    kept = videos.drop(index=list(left_out), errors="ignore")
    return GroundTruth.of(content, kept, f"THUMOS14 test, list of {test_list}", left_out)


def _only_subset(content: Annotations) -> str:
    annotated = content.videos[content.videos.index.isin(content.segments["video_id"])]
    names = sorted({name.lower(): name for name in annotated["subset"].unique()}.values())
    if len(names) != 1:
        raise AnnotationError(
            f"{content.path} has instances in {len(names)} subsets: name one with --subset ({', '.join(names)})."
            if names
            else f"{content.path} has no instances, only video-level labels: nothing can be measured with it."
            + "".join(f" {note}" for note in content.notes)
        )
    return str(names[0])


def numbered(names: pd.Series, known: Iterable[str]) -> pd.Series:
    """Replace names by numbers: known names by their position, unknown ones by numbers after these.

    >>> numbered(pd.Series(["b", "new", "a"]), ["a", "b"]).tolist()
    [1, 2, 0]
    """
    number = {name: place for place, name in enumerate(dict.fromkeys([*known, *names.unique()]))}
    return names.map(number)


def _columns(*columns: pd.Series) -> Floats:
    return np.column_stack([column.to_numpy(float) for column in columns])


def detection_rows(
    table: pd.DataFrame, truth: GroundTruth, unknown_labels: Literal["refuse", "ignore"] = "ignore"
) -> tuple[Floats, list[str]]:
    """Turn detections into rows that match the ground truth, and note what a reader should know about them.

    A video is also found by its name with or without ``v_``, or by its alias. Detections in a video that the ground
    truth lacks are kept and count as false, as in every public evaluator; such a video gets a number above those of the
    known videos. Detections in a video that the chosen list leaves out are dropped.

    Args:
        table: Detections as returned by :func:`~wtal.results.predictions.read_predictions`.
        truth: Ground truth to measure against.
        unknown_labels: What to do with a label that has no instance: raise, or drop its detections, which changes no
            number.

    Returns:
        ``(N, 5)`` rows of video, label, start, end in seconds, score, in the order of the table; and the notes.

    Raises:
        PredictionError: If a label has no instance and ``unknown_labels`` is ``refuse``, or if the labels are numbers
            whose classes are not known.
    """
    notes: list[str] = []
    other = other_names(table["video_id"], (*truth.video_ids, *truth.left_out), truth.aliases)
    names = table["video_id"].map(lambda name: other.get(name, name))
    if other:
        notes.append(f"{len(other)} videos were found under another name, such as with or without {_PREFIX!r}.")
    spelled, more = _in_words_of(table["label"], truth)
    table, notes = table.assign(label=spelled), [*notes, *more]
    blocked = names.isin(truth.left_out)
    if blocked.any():
        notes.append(f"{blocked.sum()} detections lie in videos that the list leaves out; they are not counted.")
    known = table["label"].isin(truth.class_names)
    unknown = table[~known & ~blocked]
    if len(unknown):
        notes.append(_unknown_labels(unknown, truth, unknown_labels))
    kept = known & ~blocked
    names, rows = names[kept], table[kept]
    foreign = [name for name in names.unique() if name not in truth.rows]
    if foreign:
        notes.append(
            f"{names.isin(foreign).sum()} detections lie in {len(foreign)} videos that the ground truth lacks, such as "
            f"{foreign[0]}; they count as false."
        )
    columns = numbered(names, truth.video_ids), numbered(rows["label"], truth.class_names)
    return _columns(*columns, rows["start_s"], rows["end_s"], rows["score"]), [*notes, *_oddities(rows, names, truth)]


def _in_words_of(labels: pd.Series, truth: GroundTruth) -> tuple[pd.Series, list[str]]:
    """Labels as the ground truth has them, where they are numbers of classes or other spellings; and notes.

    Raises:
        PredictionError: If all labels are numbers, those of the ground truth are not, and no numbers are known.
    """
    unknown = sorted(set(labels.unique()) - set(truth.class_names))
    if unknown and not any(map(str.isdecimal, truth.class_names)) and all(map(str.isdecimal, labels.unique())):
        meant = _of_numbers(unknown, truth)
        note = f"The predicted labels are numbers; {unknown[0]} is read as {meant[unknown[0]]!r}."
    else:
        keys = Counter(map(label_key, truth.class_names))
        by_key = {label_key(name): name for name in truth.class_names if keys[label_key(name)] == 1}
        meant = {label: by_key[label_key(label)] for label in unknown if label_key(label) in by_key}
        shown = ", ".join(f"{label!r} as {name!r}" for label, name in [*meant.items()][:3])
        note = f"{len(meant)} predicted labels are spelled otherwise in the ground truth, and are read so: {shown}."
    return (labels.map(lambda name: meant.get(name, name)), [note]) if meant else (labels, [])


def _of_numbers(labels: Sequence[str], truth: GroundTruth) -> dict[str, str]:
    """Names of classes by number."""
    lacking = next((label for label in labels if int(label) not in truth.class_ids), None)
    if lacking is not None:
        ids = sorted(truth.class_ids)
        which = f"only {ids[0]} to {ids[-1]} have names" if ids else f"{truth.path} does not say which classes they are"
        raise PredictionError(
            f"The predicted labels are numbers such as {lacking}, and {which}: give a class list in `--classes`, a "
            "text with one name a line, counted from 0, or with lines `number name`."
        )
    return {label: truth.class_ids[int(label)] for label in labels}


def _unknown_labels(unknown: pd.DataFrame, truth: GroundTruth, policy: Literal["refuse", "ignore"]) -> str:
    """The note about detections of labels without an instance.

    Raises:
        PredictionError: If the policy is ``refuse``.
    """
    label, video = unknown[["label", "video_id"]].iloc[0]
    if policy == "refuse":
        raise PredictionError(
            f"The label {label!r} predicted in video {video} has no instance in {truth.name} of {truth.path}, and the "
            "official evaluator refuses such labels: correct the label, or choose a protocol that ignores it (opentad)."
        )
    return (
        f"{len(unknown)} detections have one of {unknown['label'].nunique()} labels without any instance, such as "
        f"{label!r}; they are not counted."
    )


def other_names(predicted: Iterable[str], known: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Find the predicted videos that are known by another name: an alias, or the name with or without ``v_``.

    A name that is itself predicted never stands for another video.

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


def unlikely_times(detections: pd.DataFrame, truth: GroundTruth) -> list[str]:
    """Notes on times that cannot be seconds of the videos, see :func:`~wtal.results.implausible.time_notes`.

    Args:
        detections: One row per detection, with the names of videos that the ground truth uses.
        truth: The ground truth.
    """
    return time_notes(detections, dict(zip(truth.video_ids, truth.duration_s, strict=True)), truth.last_end_s)


def _oddities(rows: pd.DataFrame, names: pd.Series, truth: GroundTruth) -> list[str]:
    """Notes on what lowers the numbers without being an error."""
    notes = unlikely_times(rows.assign(video_id=names), truth)
    if rows.empty:
        notes.append("No detection is left to count: every number is 0.")
    empty = (rows["end_s"] <= rows["start_s"]).sum()
    if empty:
        notes.append(f"{empty} detections end where they start; they can only match an instance of zero length.")
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
    """Write segments in ActivityNet's format.

    Args:
        path: Path of the JSON file.
        segments: One row per instance: ``video_id``, ``label``, ``start_s``, ``end_s``.
        durations_s: Duration of each video of the subset, including those without an instance; NaN is left out.
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

"""Annotations of any format in use, as tables in seconds."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from wtal.data.annotation_files import read_ambiguous, reader_of
from wtal.data.annotation_tables import read_video_table
from wtal.data.labels import tidy_labels
from wtal.data.records import Record, Segment, Span
from wtal.errors import AnnotationError, brief
from wtal.io.given import listed
from wtal.io.text import plain
from wtal.io.times import seconds

__all__ = ["Annotations", "first", "read_annotations", "with_ambiguous", "with_subsets"]

_ENOUGH, _SHORT_S = 3, 3.0  # videos, and seconds, that tell shares of a video from times


@dataclass(frozen=True)
class Annotations:
    """Videos with their video-level labels and, separately, their segments.

    Args:
        path: File or folder of the annotations; named in errors.
        videos: One row per video in the order of the file, indexed by ``video_id``. Columns: ``subset`` (as in the
            file, empty if not stated), ``duration_s`` (NaN if unknown), ``labels`` (tuple of the video-level labels)
            and ``alias`` (another name that its feature files may have, empty if there is none).
        segments: One row per instance: ``video_id``, ``label``, ``start_s``, ``end_s``. For evaluation only.
        class_names: Names of the classes by class index.
        ambiguous: Segments in which it is unclear whether there is an action: ``video_id``, ``start_s``, ``end_s``. For
            evaluation by rules that ignore such segments.
        notes: What a user should know about how the file was read.
        class_ids: Names of the classes by the numbers that the file gives them, where it does.
    """

    path: Path
    videos: pd.DataFrame
    segments: pd.DataFrame
    class_names: tuple[str, ...]
    ambiguous: pd.DataFrame  # no default: jsonargparse compares defaults, and a table has no truth value
    notes: tuple[str, ...] = ()
    class_ids: Mapping[int, str] = field(default_factory=dict)

    def in_subset(self, names: Sequence[str], setting: str = "") -> pd.DataFrame:
        """Rows of the videos whose subset has one of these names, ignoring case.

        Args:
            names: The names.
            setting: The setting that names them, for the message.

        Raises:
            AnnotationError: If there are none; it lists the existing subsets.
        """
        wanted = {name.strip().lower() for name in names}
        found = self.videos[self.videos["subset"].str.lower().isin(wanted)]
        if found.empty:
            counts = self.videos["subset"].value_counts().items()
            existing = ", ".join(
                f"{name!r} ({count} videos)" if name else f"{count} without one" for name, count in counts
            )
            raise AnnotationError(
                f"{self.path} has no video of subset {' or '.join(map(repr, names))}; its subsets are: {existing}"
                + (f": name one of them in `{setting}`." if setting else ".")
            )
        return found


def read_annotations(path: Path, class_names: Sequence[str] | None = None, fps: float | None = None) -> Annotations:
    """Read annotations, in a format that is detected from the file.

    Formats: ActivityNet JSON (with or without the level ``database``, ``duration`` or ``duration_second``, numbers or
    strings), the W-TALC folder of ``.npy`` files, the THUMOS14 text files of the organisers (in one folder or several
    below the path), a table ``video,label`` or ``video,start,end,label`` with optional ``subset`` and ``duration``
    (CSV, TSV or a JSON list of objects), and the files of ELAN (``.eaf`` and tab-delimited text), VIA 3, Label Studio
    and CVAT; or a folder of such files. Names of columns may be those of other programs
    (:data:`~wtal.io.columns.COLUMNS`), and times may be written ``01:15.5``. A video may be given by its file,
    ``run.mp4``; several labels of a video go on several lines or into one cell, ``run;jump``; repeated lines count
    once.

    Labels that differ only in case, spaces, hyphens or underscores are one class, and those such as ``none`` are no
    action: see :func:`~wtal.data.labels.tidy_labels`.

    Video-level labels are those in ``labels_all`` of W-TALC or in a table, elsewhere all labels of the segments.

    Args:
        path: A file or a folder.
        class_names: Order of the classes. By default that of W-TALC's ``classlist``, else alphabetical.
        fps: Frame rate of the videos, for annotations in frames that do not state it themselves. Without it, such
            segments are left out, and their labels remain.

    Raises:
        AnnotationError: If the path does not exist, the format is unknown, a value is missing or impossible, or a label
            is not among the class names.
    """
    class_names = None if class_names is None else listed("class_names", class_names)
    path = Path(path)
    content = reader_of(path)(path)
    timed, notes = _in_seconds(path, content.records, fps)
    records, names, more = tidy_labels(timed, class_names or content.class_names)
    table = _tabulate(path, records, names or tuple(_sorted_labels(records)))
    return replace(
        table,
        ambiguous=_spans(path, content.ambiguous),
        notes=(*content.notes, *notes, *more, *_of_odd_times(path, table)),
        class_ids=content.class_ids,
    )


def with_ambiguous(annotations: Annotations, path: Path) -> Annotations:
    """Add the ambiguous segments of a THUMOS14 file, with lines ``video start end``, to annotations.

    Raises:
        AnnotationError: If the file is unreadable or a line has another form.
    """
    more = _spans(path, read_ambiguous(Path(path)))
    return replace(annotations, ambiguous=pd.concat([annotations.ambiguous, more], ignore_index=True))


def with_subsets(annotations: Annotations, path: Path) -> Annotations:
    """Replace the subsets of annotations by those of a table ``video,subset``, such as BSN's ``video_info_new.csv``.

    Args:
        annotations: Annotations with any subsets.
        path: CSV or TSV; other columns, and videos without annotations, are ignored.

    Raises:
        AnnotationError: If a column is missing, or no annotated video is in the table.
    """
    table = read_video_table(Path(path))
    if not {"video", "subset"} <= set(table.columns):
        raise AnnotationError(
            f"{path} has the columns {', '.join(table.columns) or 'none'}: it must name `video` and `subset`."
        )
    subsets = {video: subset for video, subset in table.select("video", "subset")}
    for name in list(subsets):  # either file may have the prefix of YouTube's names
        subsets.setdefault(name[2:] if name.startswith("v_") else f"v_{name}", subsets[name])
    if not subsets.keys() & set(annotations.videos.index):
        raise AnnotationError(f"{path} names none of the videos of {annotations.path}.")
    videos = annotations.videos
    return replace(annotations, videos=videos.assign(subset=[subsets.get(name, "") for name in videos.index]))


def first(names: Sequence[str]) -> str:
    """The first few names, for a message.

    >>> first(["a", "b", "c", "d"])
    'a, b, c, ...'
    """
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


# From records to tables ---------------------------------------------------------------------------------------------


def _in_seconds(path: Path, records: Sequence[Record], fps: float | None) -> tuple[list[Record], list[str]]:
    """Records with times in seconds; where no frame rate is known, only the labels of segments in frames remain."""
    found, untimed = [], 0
    for record in records:
        if record.in_frames:
            rate = fps if record.fps is None else _number(record.fps, path, record.video_id, "frame rate")
            if rate is not None and not rate > 0:
                raise AnnotationError(
                    f"{path}: the frame rate of video {record.video_id} is {rate:g}; it must be positive."
                )
            untimed += len(record.segments) if rate is None else 0
            record = record._replace(labels=sorted(record.video_labels()), segments=_of_frames(path, record, rate))
        found.append(record)
    if not untimed:
        return found, []
    return found, [
        f"The times of {untimed} instances in {path} are frames, and without a frame rate only their labels are read: "
        "give it in `fps`, or in a column of that name."
    ]


def _of_frames(path: Path, record: Record, fps: float | None) -> list[Segment]:
    if fps is None:
        return []
    return [
        Segment(label, *(_number(frame, path, record.video_id, "segment") / fps for frame in (start, end)))
        for label, start, end in record.segments
    ]


def _sorted_labels(records: Iterable[Record]) -> list[str]:
    return sorted({label for r in records for label in [*(s.label for s in r.segments), *r.video_labels()]})


def _tabulate(path: Path, records: Sequence[Record], class_names: tuple[str, ...]) -> Annotations:
    if not records:
        raise AnnotationError(f"{path} names no video.")
    records = [record._replace(video_id=_name(record.video_id)) for record in records]
    _check_unique(path, class_names, "The class list of {path} names {name!r} twice.")
    _check_unique(path, [record.video_id for record in records], "{path} names the video {name} twice.")
    order = {name: index for index, name in enumerate(class_names)}
    videos = pd.DataFrame(
        [_video_row(path, record, order) for record in records],
        index=pd.Index([record.video_id for record in records], name="video_id"),
        columns=["subset", "duration_s", "labels", "alias"],
    )
    segments = pd.DataFrame(
        [row for record in records for row in _segment_rows(path, record)],
        columns=["video_id", "label", "start_s", "end_s"],
    )
    segments = segments.astype({"start_s": float, "end_s": float})
    return Annotations(path, videos, segments, class_names, _spans(path, ()))


def _of_odd_times(path: Path, table: Annotations) -> list[str]:
    """Notes about segments that start before their video, and about times that may be shares of it."""
    segments, notes = table.segments, []
    early = segments.loc[segments["start_s"] < 0, "video_id"]
    if len(early):
        notes.append(
            f"{len(early)} segments of {path} start before their video, such as one of {early.iloc[0]}: correct them."
        )
    long = table.videos["duration_s"].fillna(math.inf) > _SHORT_S
    if segments["video_id"].nunique() >= _ENOUGH and segments["end_s"].max() <= 1 and long.all() and not len(early):
        notes.append(
            f"All {len(segments)} segments of {path} lie in the first second of their video: if they are shares of the "
            "video, from 0 to 1, multiply them by its duration."
        )
    return notes


def _name(video_id: str) -> str:
    return unicodedata.normalize("NFC", video_id)


def _check_unique(path: Path, names: Sequence[str], message: str) -> None:
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise AnnotationError(message.format(path=path, name=repeated))


def _video_row(path: Path, record: Record, order: Mapping[str, int]) -> tuple[str, float, tuple[str, ...], str]:
    """Subset, duration, sorted labels and alias of a video."""
    labels = record.video_labels()
    for label in [*labels, *(segment.label for segment in record.segments)]:
        if label not in order:
            raise AnnotationError(
                f"{path}: the class {label!r} of video {record.video_id} is not among the {len(order)} class names; "
                "correct the label or add it to the class list."
            )
    duration_s = math.nan
    if record.duration_s is not None:
        duration_s = _number(record.duration_s, path, record.video_id, "duration")
    if duration_s <= 0:
        raise AnnotationError(
            f"{path}: the duration of video {record.video_id} is {duration_s:g} s; it must be positive."
        )
    return plain(record.subset), duration_s, tuple(sorted(labels, key=order.__getitem__)), record.alias


def _segment_rows(path: Path, record: Record) -> Iterator[tuple[str, str, float, float]]:
    """Video, label, start and end of each instance."""
    for label, start, end in record.segments:
        start_s, end_s = (_number(t, path, record.video_id, "segment") for t in (start, end))
        if end_s < start_s:
            raise AnnotationError(
                f"{path}: a segment of video {record.video_id} ends before it starts: [{start_s:g}, {end_s:g}]."
            )
        yield record.video_id, label, start_s, end_s


def _spans(path: Path, spans: Iterable[Span]) -> pd.DataFrame:
    rows = [(name, *(_number(t, path, name, "ambiguous segment") for t in (start, end))) for name, start, end in spans]
    table = pd.DataFrame(rows, columns=["video_id", "start_s", "end_s"])
    return table.astype({"start_s": float, "end_s": float})


def _number(value: object, path: Path, video_id: str, what: str) -> float:
    number = seconds(value)
    if not math.isfinite(number):
        raise AnnotationError(
            f"{path}: the {what} of video {video_id} has {brief(value)} instead of a number of seconds, "
            "such as 75.5 or 01:15.5."
        )
    return number

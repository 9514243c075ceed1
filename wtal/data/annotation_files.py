"""The annotation formats in use, each read into records: the content of a file, video by video, not yet checked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wtal.errors import AnnotationError, FeatureError, brief
from wtal.io.bounds import read_json, read_text
from wtal.io.tables import Row, Table, read_table
from wtal.io.unpickle import load_object_array
from wtal.video.files import video_name

__all__ = ["Content", "Record", "Segment", "Span", "read_ambiguous", "read_video_table", "reader_of"]


class Segment(NamedTuple):
    """One instance of an action."""

    label: str
    start_s: Any  # not yet checked
    end_s: Any


class Span(NamedTuple):
    """A segment of a video in which it is unclear whether there is an action."""

    video_id: str
    start_s: Any
    end_s: Any


class Record(NamedTuple):
    """One video."""

    video_id: str
    segments: Sequence[Segment]
    labels: Sequence[str] | None = None  # None for those of the segments
    subset: str = ""
    duration_s: Any = None
    alias: str = ""

    def video_labels(self) -> set[str]:
        """The video-level labels: those given for the video, else those of its segments."""
        return {s.label for s in self.segments} if self.labels is None else set(self.labels)


class Content(NamedTuple):
    """The content of a file or folder."""

    records: list[Record]
    class_names: tuple[str, ...] = ()
    ambiguous: Sequence[Span] = ()


def reader_of(path: Path) -> Callable[[Path], Content]:
    """The function that reads the format of this file or folder.

    Raises:
        AnnotationError: If the path does not exist, or its format is unknown.
    """
    if not path.exists():
        raise AnnotationError(f"{path} does not exist: give the annotation file or folder.")
    if path.is_dir():
        if (path / "videoname.npy").is_file():
            return _read_wtalc
        if any(_thumos_files(path)):
            return _read_thumos_text
        raise AnnotationError(
            f"{path} holds neither `videoname.npy` (a W-TALC folder) nor files `<Class>_val.txt` or `<Class>_test.txt` "
            "(THUMOS14)."
        )
    readers = {".json": _read_json, ".csv": _read_table, ".tsv": _read_table}
    if path.suffix.lower() not in readers:
        raise AnnotationError(
            f"{path} has no known format of annotations: give a .json, .csv or .tsv file, or a folder."
        )
    return readers[path.suffix.lower()]


# ActivityNet JSON and similar ---------------------------------------------------------------------------------------


def _read_json(path: Path) -> Content:
    content = read_json(path, AnnotationError)
    database = content.get("database", content) if isinstance(content, dict) else None
    if not isinstance(database, dict) or not all(isinstance(entry, dict) for entry in database.values()):
        raise AnnotationError(
            f"{path} has no `database` of videos: give an annotation file in the format of ActivityNet."
        )
    return Content([_json_record(path, name, entry) for name, entry in database.items()])


def _json_record(path: Path, name: str, entry: Mapping[str, Any]) -> Record:
    if not entry.keys() & {"annotations", "subset"}:
        raise AnnotationError(
            f"{path}: the entry {name!r} has neither `annotations` nor `subset`, so it is not a video."
        )
    segments = []
    annotations = entry.get("annotations") or ()
    if not isinstance(annotations, list | tuple):
        raise AnnotationError(f"{path}: the annotations of video {name} must be a list, not {brief(annotations)}.")
    for annotation in annotations:
        try:
            start, end = annotation["segment"]
            segments.append(Segment(_label(annotation["label"]), start, end))
        except (KeyError, TypeError, ValueError) as error:
            raise AnnotationError(
                f"{path}: an annotation of video {name} is not {{'label': ..., 'segment': [start, end]}}: "
                f"{brief(annotation)}."
            ) from error
    duration = entry.get("duration", entry.get("duration_second"))
    return Record(name, segments, subset=_subset(entry.get("subset")), duration_s=duration)


def _label(value: object) -> str:
    """A label, which may be a number.

    Raises:
        TypeError: If the value cannot be a label.
    """
    if not isinstance(value, str | int | float) or value == "":
        raise TypeError(f"{brief(value)} is not a label")
    return str(value)


def _subset(value: object) -> str:
    return str(value) if value and isinstance(value, str | int) else ""


# The W-TALC folder --------------------------------------------------------------------------------------------------


def _read_wtalc(folder: Path) -> Content:
    names = _strings(folder, "videoname")
    columns = _wtalc_columns(folder, len(names))
    for name, column in columns.items():
        if len(column) != len(names):
            raise AnnotationError(f"{folder / name}.npy has {len(column)} rows, `videoname.npy` {len(names)}.")
    rows = zip(names, *columns.values(), strict=True)
    ambiguous = [span for file, label, _ in _thumos_files(folder) if label == "Ambiguous" for span in _lines(file)]
    return Content([_wtalc_record(folder, *row) for row in rows], tuple(_strings(folder, "classlist")), ambiguous)


def _wtalc_columns(folder: Path, count: int) -> dict[str, Any]:
    """The columns of a table of videos, in the order of the arguments of :func:`_wtalc_record`."""
    there = {name for name in ("duration", "labels", "segments") if (folder / f"{name}.npy").is_file()}
    if ("labels" in there) != ("segments" in there):
        raise AnnotationError(f"{folder} has only one of `segments.npy` and `labels.npy`: give both or none.")
    empty: list[Any] = [()] * count
    return {
        "subset": _strings(folder, "subset"),
        "labels_all": _array(folder, "labels_all"),
        "duration": _array(folder, "duration").ravel().tolist() if "duration" in there else [None] * count,
        "labels": _array(folder, "labels") if "labels" in there else empty,
        "segments": _array(folder, "segments") if "segments" in there else empty,
        "url": _youtube_ids(folder, count),
    }


def _wtalc_record(
    folder: Path,
    name: str,
    subset: str,
    labels_all: Sequence[Any],
    duration_s: float | None,
    labels: Sequence[Any],
    segments: Sequence[Any],
    alias: str,
) -> Record:
    try:
        instances = [Segment(_text(label), *segment) for label, segment in zip(labels, segments, strict=True)]
    except (TypeError, ValueError) as error:
        raise AnnotationError(
            f"{folder}: `labels.npy` and `segments.npy` disagree for video {name} ({error})."
        ) from error
    try:
        video_labels = [_text(label) for label in labels_all]
    except (TypeError, ValueError) as error:
        raise AnnotationError(f"{folder}: `labels_all.npy` has no labels of video {name} ({error}).") from error
    return Record(name, instances, video_labels, subset, duration_s, alias)


def _array(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    if not path.is_file():
        raise AnnotationError(f"{path} is missing: a W-TALC annotation folder needs it.")
    try:
        array = load_object_array(path)
    except FeatureError as error:
        raise AnnotationError(str(error)) from error
    if not array.ndim:
        raise AnnotationError(f"{path} has a single value instead of one row per video.")
    return array


def _strings(folder: Path, name: str) -> list[str]:
    try:
        return [_text(value) for value in _array(folder, name).ravel()]
    except (TypeError, ValueError) as error:
        raise AnnotationError(f"{folder / name}.npy does not hold text ({error}).") from error


def _text(value: object) -> str:
    if not isinstance(value, str | bytes):
        raise TypeError(f"{brief(value)} is not text")
    return value.decode() if isinstance(value, bytes) else str(value)


def _youtube_ids(folder: Path, count: int) -> list[str]:
    """YouTube ids of the videos if `url.npy` has them (3C-Net calls its ActivityNet videos `video_<n>`)."""
    if not (folder / "url.npy").is_file():
        return [""] * count
    return [url.partition("watch?v=")[2] for url in _strings(folder, "url")]


# The THUMOS14 text files of the organisers --------------------------------------------------------------------------

_THUMOS_SUBSETS = {"_val": "validation", "_test": "test"}  # by the end of the file name


def _thumos_files(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the path, class and subset of each file."""
    for path in sorted(folder.rglob("*.txt")):
        for end, subset in _THUMOS_SUBSETS.items():
            if path.stem.endswith(end):
                yield path, path.stem.removesuffix(end), subset


def _lines(path: Path) -> Iterator[Span]:
    for number, line in enumerate(read_text(path, AnnotationError).splitlines(), start=1):
        words = line.split()  # some files have two spaces after the name
        if words and len(words) != 3:
            raise AnnotationError(f"{path}, line {number}: expected `video start end`, got {line.strip()!r}.")
        if words:
            yield Span(*words)


def read_ambiguous(path: Path) -> list[Span]:
    """Read an ``Ambiguous_*.txt`` of THUMOS14, with lines ``video start end``.

    Raises:
        AnnotationError: If the file is unreadable or a line has another form.
    """
    return list(_lines(path))


def _read_thumos_text(folder: Path) -> Content:
    segments: dict[tuple[str, str], list[Segment]] = {}  # by video and subset
    ambiguous = []
    for path, label, subset in _thumos_files(folder):
        for line in _lines(path):
            instances = segments.setdefault((line.video_id, subset), [])
            if label == "Ambiguous":  # not a class, but it names the video
                ambiguous.append(line)
            else:
                instances.append(Segment(label, line.start_s, line.end_s))
    records = [Record(video, found, subset=subset) for (video, subset), found in sorted(segments.items())]
    return Content(records, ambiguous=ambiguous)


# Tables -------------------------------------------------------------------------------------------------------------


_COLUMNS = {  # with the synonyms that other tools use
    "video": ("video_id", "video_name", "filename", "file_name", "file"),
    "label": ("labels", "class", "classes", "class_name", "category", "action"),
    "start": ("start_s", "t_start"),
    "end": ("end_s", "t_end"),
    "subset": ("split",),
    "duration": ("duration_s",),
}


def read_video_table(path: Path) -> Table:
    """Read a table of videos, without spaces around its cells; a video ``run.mp4`` is called ``run``.

    Raises:
        AnnotationError: See :func:`~wtal.io.tables.read_table`.
    """
    table = read_table(path, AnnotationError, _COLUMNS, numbers=("start", "end", "duration"))
    names = [video_name if column == "video" else str for column in table.columns]
    rows = [
        Row(line, tuple(name(cell.strip()) for name, cell in zip(names, cells, strict=True)))
        for line, cells in table.rows
    ]
    return replace(table, rows=rows)


def _read_table(path: Path) -> Content:
    table = read_video_table(path)
    columns = table.columns
    if not {"video", "label"} <= set(columns) or ("start" in columns) != ("end" in columns):
        raise AnnotationError(
            f"{path} has the columns {', '.join(columns) or 'none'}: its header must name `video,label` or "
            "`video,start,end,label`, and may name `subset` and `duration`."
        )
    videos: dict[str, dict[tuple[str, ...], dict[str, str]]] = {}  # equal rows of a video count once
    for line, cells in table.records():
        if not cells["video"]:
            raise AnnotationError(f"{path}, line {line}: the video has no name.")
        videos.setdefault(cells["video"], {})[tuple(cells.values())] = cells
    return Content([_table_record(path, name, list(rows.values())) for name, rows in videos.items()])


def _table_record(path: Path, name: str, rows: Sequence[Mapping[str, str]]) -> Record:
    def only(column: str) -> str:
        values = list(dict.fromkeys(row[column] for row in rows if row.get(column)))
        if len(values) > 1:
            raise AnnotationError(
                f"{path}: video {name} has {len(values)} different values of `{column}`: {', '.join(values)}."
            )
        return values[0] if values else ""

    def labels_in(row: Mapping[str, str]) -> list[str]:
        return [label for label in map(str.strip, row["label"].split(";")) if label]

    labels = [label for row in rows for label in labels_in(row)]
    in_time = [row for row in rows if row.get("start") or row.get("end")]
    segments = [Segment(label, row["start"], row["end"]) for row in in_time for label in labels_in(row) or [""]]
    if any(not segment.label for segment in segments):
        raise AnnotationError(f"{path}: a segment of video {name} has no label.")
    return Record(name, segments, labels, only("subset"), only("duration") or None)

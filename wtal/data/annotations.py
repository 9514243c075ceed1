"""Every form of annotation that is in use, as one table in seconds."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from wtal.data.unpickle import load_object_array
from wtal.errors import AnnotationError

__all__ = ["Annotations", "read_annotations", "with_subsets"]


@dataclass(frozen=True)
class Annotations:
    """Videos with their video-level labels and, apart from them, segments.

    Args:
        path: Where they were read; named in errors.
        videos: One row a video in the order of the file, indexed by ``video_id``. Columns: ``subset`` (as in the file,
            empty where it does not say), ``duration_s`` (NaN where unknown), ``labels`` (tuple of the video-level
            labels) and ``alias`` (another name that its feature files may have; empty for none).
        segments: One row an instance: ``video_id``, ``label``, ``start_s``, ``end_s``. For evaluation only.
        class_names: In the order of the class indices.
    """

    path: Path
    videos: pd.DataFrame
    segments: pd.DataFrame
    class_names: tuple[str, ...]

    def in_subset(self, names: Sequence[str]) -> pd.DataFrame:
        """Rows of the videos whose subset has one of these names, in any case of letters.

        Raises:
            AnnotationError: If there is none; it lists the subsets that exist.
        """
        wanted = {name.lower() for name in names}
        found = self.videos[self.videos["subset"].str.lower().isin(wanted)]
        if found.empty:
            counts = self.videos["subset"].value_counts().items()
            existing = ", ".join(f"{name!r} ({count} videos)" if name else f"{count} without" for name, count in counts)
            raise AnnotationError(
                f"{self.path} has no video of subset {' or '.join(map(repr, names))}; its subsets are: {existing}."
            )
        return found


def read_annotations(path: Path, class_names: Sequence[str] | None = None) -> Annotations:
    """Read annotations; the form is found from the file.

    Forms: ActivityNet JSON (with or without the level ``database``, ``duration`` or ``duration_second``, numbers or
    strings), the W-TALC folder of ``.npy`` files, the organisers' THUMOS14 text files (in one folder or several below
    the path), and a table ``video,label`` or ``video,start,end,label`` with optional ``subset`` and ``duration`` (CSV
    or TSV).

    Video-level labels are W-TALC's ``labels_all``, the labels of a table, elsewhere the set of the segments' labels.

    Args:
        path: A file or a folder.
        class_names: Order of the classes. By default W-TALC's ``classlist``, else the names in alphabetical order.

    Raises:
        AnnotationError: If the path does not exist, the form is unknown, a value is missing or senseless, or a label is
            not among the class names.
    """
    path = Path(path)
    content = _reader(path)(path)
    names = tuple(class_names or content.class_names or _sorted_labels(content.records))
    return _tabulate(path, content.records, names)


def with_subsets(annotations: Annotations, path: Path) -> Annotations:
    """Annotations with the subsets of a table ``video,subset``; BSN's ``video_info_new.csv`` is one.

    Args:
        annotations: Of any subsets, which are forgotten.
        path: CSV or TSV; other columns are not read, and videos without annotations are no matter.

    Raises:
        AnnotationError: If a column is missing, or no annotated video is in the table.
    """
    header, rows = _cells(Path(path))
    if not {"video", "subset"} <= set(header):
        raise AnnotationError(
            f"{path} has the columns {', '.join(header) or 'none'}: it must name `video` and `subset`."
        )
    subsets = {row["video"]: row["subset"] for _, row in rows}
    if not subsets.keys() & set(annotations.videos.index):
        raise AnnotationError(f"{path} names none of the videos of {annotations.path}.")
    videos = annotations.videos
    return replace(annotations, videos=videos.assign(subset=[subsets.get(name, "") for name in videos.index]))


class _Segment(NamedTuple):
    label: str
    start_s: Any  # until it is checked
    end_s: Any


class _Record(NamedTuple):
    video_id: str
    segments: Sequence[_Segment]
    labels: Sequence[str] | None = None  # None: those of the segments
    subset: str = ""
    duration_s: Any = None
    alias: str = ""

    def video_labels(self) -> set[str]:
        return {s.label for s in self.segments} if self.labels is None else set(self.labels)


class _Content(NamedTuple):
    records: list[_Record]
    class_names: tuple[str, ...] = ()


def _reader(path: Path) -> Callable[[Path], _Content]:
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
        raise AnnotationError(f"{path} is no annotation file known here: give a .json, .csv or .tsv file, or a folder.")
    return readers[path.suffix.lower()]


# From records to tables ---------------------------------------------------------------------------------------------


def _sorted_labels(records: Iterable[_Record]) -> list[str]:
    return sorted({label for r in records for label in [*(s.label for s in r.segments), *r.video_labels()]})


def _tabulate(path: Path, records: Sequence[_Record], class_names: tuple[str, ...]) -> Annotations:
    if not records:
        raise AnnotationError(f"{path} names no video.")
    if len(set(class_names)) < len(class_names):
        twice = next(name for name in class_names if class_names.count(name) > 1)
        raise AnnotationError(f"The class list of {path} names {twice!r} twice.")
    order = {name: index for index, name in enumerate(class_names)}
    videos: dict[str, tuple[str, float, tuple[str, ...], str]] = {}
    segments: list[tuple[str, str, float, float]] = []
    for record in records:
        name = record.video_id
        if name in videos:
            raise AnnotationError(f"{path} names the video {name} twice.")
        labels = record.video_labels()
        for label in [*labels, *(s.label for s in record.segments)]:
            if label not in order:
                raise AnnotationError(
                    f"{path}: the class {label!r} of video {name} is not among the {len(order)} class names; "
                    "correct the label or add it to the class list."
                )
        duration_s = math.nan if record.duration_s is None else _number(record.duration_s, path, name, "duration")
        if duration_s <= 0:
            raise AnnotationError(f"{path}: the duration of video {name} is {duration_s:g} s; it must be positive.")
        videos[name] = (record.subset, duration_s, tuple(sorted(labels, key=order.__getitem__)), record.alias)
        for label, start, end in record.segments:
            start_s, end_s = (_number(t, path, name, "segment") for t in (start, end))
            if end_s < start_s:
                raise AnnotationError(
                    f"{path}: a segment of video {name} ends before it starts: [{start_s:g}, {end_s:g}]."
                )
            segments.append((name, label, start_s, end_s))
    return Annotations(
        path,
        pd.DataFrame.from_dict(videos, orient="index", columns=["subset", "duration_s", "labels", "alias"]).rename_axis(
            "video_id"
        ),
        pd.DataFrame(segments, columns=["video_id", "label", "start_s", "end_s"]).astype(
            {"start_s": float, "end_s": float}
        ),
        class_names,
    )


def _number(value: object, path: Path, video_id: str, what: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise AnnotationError(
            f"{path}: the {what} of video {video_id} has {value!r} where a number of seconds must be."
        )
    return number


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # with or without the mark that spreadsheets put first
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path} cannot be read as UTF-8 text: {error}.") from error


# ActivityNet JSON and its relatives ---------------------------------------------------------------------------------


def _read_json(path: Path) -> _Content:
    try:
        content = json.loads(_text_of(path))
    except json.JSONDecodeError as error:
        raise AnnotationError(f"{path} is not valid JSON: {error}.") from error
    database = content.get("database", content) if isinstance(content, dict) else None
    if not isinstance(database, dict) or not all(isinstance(entry, dict) for entry in database.values()):
        raise AnnotationError(f"{path} has no `database` of videos: give an annotation file in ActivityNet's form.")
    return _Content([_json_record(path, name, entry) for name, entry in database.items()])


def _json_record(path: Path, name: str, entry: Mapping[str, Any]) -> _Record:
    if not entry.keys() & {"annotations", "subset"}:
        raise AnnotationError(f"{path}: the entry {name!r} has neither `annotations` nor `subset`; it is no video.")
    segments = []
    for annotation in entry.get("annotations") or ():
        try:
            start, end = annotation["segment"]
            segments.append(_Segment(str(annotation["label"]), start, end))
        except (KeyError, TypeError, ValueError) as error:
            raise AnnotationError(
                f"{path}: an annotation of video {name} is not {{'label': ..., 'segment': [start, end]}}: {annotation}."
            ) from error
    duration = entry.get("duration", entry.get("duration_second"))
    return _Record(name, segments, subset=str(entry.get("subset") or ""), duration_s=duration)


# The W-TALC folder --------------------------------------------------------------------------------------------------


def _read_wtalc(folder: Path) -> _Content:
    names, subsets = _strings(folder, "videoname"), _strings(folder, "subset")
    labels_all = _array(folder, "labels_all")
    columns: dict[str, Any] = {"subset.npy": subsets, "labels_all.npy": labels_all}
    for optional in ("duration", "labels", "segments"):
        if (folder / f"{optional}.npy").is_file():
            columns[f"{optional}.npy"] = _array(folder, optional)
    if ("labels.npy" in columns) != ("segments.npy" in columns):
        raise AnnotationError(f"{folder} has only one of `segments.npy` and `labels.npy`: give both or none.")
    for file, column in columns.items():
        if len(column) != len(names):
            raise AnnotationError(f"{folder / file} has {len(column)} rows, `videoname.npy` {len(names)}.")
    nothing: list[Any] = [()] * len(names)
    durations = np.ravel(columns.get("duration.npy", nothing)).tolist() or [None] * len(names)
    rows = zip(
        names,
        subsets,
        labels_all,
        durations,
        columns.get("labels.npy", nothing),
        columns.get("segments.npy", nothing),
        _youtube_ids(folder, len(names)),
        strict=True,
    )
    return _Content([_wtalc_record(folder, *row) for row in rows], tuple(_strings(folder, "classlist")))


def _wtalc_record(
    folder: Path,
    name: str,
    subset: str,
    labels_all: Sequence[Any],
    duration_s: float | None,
    labels: Sequence[Any],
    segments: Sequence[Any],
    alias: str,
) -> _Record:
    if len(labels) != len(segments) or any(len(segment) != 2 for segment in segments):
        raise AnnotationError(f"{folder}: `labels.npy` and `segments.npy` do not fit together for video {name}.")
    instances = [_Segment(_text(label), *segment) for label, segment in zip(labels, segments, strict=True)]
    return _Record(name, instances, [_text(label) for label in labels_all], subset, duration_s, alias)


def _array(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    if not path.is_file():
        raise AnnotationError(f"{path} is missing: a W-TALC annotation folder needs it.")
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        if "Object arrays" not in str(error):
            raise AnnotationError(f"{path} is no complete .npy file: {error}.") from error
        array = load_object_array(path)
    return array


def _strings(folder: Path, name: str) -> list[str]:
    return [_text(value) for value in _array(folder, name).ravel()]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _youtube_ids(folder: Path, count: int) -> list[str]:
    """YouTube names of the videos where `url.npy` has them (3C-Net calls its ActivityNet videos `video_<n>`)."""
    if not (folder / "url.npy").is_file():
        return [""] * count
    return [url.partition("watch?v=")[2] for url in _strings(folder, "url")]


# The organisers' THUMOS14 text files --------------------------------------------------------------------------------

_THUMOS_SUBSETS = {"_val": "validation", "_test": "test"}  # by the end of the file's name


def _thumos_files(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Path, class and subset of each file."""
    for path in sorted(folder.rglob("*.txt")):
        for end, subset in _THUMOS_SUBSETS.items():
            if path.stem.endswith(end):
                yield path, path.stem.removesuffix(end), subset


def _read_thumos_text(folder: Path) -> _Content:
    segments: dict[tuple[str, str], list[_Segment]] = {}  # by video and subset
    for path, label, subset in _thumos_files(folder):
        for number, line in enumerate(_text_of(path).splitlines(), start=1):
            if not line.strip():
                continue
            words = line.split()
            if len(words) != 3:
                raise AnnotationError(f"{path}, line {number}: expected `video start end`, got {line.strip()!r}.")
            instances = segments.setdefault((words[0], subset), [])
            if label != "Ambiguous":  # names the video, but is no class
                instances.append(_Segment(label, words[1], words[2]))
    return _Content([_Record(video, found, subset=subset) for (video, subset), found in sorted(segments.items())])


# Tables -------------------------------------------------------------------------------------------------------------


def _cells(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Names of the columns, and each line's number with its cells."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    table = csv.DictReader(_text_of(path).splitlines(), delimiter=delimiter, skipinitialspace=True)
    header = [name.strip().lower() for name in table.fieldnames or ()]
    table.fieldnames = header
    rows = []
    for row in table:
        if None in row or None in row.values():
            raise AnnotationError(f"{path}, line {table.line_num}: {len(header)} columns expected.")
        rows.append((table.line_num, {name: value.strip() for name, value in row.items()}))
    return header, rows


def _read_table(path: Path) -> _Content:
    header, rows = _cells(path)
    if not {"video", "label"} <= set(header) or ("start" in header) != ("end" in header):
        raise AnnotationError(
            f"{path} has the columns {', '.join(header) or 'none'}: its first line must name `video,label` or "
            "`video,start,end,label`, and may name `subset` and `duration`."
        )
    videos: dict[str, list[dict[str, str]]] = {}
    for line, cells in rows:
        if not cells["video"]:
            raise AnnotationError(f"{path}, line {line}: the video has no name.")
        videos.setdefault(cells["video"], []).append(cells)
    return _Content([_table_record(path, name, cells) for name, cells in videos.items()])


def _table_record(path: Path, name: str, rows: Sequence[Mapping[str, str]]) -> _Record:
    def only(column: str) -> str:
        values = list(dict.fromkeys(row[column] for row in rows if row.get(column)))
        if len(values) > 1:
            raise AnnotationError(
                f"{path}: video {name} has {len(values)} different values of `{column}`: {', '.join(values)}."
            )
        return values[0] if values else ""

    labels = [row["label"] for row in rows if row["label"]]
    segments = [_Segment(r["label"], r["start"], r["end"]) for r in rows if r.get("start") or r.get("end")]
    if any(not segment.label for segment in segments):
        raise AnnotationError(f"{path}: a segment of video {name} has no label.")
    return _Record(name, segments, labels, only("subset"), only("duration") or None)

"""The annotation formats in use, each read into records: the content of a file, video by video, not yet checked."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wtal.data.annotation_tables import read_label_table, read_rows
from wtal.data.annotation_tools import is_label_studio, is_via, read_cvat, read_label_studio, read_via
from wtal.data.elan_files import is_elan_text, read_eaf, read_elan_text
from wtal.data.records import Content, Record, Segment, Span, label_text
from wtal.errors import AnnotationError, FeatureError, brief
from wtal.io.bounds import read_json, read_text
from wtal.io.columns import canonical, known
from wtal.io.folders import files_below
from wtal.io.text import plain, read_any_text
from wtal.io.unpickle import load_object_array
from wtal.video.files import video_name

__all__ = ["read_ambiguous", "reader_of"]

_TABLES = (".csv", ".tsv", ".txt")
_WORKBOOKS = (".xlsx", ".xls", ".ods", ".numbers")


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
        if any(_parts(path)):
            return _read_parts
        raise AnnotationError(
            f"{path} holds neither `videoname.npy` (a W-TALC folder) nor files `<Class>_val.txt` or `<Class>_test.txt` "
            "(THUMOS14), nor files of annotations (.json, .csv, .tsv, .eaf)."
        )
    suffix = path.suffix.lower()
    if suffix in _WORKBOOKS:
        raise AnnotationError(
            f'{path} has no known format of annotations: a workbook is not read; save its table as "CSV UTF-8".'
        )
    readers = {".json": _read_json, ".eaf": read_eaf, ".xml": read_cvat, **dict.fromkeys(_TABLES, _read_table)}
    if suffix not in readers:
        raise AnnotationError(
            f"{path} has no known format of annotations: give a .json, .csv, .tsv, .txt, .eaf (ELAN) or .xml (CVAT) "
            "file, or a folder."
        )
    return readers[suffix]


def _read_table(path: Path) -> Content:
    start = read_any_text(path, AnnotationError)[0][:20_000]
    return (read_via if is_via(start) else read_elan_text if is_elan_text(start) else read_label_table)(path)


def _parts(folder: Path) -> Iterator[Path]:
    """Files of annotations in a folder, such as one of ELAN or one table a video."""
    return (path for path in files_below(folder) if path.suffix.lower() in (".json", ".eaf", ".xml", ".csv", ".tsv"))


def _read_parts(folder: Path) -> Content:
    contents = [reader_of(path)(path) for path in _parts(folder)]
    notes = list(dict.fromkeys(note for content in contents for note in content.notes))
    more = [f"There are {len(notes) - 3} more such remarks about the files in {folder}."] if len(notes) > 3 else []
    return Content([record for content in contents for record in content.records], notes=(*notes[:3], *more))


# ActivityNet JSON and similar ---------------------------------------------------------------------------------------


def _read_json(path: Path) -> Content:
    content = read_json(path, AnnotationError, join=True)
    if isinstance(content, list) and _are_objects(content):
        return read_label_studio(path, content) if is_label_studio(content) else read_rows(path, content)
    if isinstance(content, dict) and is_via(content):
        return read_via(path)
    if isinstance(content, dict) and (rows := _rows(content)):
        return read_rows(path, rows)
    read = _read_database(path, content.get("database", content) if isinstance(content, dict) else None)
    if isinstance(content, dict) and content.get("pseudo") is True:
        return read._replace(notes=(f"The segments of {path} are pseudo-instances that a model has found, not true.",))
    return read


def _read_database(path: Path, database: Any) -> Content:  # noqa: ANN401  any content
    if not isinstance(database, dict) or (database and not _are_objects(database.values())):
        raise AnnotationError(
            f"{path} has no `database` of videos: give an annotation file in the format of ActivityNet."
        )
    _check_names(path, database.values())
    ids = dict(pair for entry in database.values() for pair in _class_ids(entry))
    return Content([_json_record(path, name, entry) for name, entry in database.items()], class_ids=ids)


def _check_names(path: Path, entries: Collection[Mapping[str, Any]]) -> None:
    """Refuse videos whose annotations have a name that is not known: they would all seem to be without an action."""
    lists = sorted({key for entry in entries for key, value in entry.items() if value and isinstance(value, list)})
    if lists and not any({"annotations", "annotation"} & entry.keys() for entry in entries):
        raise AnnotationError(
            f"{path}: no video has `annotations`, but `{'`, `'.join(lists)}`: give each video a list `annotations` of "
            "{'label': ..., 'segment': [start, end]}, in seconds."
        )


def _are_objects(entries: Collection[Any]) -> bool:
    return bool(entries) and all(isinstance(entry, dict) for entry in entries)


def _rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows in an object with one list of them, or with the labels or segments of each video; empty if neither.

    >>> _rows({"version": 1, "clips": [{"video": "a", "label": "run"}]})
    [{'video': 'a', 'label': 'run'}]
    >>> _rows({"a": ["run"], "b": []})
    [{'video': 'a', 'label': ['run']}, {'video': 'b', 'label': []}]
    >>> _rows({"a": [{"label": "run", "segment": [1, 2]}]})
    [{'video': 'a', 'label': 'run', 'segment': [1, 2]}]
    """
    rows = [list(value) for value in content.values() if isinstance(value, list) and _are_rows(value)]
    if len(rows) == 1:
        return rows[0]
    return _of_each_video(content) if all(isinstance(value, list) for value in content.values()) else []


def _of_each_video(content: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    if all(map(_are_objects, filter(None, content.values()))):
        return [{"video": name, **row} for name, values in content.items() for row in values or [{"label": ""}]]
    if all(isinstance(label, str) for labels in content.values() for label in labels):
        return [{"video": name, "label": labels} for name, labels in content.items()]
    return []


def _are_rows(entries: Collection[Any]) -> bool:
    return _are_objects(entries) and all("video" in canonical(list(row), known("video")) for row in entries)


def _class_ids(entry: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Numbers and names of classes, as ActionFormer's files give them."""
    annotations = entry.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else ():
        label, number = (
            (annotation.get(key) for key in ("label", "label_id")) if isinstance(annotation, dict) else (0, 0)
        )
        if isinstance(label, str) and isinstance(number, int):
            yield number, plain(label)


def _json_record(path: Path, name: str, entry: Mapping[str, Any]) -> Record:
    if not entry.keys() & {"annotations", "annotation", "subset"}:
        raise AnnotationError(
            f"{path}: the entry {name!r} has neither `annotations` nor `subset`, so it is not a video."
        )
    segments = []
    annotations = entry.get("annotations", entry.get("annotation")) or ()  # COIN has one `annotation` of several
    if not isinstance(annotations, list | tuple):
        raise AnnotationError(f"{path}: the annotations of video {name} must be a list, not {brief(annotations)}.")
    for annotation in annotations:
        try:
            start, end = annotation["segment"]
            labels = annotation["label"] if isinstance(annotation["label"], list) else [annotation["label"]]
            segments += [Segment(_label(label), start, end) for label in labels]
        except (KeyError, TypeError, ValueError) as error:
            raise AnnotationError(
                f"{path}: an annotation of video {name} is not {{'label': ..., 'segment': [start, end]}}: "
                f"{brief(annotation)}."
            ) from error
    duration = entry.get("duration", entry.get("duration_second"))
    return Record(video_name(name), segments, subset=_subset(entry.get("subset")), duration_s=duration)


def _label(value: object) -> str:
    """A label, which may be a number.

    Raises:
        TypeError: If the value cannot be a label.
    """
    if value == "":
        raise TypeError("an empty text is not a label")
    return label_text(value)


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
    for path in files_below(folder):
        for end, subset in _THUMOS_SUBSETS.items():
            if path.suffix == ".txt" and path.stem.endswith(end):
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

"""Annotations in tables, as people, spreadsheets and programs write them, read into records."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wtal.data.records import Content, Record, Segment, label_text
from wtal.errors import AnnotationError
from wtal.io.columns import COLUMNS, canonical
from wtal.io.tables import Row, Table, in_seconds, read_table
from wtal.io.text import plain
from wtal.io.times import seconds
from wtal.video.files import media_name, video_name

__all__ = ["read_label_table", "read_rows", "read_video_table"]

_NUMBERS = ("start", "end", "duration", "start_ms", "end_ms", "start_frame", "end_frame", "fps")
_NO_NUMBER = ("nan", "na", "n/a", "#n/a", "<na>", "none", "null", "-")


def read_video_table(path: Path) -> Table:
    """Read a table of videos, without spaces around its cells and with times in seconds; ``run.mp4`` is called ``run``.

    Raises:
        AnnotationError: See :func:`~wtal.io.tables.read_table`.
    """
    return _of_videos(read_table(path, AnnotationError, COLUMNS, numbers=_NUMBERS))


def read_label_table(path: Path) -> Content:
    """Read a table of labels: ``video,label`` or ``video,start,end,label``, optionally with ``subset``, ``duration``.

    Raises:
        AnnotationError: If the table cannot be read, lacks a column or contradicts itself.
    """
    return _content(read_video_table(path))


def read_rows(path: Path, entries: Sequence[Mapping[str, Any]]) -> Content:
    """Read such a table from a JSON list with one object a row, as pandas and CreateML write it.

    Raises:
        AnnotationError: See :func:`read_label_table`.
    """
    flat = [_flat(entry) for entry in entries]
    header = tuple(dict.fromkeys(name for entry in flat for name in entry))
    rows = [Row(line, tuple(entry.get(name, "") for name in header)) for line, entry in enumerate(flat, start=1)]
    if "video" not in (columns := canonical(header, COLUMNS)):
        raise AnnotationError(
            f"{path} has no `database` of videos, and the objects of its list name no `video`: give an annotation file "
            "in the format of ActivityNet, or a table."
        )
    return _content(_of_videos(Table(path, columns, rows)))


def _flat(entry: Mapping[str, Any]) -> dict[str, str]:
    """An object as cells of a row."""
    cells: dict[str, str] = {}
    for name, value in entry.items():
        if name == "segment" and isinstance(value, list) and len(value) == 2:
            cells |= {"start": str(value[0]), "end": str(value[1])}
        elif isinstance(value, list):
            cells[name] = ";".join(map(str, value))
        else:
            cells[name] = "" if value is None else str(value)
    return cells


def _of_videos(table: Table) -> Table:
    readers = {"video": _video, "label": _label}
    readers |= dict.fromkeys(_NUMBERS, _number)
    named = [readers.get(column, str.strip) for column in table.columns]
    rows = [Row(line, tuple(read(cell) for read, cell in zip(named, cells, strict=True))) for line, cells in table.rows]
    return in_seconds(replace(table, rows=rows), AnnotationError)


def _video(cell: str) -> str:
    """The name of a video, which may be given by its file, or by that of its annotations in ELAN."""
    text = cell.strip()
    return media_name(text) if text.lower().endswith(".eaf") else plain(video_name(text))


def _number(cell: str) -> str:
    """A number, or nothing where a program has written that there is none."""
    text = cell.strip()
    return "" if text.lower() in _NO_NUMBER else text


def _label(cell: str) -> str:
    """The labels of a cell, also of one with a list as Python writes it."""
    if re.fullmatch(r"\[.*\]", cell):
        cell = re.sub(r"['\"]?\s*,\s*['\"]?", ";", cell.strip("[]'\" "))
    return ";".join(label_text(part.strip()) for part in re.split("[;\n\r]", cell))


def _content(table: Table) -> Content:
    path, notes = table.path, [*table.notes, *_unread(table)]
    if "end" not in table.columns and {"start", "duration"} <= set(table.columns):
        table = _with_end(table)
        notes.append(f"{path} has no column `end`: a segment ends its `duration` after its `start`.")
    _check_columns(table)
    if "video" not in table.columns:
        notes.append(f"{path} has no column `video`: its rows are read as those of the video {plain(path.stem)!r}.")
    videos: dict[str, dict[tuple[str, ...], dict[str, str]]] = {}  # equal rows of a video count once
    for line, cells in table.records():
        name = cells.get("video", plain(path.stem))
        if not name:
            raise AnnotationError(
                f"{path}, line {line}: the video has no name; write it into every row, also where cells were merged."
            )
        videos.setdefault(name, {})[tuple(cells.values())] = cells
    rows = [cells for video in videos.values() for cells in video.values()]
    if {"start", "end", "duration"} <= set(table.columns) and _is_of_segments(rows):
        notes.append(f"The column `duration` of {path} is that of the segments; the videos' own are not known.")
        for cells in rows:
            cells["duration"] = ""
    return Content([_record(path, name, list(found.values())) for name, found in videos.items()], notes=tuple(notes))


def _check_columns(table: Table) -> None:
    columns = set(table.columns)
    is_timed = {"start", "end"} <= columns or {"start_frame", "end_frame"} <= columns
    half = {"start", "end"} & columns if len({"start", "end"} & columns) == 1 else set()
    if "label" not in columns or half or not ("video" in columns or is_timed):
        only = f", of which `{half.pop()}` is only one end of a segment" if half else ""
        raise AnnotationError(
            f"{table.path} has the columns {', '.join(table.columns) or 'none'}{only}: its header must name "
            "`video,label` or `video,start,end,label`, and may name `subset` and `duration`."
        )


def _unread(table: Table) -> list[str]:
    """A note about columns whose names are not understood; pandas leaves that of its index empty."""
    unread = [name for name in table.columns if name not in COLUMNS and name and not name.startswith("Unnamed:")]
    if not unread:
        return []
    times = " and ".join(f"`{name}`" for name in ("start", "end") if name not in table.columns)
    return [
        f"The columns {', '.join(unread[:8])}{', ...' if len(unread) > 8 else ''} of {table.path} are not read"
        + (f"; if there are times in seconds among them, call them {times}." if times else ".")
    ]


def _with_end(table: Table) -> Table:
    """The table with ends instead of durations of segments."""
    start, duration = (table.columns.index(name) for name in ("start", "duration"))

    def ended(row: Row) -> Row:
        ends = seconds(row.cells[start]) + seconds(row.cells[duration])
        given = row.cells[start] or row.cells[duration]
        return Row(
            row.line, tuple(repr(ends) if at == duration and given else cell for at, cell in enumerate(row.cells))
        )

    columns = tuple("end" if name == "duration" else name for name in table.columns)
    return replace(table, columns=columns, rows=list(map(ended, table.rows)))


def _is_of_segments(rows: Iterable[Mapping[str, str]]) -> bool:
    """Whether the durations are those of the segments: everywhere end - start, which is too short for some video."""
    rows = [cells for cells in rows if cells["duration"] and cells["start"]]
    off = [seconds(cells["end"]) - seconds(cells["start"]) - seconds(cells["duration"]) for cells in rows]
    return all(abs(value) < 0.02 for value in off) and any(seconds(cells["start"]) > 0.02 for cells in rows)


def _record(path: Path, name: str, rows: Sequence[Mapping[str, str]]) -> Record:
    in_seconds = _timed(rows, "start", "end")
    in_time = in_seconds or _timed(rows, "start_frame", "end_frame")
    if not all(_labels(row) for row, _ in in_time):
        raise AnnotationError(f"{path}: a segment of video {name} has no label.")
    segments = [Segment(label, *times) for row, times in in_time for label in _labels(row)]
    subset, duration, fps = (_only(path, name, rows, column) for column in ("subset", "duration", "fps"))
    labels = [label for row in rows for label in _labels(row)]
    return Record(name, segments, labels, subset, duration or None, in_frames=not in_seconds, fps=fps or None)


def _timed(rows: Iterable[Mapping[str, str]], *columns: str) -> list[tuple[Mapping[str, str], list[str]]]:
    """The rows with a time in either column, and their times."""
    times = [(row, [row.get(column, "") for column in columns]) for row in rows]
    return [(row, found) for row, found in times if any(found)]


def _labels(row: Mapping[str, str]) -> list[str]:
    return [label for label in map(str.strip, row["label"].split(";")) if label]


def _only(path: Path, name: str, rows: Iterable[Mapping[str, str]], column: str) -> str:
    """The one value of a column in the rows of a video; empty if there is none."""
    values: dict[str, str] = {}
    for row in rows:
        if row.get(column):
            values.setdefault(row[column].casefold(), row[column])
    if len(values) > 1:
        raise AnnotationError(
            f"{path}: video {name} has {len(values)} different values of `{column}`: {', '.join(values.values())}; "
            "keep one of them."
        )
    return next(iter(values.values()), "")

"""Features in text files: one row a snippet, with or without a header and an index, in the notation of any country."""

import io
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["read_feature_table", "table_note", "table_shape"]

_INDEX = {  # names of columns that number or time the rows
    "", "unnamed: 0", "index", "id", "row", "frame", "frame_id", "frame_index", "snippet", "segment", "clip", "t",
    "time", "time_s", "timestamp", "timestamps", "timestamp_ms", "timestamps_ms", "start", "end", "start_s", "end_s",
}  # fmt: skip
_DECLARED = re.compile(r'"?sep=([,;|\t])"?', re.IGNORECASE)


class _Form(NamedTuple):
    """How a text file is to be read."""

    separator: str | None  # None for blanks
    numbered: bool  # the first line numbers the columns, without a name for an index
    unread: tuple[int, ...]  # columns that number or time the rows
    columns: int  # the other columns
    rows: int


def read_feature_table(file: Path) -> np.ndarray:
    """Read the numbers of a text file, ``(T, D)``, without its header and without columns that number its rows.

    Raises:
        ValueError: If a cell is not a number, or rows differ in length.
    """
    lines, form = _parsed(file, *_version(file))
    text = "\n".join(lines)
    if form.separator in (";", "\t"):
        text = text.replace(",", ".")
    rows = np.loadtxt(io.StringIO(text), np.float32, delimiter=form.separator, comments=None, ndmin=2, quotechar='"')
    return np.delete(rows, form.unread, axis=1) if form.unread else rows


def table_shape(file: Path) -> tuple[int, int]:
    """Shape of what :func:`read_feature_table` returns.

    Raises:
        ValueError: See there.
    """
    form = _parsed(file, *_version(file))[1]
    return form.rows, form.columns


def table_note(file: Path) -> str:
    """What in a file is taken for a header or an index by its numbers, for the user to know; empty if nothing is."""
    form = _parsed(file, *_version(file))[1]
    if form.unread:
        return "columns that number or time the rows are not read as channels"
    return "a first line of the numbers 0, 1, 2, ... is read as a header" if form.numbered else ""


def _version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=2)
def _parsed(file: Path, *version: int) -> tuple[list[str], _Form]:
    """The lines with numbers, and their form; the version makes a changed file be read again."""
    lines = _lines(file)
    if not lines:
        return [], _Form(None, False, (), 0, 0)
    separator = next((mark for mark in ";\t," if mark in lines[0]), None)
    names = _header(lines, separator)
    rows = lines[names is not None :]
    unread = _unread(names or [], [row.split(separator, 1)[0].strip() for row in rows])
    columns = len((rows or lines)[0].split(separator)) - len(unread)
    return rows, _Form(separator, names is not None and all(map(str.isdecimal, names)), unread, columns, len(rows))


def _lines(file: Path) -> list[str]:
    """The lines other than blank ones, comments and ``sep=;``, in the encoding that a byte-order mark states."""
    content = file.read_bytes()
    text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [line for line in lines if not _DECLARED.fullmatch(line.strip())]


def _header(lines: list[str], separator: str | None) -> list[str] | None:
    """Names of the columns in lower case; None if the first line holds features."""
    cells = [cell.strip().strip("\"'").lower() for cell in lines[0].split(separator)]
    return cells if _is_header(cells, len(lines)) else None


def _is_header(cells: list[str], lines: int) -> bool:
    """Whether cells name columns: by words, or by the numbers 0, 1, 2, ... as pandas does.

    >>> _is_header(["f0", "f1"], 9), _is_header(["0", "1", "2"], 9), _is_header(["0.0", "1.0", "2.0"], 9)
    (True, True, False)
    """
    if not all(map(_is_number, cells)):
        return True
    if lines < 2 or len(cells) < 3 or not all(cell.isdecimal() for cell in cells):
        return False
    return [int(cell) - int(cells[0]) for cell in cells] == list(range(len(cells))) and int(cells[0]) < 2


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _unread(names: list[str], first_column: list[str]) -> tuple[int, ...]:
    """Columns that number or time the rows: by name or, in the first one, by the numbers 0, 1, 2, ...

    >>> _unread(["time_s", "f0"], ["0.0", "0.6"]), _unread([], ["0", "1", "2"]), _unread([], ["0.0", "1.0", "2.0"])
    ((0,), (0,), ())
    """
    named = tuple(place for place, name in enumerate(names) if name in _INDEX)
    if named:
        return named if len(named) < len(names) else ()
    count = len(first_column)
    counted = (list(map(str, range(start, start + count))) for start in (0, 1))
    return (0,) if count > 2 and first_column in counted else ()

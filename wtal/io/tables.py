"""The one reader of tables: CSV and TSV, as scripts and spreadsheets write them, into named columns of text."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from wtal.errors import WTALError, brief
from wtal.io.columns import canonical
from wtal.io.text import read_any_text
from wtal.io.times import seconds

__all__ = ["Row", "Table", "in_seconds", "read_table", "split_rows"]

_DECLARED = re.compile(r'"?sep=([,;|\t])"?[,;|\t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)  # a first line for Excel
_SEPARATORS = ",;\t|"
_HEADER_WITHIN = 30  # rows: a program may write a title or comments above the header
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


class Row(NamedTuple):
    """One row of a table."""

    line: int  # line of the file on which the row begins, counted from 1
    cells: tuple[str, ...]  # one per column


@dataclass(frozen=True)
class Table:
    """Named columns of text.

    Args:
        path: File that the table was read from; named in errors.
        columns: Names of the columns in the order of the file: canonical ones where the caller knows the column,
            others as they are spelled in the header.
        rows: Every row that is not blank.
        notes: What a user should know about how the file was read.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Row]
    notes: tuple[str, ...] = ()

    def records(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Line number and cells by column, row by row; if several columns share a name, the first counts."""
        for line, cells in self.rows:
            yield line, dict(zip(reversed(self.columns), reversed(cells), strict=True))

    def select(self, *names: str) -> Iterator[tuple[str, ...]]:
        """The cells of some columns, row by row.

        Raises:
            ValueError: If the table has no such column.
        """
        for name in names:
            if name not in self.columns:
                raise ValueError(f"there is no column `{name}`")
        places = [self.columns.index(name) for name in names]
        for row in self.rows:
            yield tuple(row.cells[place] for place in places)


def read_table(
    path: Path,
    error: type[WTALError],
    names: Mapping[str, Collection[str]] | None = None,
    numbers: Collection[str] = (),
) -> Table:
    """Read a table whose first row names its columns.

    The file is UTF-8 or UTF-16, with or without a byte-order mark, or else Windows' cp1252. A first line such as
    ``sep=;`` declares the separator; without it, the separator is whichever gives the header the most known columns,
    and otherwise a tab in ``.tsv``, and elsewhere whichever the header has most of: commas, semicolons or tabs. Cells
    may be quoted. Spaces after a separator, blank rows and empty cells beyond the header are dropped, as are comments
    (``#``) and titles above the header.

    Args:
        path: The file.
        error: Type of the errors that are raised.
        names: Canonical names of the columns that the caller knows, each with its synonyms; see
            :func:`~wtal.io.columns.canonical`.
        numbers: Columns of numbers, by canonical name: where commas do not separate, a decimal comma becomes a point.

    Raises:
        WTALError: Of the given type, naming the file and, if there is one, the line: if the file cannot be read or is
            not text, a known column occurs twice, or a row and the header differ in their number of cells.
    """
    path, names = Path(path), names or {}
    text, encoding = read_any_text(path, error)
    separator, rows = _parse(path, text, names, error)
    place = _header_at(rows, names)
    header = _uncommented(rows[place].cells) if rows else ()
    columns = canonical(header[: _filled(header)], names)
    for name in names:
        if columns.count(name) > 1:
            raise error(f"{path} names the column `{name}` twice: keep one of them.")
    below = [row for row in rows[place + 1 :] if not _is_comment(row, columns)]
    _check_widths(path, columns, below, error)
    decimal = [separator != "," and name in numbers for name in columns]
    notes = [f"{path} is not in UTF-8 and was read as Windows' {encoding}."] if encoding == "cp1252" else []
    return Table(path, columns, [Row(line, _cells(cells, decimal)) for line, cells in below], tuple(notes))


def _check_widths(path: Path, columns: Sequence[str], rows: Iterable[Row], error: type[WTALError]) -> None:
    for line, cells in rows:
        if len(cells) != len(columns) and not len(cells) > len(columns) >= _filled(cells):
            raise error(
                f"{path}, line {line}: {len(columns)} columns expected, {len(cells)} found; correct it, or delete "
                "the lines above the header if there are any."
            )


def in_seconds(table: Table, error: type[WTALError]) -> Table:
    """The table with times in seconds, where it has only ``start_ms`` and ``end_ms``, in milliseconds.

    Raises:
        WTALError: Of the given type, if one of them is not a number.
    """
    renamed = {f"{name}_ms": name for name in ("start", "end") if name not in table.columns}
    if not renamed.keys() & set(table.columns):
        return table

    def converted(row: Row) -> Row:
        cells = [
            _of_ms(table.path, row.line, cell, error) if name in renamed else cell
            for name, cell in zip(table.columns, row.cells, strict=True)
        ]
        return Row(row.line, tuple(cells))

    columns = tuple(renamed.get(name, name) for name in table.columns)
    return replace(table, columns=columns, rows=list(map(converted, table.rows)))


def _of_ms(path: Path, line: int, cell: str, error: type[WTALError]) -> str:
    if not cell.strip():
        return ""
    value = seconds(cell) / 1000
    if value != value:
        raise error(f"{path}, line {line}: {brief(cell)} is not a number of milliseconds; correct it.")
    return repr(value)


def _parse(
    path: Path, text: str, names: Mapping[str, Collection[str]], error: type[WTALError]
) -> tuple[str, list[Row]]:
    """Separator, and all rows that are not blank."""
    declared = _DECLARED.match(text)
    above, text = (1, text[declared.end() :]) if declared else (0, text)  # lines above the rows
    separator = declared[1] if declared else _separator(path, text, names)
    return separator, split_rows(path, text, separator, error, above)


def split_rows(path: Path, text: str, separator: str, error: type[WTALError], above: int = 0) -> list[Row]:
    """Split text into the cells of its rows, without blank rows; for programs' files, which have no header.

    Args:
        path: The file, for messages.
        text: Its text, or the end of it.
        separator: The character between cells.
        error: Type of the errors that are raised.
        above: Number of lines above the text.

    Raises:
        WTALError: Of the given type, naming the file and the line, if a cell is far too long.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows, begin = [], above + 1
    try:
        for cells in reader:
            if _filled(cells):
                rows.append(Row(begin, tuple(cells)))
            begin = above + reader.line_num + 1
    except csv.Error as problem:
        raise error(f"{path}, line {above + reader.line_num}: {problem}.") from problem
    return rows


def _separator(path: Path, text: str, names: Mapping[str, Collection[str]]) -> str:
    """The separator that makes most known columns of a header, else the most frequent in the first line."""
    lines = filter(None, map(str.strip, io.StringIO(text, newline="")))
    start = list(islice((re.sub(r'"([^"]*)"', r"\1", line.lstrip("# ")) for line in lines), _HEADER_WITHIN))
    first = re.sub(r'"[^"]*"', "", next(filter(None, map(str.strip, io.StringIO(text, newline=""))), ""))

    def fit(separator: str) -> tuple[int, bool, int]:
        best = max((_known(line.split(separator), names) for line in start), default=0)
        is_usual = path.suffix.lower() == ".tsv" and separator == "\t"
        return best if best > 1 else 0, is_usual, first.count(separator) if separator != "|" else 0

    return max(_SEPARATORS, key=fit)


def _header_at(rows: Sequence[Row], names: Mapping[str, Collection[str]]) -> int:
    """Place of the header: the first row with two known columns, else the first one."""
    counts = [_known(_uncommented(row.cells), names) for row in rows[:_HEADER_WITHIN]]
    if counts and counts[0]:
        return 0
    return next((place for place, count in enumerate(counts) if count > 1), 0)


def _known(cells: Sequence[str], names: Mapping[str, Collection[str]]) -> int:
    """Number of cells that name a known column."""
    return len(set(canonical(cells, names)) & names.keys())


def _uncommented(cells: Sequence[str]) -> tuple[str, ...]:
    """Cells of a header, which ``numpy.savetxt`` writes as a comment."""
    return (cells[0].lstrip("# "), *cells[1:])


def _is_comment(row: Row, columns: Sequence[str]) -> bool:
    return row.cells[0].startswith("#") and _filled(row.cells) < len(columns)


def _cells(cells: Iterable[str], decimal: Sequence[bool]) -> tuple[str, ...]:
    """Cells below a header, with decimal points in the marked columns."""
    return tuple(
        cell.replace(",", ".") if is_decimal and _DECIMAL_COMMA.fullmatch(cell) else cell
        for cell, is_decimal in zip(cells, decimal, strict=False)
    )


def _filled(cells: Sequence[str]) -> int:
    """Number of cells up to the last one that is not empty.

    >>> _filled(["a", "", "b", " ", ""])
    3
    """
    return max((place for place, cell in enumerate(cells, start=1) if cell.strip()), default=0)

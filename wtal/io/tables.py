"""The one reader of tables: CSV and TSV, as scripts and spreadsheets write them, into named columns of text."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wtal.errors import WTALError

__all__ = ["Row", "Table", "read_table"]

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte-order marks
_DECLARED = re.compile(r'"?sep=([,;|\t])"?[,;|\t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)  # a first line for Excel


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
    """

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Row]

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

    The file is UTF-8, with or without a byte-order mark, UTF-16 with one, or else Windows' cp1252. A first line such
    as ``sep=;`` declares the separator; without it, ``.tsv`` is separated by tabs and any other file by whichever
    its header has most of: commas, semicolons or tabs. Cells may be quoted. Spaces after a separator, blank rows and
    empty cells beyond the header are dropped.

    Args:
        path: The file.
        error: Type of the errors that are raised.
        names: Canonical names of the columns that the caller knows, each with its synonyms. A header matches in any
            case, with spaces or hyphens for underscores: ``T-Start`` is ``t_start``. A canonical name takes precedence
            over its synonyms, and earlier synonyms over later ones.
        numbers: Columns of numbers, by canonical name: with semicolons as separators, a decimal comma becomes a point.

    Raises:
        WTALError: Of the given type, naming the file and, if there is one, the line: if the file cannot be read or is
            not text, a known column occurs twice, or a row and the header differ in their number of cells.
    """
    path = Path(path)
    separator, header, rows = _parse(path, _read_text(path, error), error)
    columns = _canonical(header.cells, names or {})
    for name in names or {}:
        if columns.count(name) > 1:
            raise error(f"{path} names the column `{name}` twice: keep one of them.")
    for line, cells in rows:
        if len(cells) != len(columns) and not len(cells) > len(columns) >= _filled(cells):
            raise error(f"{path}, line {line}: {len(columns)} columns expected, {len(cells)} found.")
    decimal = [separator == ";" and name in numbers for name in columns]
    return Table(path, columns, [Row(line, _cells(cells, decimal)) for line, cells in rows])


def _read_text(path: Path, error: type[WTALError]) -> str:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as problem:  # a ValueError for a name that no file can have
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{path} cannot be read: {reason}.") from problem
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    for encoding in [marked] if marked else ["utf-8", "cp1252"]:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "cp1252" or "\0" not in text:  # almost any bytes decode as cp1252, even a workbook's
            return text
    raise error(f'{path} cannot be read as text: save the table as "CSV UTF-8".')


def _parse(path: Path, text: str, error: type[WTALError]) -> tuple[str, Row, list[Row]]:
    """Separator, header and the rows below it."""
    declared = _DECLARED.match(text)
    above, text = (1, text[declared.end() :]) if declared else (0, text)  # lines above the header
    separator = declared[1] if declared else _separator(path, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows, begin = [], above + 1
    try:
        for cells in reader:
            if _filled(cells):
                rows.append(Row(begin, tuple(cells)))
            begin = above + reader.line_num + 1
    except csv.Error as problem:
        raise error(f"{path}, line {above + reader.line_num}: {problem}.") from problem
    return separator, rows[0] if rows else Row(1, ()), rows[1:]


def _separator(path: Path, text: str) -> str:
    """The separator that occurs most often in the header, outside quotes."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = re.sub(r'"[^"]*"', "", next(filter(None, map(str.strip, io.StringIO(text, newline=""))), ""))
    return max(",;\t", key=header.count)


def _cells(cells: Sequence[str], decimal: Sequence[bool]) -> tuple[str, ...]:
    """Cells below a header, with decimal points in the marked columns."""
    return tuple(
        cell.replace(",", ".") if is_decimal else cell for cell, is_decimal in zip(cells, decimal, strict=False)
    )


def _filled(cells: Sequence[str]) -> int:
    """Number of cells up to the last one that is not empty.

    >>> _filled(["a", "", "b", " ", ""])
    3
    """
    return max((place for place, cell in enumerate(cells, start=1) if cell.strip()), default=0)


def _canonical(header: Sequence[str], names: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Names of the columns, canonical for those that the caller knows.

    >>> _canonical(("Video-ID", "Class Name", "Note ", ""), {"video": ("video_id",), "label": ("class_name",)})
    ('video', 'label', 'Note')
    """
    columns = [name.strip() for name in header[: _filled(header)]]
    spelled = [re.sub(r"[\s-]+", "_", name.lower()) for name in columns]
    for ours, others in names.items():
        found = next((name for name in (ours, *others) if name in spelled), None)
        columns = [ours if name == found else column for name, column in zip(spelled, columns, strict=True)]
    return tuple(columns)

"""Tables for the terminal and for files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from wtal.errors import one_line
from wtal.io.files import write_text

__all__ = ["markdown", "percent", "print_table", "save_tables"]


def percent(table: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """Format fractions in percent; NaN becomes empty.

    >>> percent(pd.DataFrame({"0.5": [0.12345, float("nan")]}))["0.5"].tolist()
    ['12.35', '']
    """
    return table.map(lambda value: "" if pd.isna(value) else f"{100 * value:.{digits}f}")


def print_table(table: pd.DataFrame, caption: str, console: Console | None = None) -> None:
    """Print a table of text with its index first, as wide as necessary: no number is cut off."""
    title = Text(one_line(caption))
    shown = Table(box=box.SIMPLE_HEAD, caption=title, caption_justify="left", pad_edge=False)
    shown.add_column(_cell(table.index.name or ""), no_wrap=True)
    for name in table.columns:
        shown.add_column(_cell(name), justify="right", no_wrap=True)
    for row in table.itertuples():
        shown.add_row(*map(_cell, row))
    console = console or Console()
    wide = Console(file=console.file, width=10_000)
    shown.caption = None
    console.width = max(console.width, Measurement.get(wide, wide.options, shown).maximum)
    shown.caption = title
    console.print(shown)


def _cell(value: object) -> Text:
    """A cell as plain text: names from files must not act as rich's markup or as terminal commands."""
    return Text(one_line(str(value)))


def markdown(table: pd.DataFrame) -> str:
    r"""Format a table of text in Markdown, its index first.

    >>> print(markdown(pd.DataFrame({"0.5": ["12.3"]}, index=pd.Index(["a|b"], name="method"))), end="")
    | method | 0.5 |
    | --- | --- |
    | a\|b | 12.3 |
    """
    table = table.reset_index()
    lines = [map(str, table.columns), ["---"] * table.shape[1], *table.to_numpy(str)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def save_tables(
    output: Path,
    records: Sequence[Mapping[str, Any]],
    fractions: pd.DataFrame,
    shown: Sequence[pd.DataFrame],
    caption: str,
    notes: Sequence[str],
) -> None:
    """Write results in the format of a file's extension.

    Args:
        output: The file.
        records: All that is known of each set, in plain values, for ``.json``; one alone is no list.
        fractions: Table of numbers for ``.csv``.
        shown: Tables of text for ``.md``.
        caption: What stands below these.
        notes: Remarks, which come last.
    """
    if output.suffix.lower() == ".json":
        text = json.dumps(records[0] if len(records) == 1 else records, indent=1, ensure_ascii=False)
    elif output.suffix.lower() == ".csv":
        text = fractions.to_csv()
    else:
        text = "\n".join(map(markdown, shown)) + f"\n{caption}\n" + "".join(f"\n- {note}" for note in notes)
    write_text(output, text.rstrip("\n") + "\n")

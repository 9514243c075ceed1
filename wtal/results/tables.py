"""Tables for the terminal and for files."""

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from wtal.errors import one_line

__all__ = ["markdown", "percent", "print_table"]


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

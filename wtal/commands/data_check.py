"""Report which annotations and features are found, missing or mismatched."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from wtal.io.shipped import find_config

if TYPE_CHECKING:
    from wtal.data.inspection import DataReport

__all__ = ["run"]


def run(config: Path, /, also: Sequence[Path] = (), scan: bool = True) -> None:
    """Report which annotations and features are found, missing or mismatched; exit with 2 if no training could run.

    Args:
        config: The configuration given to ``wtal fit``, with its data and its texts.
        also: Further configurations, each merged over the ones before.
        scan: Read all feature values to find NaN.
    """
    from wtal.data.inspection import inspect
    from wtal.training.settings import load_data
    from wtal.training.text_weights import remarks_on_texts

    configs = list(map(find_config, [config, *also]))
    data = load_data(configs)
    report = inspect(data, scan)
    report.remarks += remarks_on_texts(configs, data)
    _show(report)
    if report.problems:
        sys.exit(2)


def _show(report: "DataReport") -> None:
    """Print one row per split and stream, then all problems and remarks."""
    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    for column in ("split", "stream"):
        table.add_column(column)
    for column in ("videos", "missing", "dim", "snippets", "unusable", "off duration", "segments"):
        table.add_column(column, justify="right")
    for split, result in report.splits.items():
        for name, stream in result.streams.items():
            lists = (len(stream.unreadable), len(stream.off_duration))
            numbers = (result.videos, len(stream.missing), stream.dim, stream.rows, *lists, result.instances)
            table.add_row(split, name, *map(str, numbers))
        if not result.streams:
            table.add_row(split, "none", str(result.videos), *"00000", str(result.instances))
    console = Console()
    console.print(table)
    for title, lines in (("Cannot train", report.problems), ("Note", report.remarks)):
        for line in dict.fromkeys(lines):
            console.print(f"{title}: {line}", markup=False, highlight=False, soft_wrap=True)
    if not report.problems:
        console.print("A training can run.")

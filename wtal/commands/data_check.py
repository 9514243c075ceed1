"""``wtal data check``: what is found, missing and mismatched, before anyone waits for a training."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from wtal.data.check import DataReport, StreamReport, inspect
from wtal.training.settings import load_data

__all__ = ["check"]


def check(config: Path, also: Sequence[Path] = (), scan: bool = True) -> None:
    """Say which annotations and features are found, missing or mismatched; leave with code 2 if no training could run.

    Args:
        config: The YAML given to ``wtal fit``; only its ``data`` part is read.
        also: More of them, each merged over what comes before.
        scan: Read every feature value to find NaN.
    """
    report = inspect(load_data([config, *also]), scan)
    _print(report)
    if report.problems:
        sys.exit(2)


def _print(report: DataReport) -> None:
    console = Console()
    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    for column in ("split", "stream"):
        table.add_column(column)
    for column in ("videos", "missing", "dim", "snippets", "unusable", "off duration", "segments"):
        table.add_column(column, justify="right")
    for split, result in report.splits.items():
        instances = str(result.instances)
        for name, stream in result.streams.items() or {"none": StreamReport()}.items():
            counts = (result.videos, len(stream.missing), stream.dim, stream.rows)
            lists = (len(stream.unreadable), len(stream.off_duration))
            table.add_row(split, name, *map(str, (*counts, *lists)), instances)
    console.print(table)
    for title, lines in (("Cannot train", report.problems), ("To know", report.remarks)):
        for line in dict.fromkeys(lines):
            console.print(f"{title}: {line}", markup=False, highlight=False, soft_wrap=True)
    if not report.problems:
        console.print("A training can run.")

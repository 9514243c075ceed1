"""The table of a comparison: mean and deviation over seeds, for terminal, Markdown and CSV."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype
from rich.console import Console

from wtal.errors import PredictionError
from wtal.io.files import write_text
from wtal.io.tables import read_table
from wtal.results.tables import markdown, print_table

__all__ = ["METHOD_NAMES", "print_comparison", "read_comparison", "read_csv", "save_comparison", "summarize"]

METHOD_NAMES = {
    "cbp_warm_up": "CBP, warm-up only",
    "cbp": "CBP alone",
    "vlp_vanilla": "VLP vanilla",
    "vlp": "VLP trained",
    "late_fusion_warm_up": "late fusion, warm-up only",
    "late_fusion": "late fusion",
    "b_only": "B only",
    "f_only": "F only",
    "joint": "B+F jointly",
    "alternation": "alternation",
}
_OTHER = {"false_positive_rate": "FPR", "false_negative_rate": "FNR"}


_TEXT = ("features", "benchmark", "weights")  # columns of comparison.csv, which may be empty
_MOST_COLUMNS = 5000
NUMBERS = ("seed", "mAP_avg", "false_positive_rate", "false_negative_rate", "train_seconds")


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table from the folder of a run: one column per name, of numbers where its cells are numbers.

    Raises:
        PredictionError: If the file is no such table.
    """
    table = read_table(path, PredictionError, {"benchmark": ("protocol",)})  # called protocol before version 0.2
    if len(table.columns) > _MOST_COLUMNS:
        raise PredictionError(f"{path} is no table of a run, as it has {len(table.columns)} columns: delete it.")
    columns = {name: [cell for (cell,) in table.select(name)] for name in table.columns}
    return pd.DataFrame(
        {name: pd.Series(cells, dtype=object) if name in _TEXT else _typed(cells) for name, cells in columns.items()}
    )


def _typed(cells: Sequence[str]) -> pd.Series:
    """Integers, floats or text, whichever all cells are; an empty cell is a missing value."""
    values = pd.Series([cell or None for cell in cells], dtype=object)
    try:
        numbers = values.astype(float)
    except (ValueError, OverflowError):
        return values.infer_objects()
    whole = len(cells) > 0 and all(re.fullmatch(r"[-+]?\d{1,18}", cell) for cell in cells)
    return values.astype(int) if whole else numbers


def read_comparison(path: Path, numbers: Sequence[str] = NUMBERS) -> pd.DataFrame:
    """The table of a comparison, if it has what :func:`save_comparison` writes.

    Args:
        path: The file.
        numbers: Columns of numbers that are needed, the seed and the average among them.

    Raises:
        PredictionError: If it has not.
    """
    table = read_csv(path)
    bad = [name for name in ("method", "features", "benchmark", *numbers) if name not in table]
    mean_aps = [name for name in map(str, table) if name.startswith("mAP@")]
    bad += [name for name in (*numbers, *mean_aps) if name in table and not is_numeric_dtype(table[name])]
    bad += ["seed"] if not bad and not table["seed"].between(0, 2**32).all() else []
    if bad or table.empty:
        raise PredictionError(f"{path} has no good column {(bad or ['method'])[0]!r}: run `wtal compare` anew.")
    table = table.reindex(columns=[*table.columns, *(name for name in _TEXT if name not in table)])
    return table.astype(dict.fromkeys(_TEXT, object)).fillna(dict.fromkeys(_TEXT, ""))


def summarize(table: pd.DataFrame, brief: bool = False) -> pd.DataFrame:
    """One row a method, ready to print: percentages as ``mean`` or ``mean ± sd`` over seeds, seconds as a mean.

    Args:
        table: One row a method and seed, with ``mAP@...`` and the other measures as fractions.
        brief: Give the deviation of the average alone.
    """
    single = [name for name in table.columns if name.startswith("mAP@") and ":" not in name]
    ranges = [name for name in table.columns if name.startswith("mAP@") and ":" in name]
    averages = [name for name in ranges if not _is_whole(name, single)]
    shown = {name: name.removeprefix("mAP@") for name in [*single, *averages]} | {"mAP_avg": "avg"} | _OTHER
    groups = table.groupby("method", sort=False)
    summary = pd.DataFrame(
        {
            title: groups[name].apply(_cell, name == "mAP_avg" or not brief)
            for name, title in shown.items()
            if name in table
        }
    )
    summary["train s"] = groups["train_seconds"].mean().map("{:.0f}".format)
    return summary.rename(index=METHOD_NAMES).rename_axis("method")


def _is_whole(name: str, single: list[str]) -> bool:
    """Whether a range covers all thresholds: its mean is the average already."""
    return name.removeprefix("mAP@") == ":".join(s.removeprefix("mAP@") for s in (single[0], single[-1]))


def _cell(values: pd.Series, deviation: bool) -> str:
    text = f"{100 * values.mean():.1f}"
    return text if len(values) == 1 or not deviation else f"{text} ± {100 * values.std():.1f}"


def caption(table: pd.DataFrame) -> str:
    """What every table must say: features, benchmark, seeds, weights."""
    said = {"features": table["features"], "benchmark": table["benchmark"], "weights": table["weights"]}
    parts = [f"{name}: {', '.join(sorted(set(filter(None, values))))}" for name, values in said.items() if any(values)]
    return "; ".join([*parts, f"seeds: {', '.join(map(str, sorted(set(table['seed']))))}", "last epoch; mAP in %"])


def save_comparison(table: pd.DataFrame, folder: Path) -> None:
    """Write ``comparison.csv`` (all rows, fractions) and ``comparison.md`` (the summary)."""
    write_text(folder / "comparison.csv", table.to_csv(index=False))
    write_text(folder / "comparison.md", f"{markdown(summarize(table))}\n{caption(table)}\n")


def print_comparison(table: pd.DataFrame, console: Console | None = None) -> None:
    """Print the summary with its caption."""
    print_table(summarize(table, brief=True), caption(table), console)

"""The table of a comparison: mean and deviation over seeds, for the terminal, Markdown and CSV."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from pandas.api.types import is_numeric_dtype
from rich.console import Console

from wtal.errors import PredictionError
from wtal.io.files import write_text
from wtal.io.tables import read_table
from wtal.results.tables import markdown, print_table
from wtal.views import WARM_UP_ONLY

__all__ = [
    "METHOD_NAMES",
    "Method",
    "caption",
    "chosen_weights",
    "print_comparison",
    "read_comparison",
    "read_csv",
    "save_comparison",
    "summarize",
]

Method = Literal[
    "cbp_warm_up",
    "cbp",
    "vlp_vanilla",
    "vlp",
    "late_fusion_warm_up",
    "late_fusion_vanilla",
    "late_fusion_best",
    "late_fusion_vanilla_best",
    "late_fusion",
    "b_only",
    "f_only",
    "joint",
    "alternation",
    "alternation_best",
    "student",
    "supervised",
]
METHOD_NAMES = {
    "cbp_warm_up": "CBP, warm-up only",
    "cbp": "CBP alone",
    "vlp_vanilla": "VLP vanilla",
    "vlp": "VLP trained",
    "late_fusion_warm_up": "late fusion, warm-up only",
    "late_fusion_vanilla": "late fusion with VLP vanilla, warm-up only",
    "late_fusion_best": "late fusion at its best weights, warm-up only",
    "late_fusion_vanilla_best": "late fusion with VLP vanilla at its best weights, warm-up only",
    "late_fusion": "late fusion",
    "b_only": "B only",
    "f_only": "F only",
    "joint": "B+F jointly",
    "alternation": "alternation",
    "alternation_best": "alternation at the weights of the best late fusion",
    "student": "student",
    "supervised": "student on true segments (fully supervised)",
}
_OF_FRAMES = {"AUC": "AUC", "AP": "AP", "AUC_abnormal": "AUC of abnormal"}  # where frames are scored, before the mAP
_OTHER = {"false_positive_rate": "FPR", "false_negative_rate": "FNR"}
_ORIGIN = ("features", "benchmark", "annotations", "branches", "weights")
_TEXT = (*_ORIGIN, "chosen")  # text columns of comparison.csv, which may be empty
_MOST_COLUMNS = 5000
NUMBERS = ("seed", "mAP_avg", "false_positive_rate", "false_negative_rate", "train_seconds")


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table from the folder of a run: one column per name, numeric where all cells are numbers.

    Raises:
        PredictionError: If the file is not such a table.
    """
    table = read_table(path, PredictionError, {"benchmark": ("protocol",)})  # called protocol before version 0.2
    if len(table.columns) > _MOST_COLUMNS:
        raise PredictionError(f"{path} is not a table of a run, as it has {len(table.columns)} columns: delete it.")
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
    """Read the table of a comparison, as :func:`save_comparison` writes it.

    Args:
        path: The file.
        numbers: Required numeric columns, including the seed and the average.

    Raises:
        PredictionError: If a column is missing or has values of the wrong kind.
    """
    table = read_csv(path)
    bad = _bad_column(table, numbers)
    if bad:
        raise PredictionError(f"{path} has no valid column {bad!r}: run `wtal compare` again.")
    table = table.reindex(columns=[*table.columns, *(name for name in _TEXT if name not in table)])
    return table.astype(dict.fromkeys(_TEXT, object)).fillna(dict.fromkeys(_TEXT, ""))


def _bad_column(table: pd.DataFrame, numbers: Sequence[str]) -> str | None:
    """The first column of a comparison that is missing or has values of the wrong kind; None if all are good."""
    for name in ("method", "features", "benchmark", *numbers):
        if name not in table:
            return name
    for name in (*numbers, *_columns(table)):
        if not is_numeric_dtype(table[name]):
            return name
    if not table["seed"].between(0, 2**32).all():
        return "seed"
    return "method" if table.empty else None


def _columns(table: pd.DataFrame) -> list[str]:
    """The columns of mAP, at single thresholds and over ranges."""
    return [name for name in map(str, table) if name.startswith("mAP@")]


def summarize(table: pd.DataFrame, brief: bool = False) -> pd.DataFrame:
    """Summarize a comparison, ready to print: percentages as ``mean`` or ``mean ± sd`` over seeds, seconds as a mean.

    Args:
        table: One row per method and seed, with ``mAP@...`` and the other measures as fractions.
        brief: Whether to give the deviation of the average only.

    Returns:
        One row per method.
    """
    groups = table.groupby("method", sort=False)
    summary = pd.DataFrame(
        {
            title: groups[name].apply(_cell, name in ("mAP_avg", *_OF_FRAMES) or not brief)
            for name, title in _shown(table).items()
            if name in table
        }
    )
    if (closed := _gap_closed(groups["mAP_avg"].mean())) is not None:
        summary["gap closed"] = closed
    summary["train s"] = groups["train_seconds"].mean().map("{:.0f}".format)
    return summary.rename(index=_names(table)).rename_axis("method")


def _gap_closed(average: pd.Series) -> pd.Series | None:
    """The student's share, in %, of the gap between its teacher and full supervision; None if one is not there.

    >>> _gap_closed(pd.Series({"alternation": 0.5, "student": 0.6, "supervised": 0.9})).tolist()
    ['', '25', '']
    """
    teacher = next((name for name in ("alternation", "cbp", "vlp") if name in average), None)
    if teacher is None or not {"student", "supervised"} <= set(average.index):
        return None
    gap, gain = average["supervised"] - average[teacher], average["student"] - average[teacher]
    shares = pd.Series("", index=average.index)
    shares["student"] = f"{100 * gain / gap:.0f}" if gap > 0 else "–"  # noqa: RUF001
    return shares


def _names(table: pd.DataFrame) -> dict[str, str]:
    """Names of the methods; those whose training ended within the warm-up say so."""
    names = {method: METHOD_NAMES.get(method, method) for method in table["method"].unique()}
    for method, rows in table.groupby("method", sort=False) if "weights" in table else ():
        ended = rows[rows["weights"].map(lambda weights: WARM_UP_ONLY in str(weights))]
        if len(ended):
            seeds = ", ".join(map(str, sorted(ended["seed"])))
            names[method] += ", warm-up only" + ("" if len(ended) == len(rows) else f" with seed {seeds}")
    return names


def _shown(table: pd.DataFrame) -> dict[str, str]:
    """Columns of a summary and their titles: frames, thresholds, ranges other than that of all, and the rest."""
    columns = _columns(table)
    single = [name for name in columns if ":" not in name]
    ranges = [name for name in columns if ":" in name and not _is_whole(name, single)]
    mean_ap = {name: name.removeprefix("mAP@") for name in [*single, *ranges]}
    return _OF_FRAMES | mean_ap | {"mAP_avg": "avg"} | _OTHER


def _is_whole(name: str, single: list[str]) -> bool:
    """Whether a range covers all thresholds, so that its mean is the average."""
    return name.removeprefix("mAP@") == ":".join(s.removeprefix("mAP@") for s in (single[0], single[-1]))


def _cell(values: pd.Series, deviation: bool) -> str:
    if values.isna().any():  # the mean of the others would be that of fewer seeds
        return "–"  # noqa: RUF001
    text = f"{100 * values.mean():.1f}"
    return text if len(values) == 1 or not deviation else f"{text} ± {100 * values.std():.1f}"


def caption(table: pd.DataFrame) -> str:
    """The caption of a comparison: features, benchmark, annotations, weights, what was chosen, and seeds."""
    texts = {name: sorted(set(filter(None, table[name]))) for name in _ORIGIN if name in table}
    parts = [f"{name}: {', '.join(values)}" for name, values in texts.items() if values]
    if chosen := chosen_weights(table):
        parts.append(f"best weights on held-out training videos: {', '.join(chosen)}")
    every = sorted(set(table["seed"]))
    some = "" if (table.groupby("method")["seed"].nunique() == len(every)).all() else " (not all of them for every row)"
    return "; ".join([*parts, f"seeds: {', '.join(map(str, every))}{some}", "last epoch; mAP in %"])


def chosen_weights(table: pd.DataFrame) -> list[str]:
    """The weights that suited held-out training videos best, with the seed."""
    rows = table[table["chosen"] != ""] if "chosen" in table else table[:0]
    return [f"{row.chosen} ({row.method}, seed {row.seed})" for row in rows.itertuples()]


def save_comparison(table: pd.DataFrame, folder: Path, command: str = "") -> None:
    """Write ``comparison.csv`` (all rows, as fractions) and ``comparison.md`` (the summary, and the command)."""
    write_text(folder / "comparison.csv", table.to_csv(index=False))
    text = f"{markdown(summarize(table))}\n{caption(table)}\n"
    write_text(folder / "comparison.md", text + (f"\n    {command}\n" if command else ""))


def print_comparison(table: pd.DataFrame, console: Console | None = None) -> None:
    """Print the summary with its caption."""
    print_table(summarize(table, brief=True), caption(table), console)

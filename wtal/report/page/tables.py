"""The tables of a page: one row per method, shares in per cent, the best of each column marked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from wtal.report.page.contents import Material
from wtal.report.page.measures import MEASURES, Measured
from wtal.report.style import COMPARED_COLOURS, COMPARED_NAMES
from wtal.results.comparison import summarize

__all__ = [
    "FEWER_IS_BETTER",
    "Row",
    "Table",
    "compared_table",
    "percent",
    "profile_table",
    "results_table",
    "table_of",
]

FEWER_IS_BETTER = {"FPR", "FNR", "false_positive_rate", "false_negative_rate", "background_share", "swallowing"}
_RATES = (
    "FPR: share of the detected time outside the instances. FNR: share of the instances' time that no detection "
    "covers. Both are for the best detections of each class, as many as it has instances. Bold: best of the column."
)


@dataclass(frozen=True)
class Row:
    """One row of a table; each cell is a value, its deviation (or empty), and whether it is the best of its column."""

    name: str
    colour: str
    leading: bool
    cells: list[tuple[str, str, bool]]


@dataclass(frozen=True)
class Table:
    """A table of methods."""

    title: str
    columns: list[str]
    rows: list[Row]
    caption: str


def percent(share: float) -> str:
    """A share in [0, 1] in per cent, a dash for NaN."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}"  # noqa: RUF001


def best_of(values: Sequence[float], less: bool) -> float:
    """The best value of a column; NaN if there are fewer than two."""
    known = [value for value in values if not math.isnan(value)]
    if len(known) < 2:
        return math.nan
    return min(known) if less else max(known)


def table_of(
    title: str,
    columns: Sequence[str],
    shares: Mapping[str, Sequence[float]],
    less: Sequence[bool | None],
    material: Material,
    caption: str,
) -> Table:
    """A table of shares in [0, 1].

    Args:
        title: Title of the first column.
        columns: Titles of the other columns.
        shares: The row of each method, by its name.
        less: For each column whether less is better; None marks no best value.
        material: Contents of the page, for the methods' colours.
        caption: Text below the table.
    """
    methods = {method.name: method for method in material.methods}
    best = [
        math.nan if fewer is None else best_of([row[i] for row in shares.values()], fewer)
        for i, fewer in enumerate(less)
    ]
    rows = [
        Row(
            name,
            methods[name].colour,
            methods[name].leading,
            [(percent(share), "", share == best[i]) for i, share in enumerate(row)],
        )
        for name, row in shares.items()
    ]
    return Table(title, list(columns), rows, caption)


def results_table(material: Material, measured: Mapping[str, Measured], tious: Sequence[float]) -> Table:
    """The mAP by threshold, and the rates of false positives and false negatives."""
    shares = {
        name: [*m.mean_ap.values(), m.average, m.profile.false_positive_rate, m.profile.false_negative_rate]
        for name, m in measured.items()
    }
    columns = [*(f"{tiou:g}" for tiou in tious), "avg", "FPR", "FNR"]
    less = [name in FEWER_IS_BETTER for name in columns]
    return table_of("mAP in % at tIoU", columns, shares, less, material, _RATES)


def profile_table(material: Material, measured: Mapping[str, Measured]) -> Table:
    """The measures of :class:`~wtal.metrics.error_analysis.ErrorProfile` that are shares."""
    shares = {name: [getattr(m.profile, key) for key in MEASURES] for name, m in measured.items()}
    caption = (
        "In %, of the best-scored detections of each class, as many as it has instances. Swallowing: share of "
        "those that cover half of two or more instances."
    )
    less = [key in FEWER_IS_BETTER for key in MEASURES]
    return table_of("Error profile", list(MEASURES.values()), shares, less, material, caption)


def _first_number(cell: object) -> float:
    """The mean in a cell such as ``1.5 ± 0.1``; NaN in an empty one, as not every method has every number."""
    return float(str(cell).split(" ± ")[0] or "nan")


def compared_table(table: pd.DataFrame) -> Table:
    """The table that `wtal compare` prints."""
    summary = summarize(table, brief=True)
    columns = [str(name) for name in summary.columns]
    cells = [[str(cell).split(" ± ") for cell in row] for row in summary.to_numpy()]
    numbers = summary.map(_first_number).to_numpy()
    best = [best_of(list(numbers[:, i]), name in FEWER_IS_BETTER) for i, name in enumerate(columns)]
    rows = []
    for method, name, row, values in zip(table["method"].unique(), summary.index, cells, numbers, strict=True):
        marked = [v == one and column != "train s" for v, one, column in zip(values, best, columns, strict=True)]
        parts = [(cell[0], "".join(cell[1:]), mark) for cell, mark in zip(row, marked, strict=True)]
        colour = COMPARED_COLOURS.get(method, "quiet")
        rows.append(Row(COMPARED_NAMES.get(method, name), colour, method in COMPARED_NAMES, parts))
    caption = f"{_RATES} All deviations are in comparison.csv." if table["seed"].nunique() > 1 else _RATES
    return Table("mAP in % at tIoU", columns, rows, caption)

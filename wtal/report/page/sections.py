"""What stands on a page beside the timelines: key figures, tables and charts."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from wtal.report.comparison import caption, summarize
from wtal.report.page.figures import Chart, Mark, scatter, tiou_chart
from wtal.report.page.material import Material
from wtal.report.page.measures import MEASURES, Measured, measure
from wtal.report.page.training import training_charts

__all__ = ["Bars", "KeyFigure", "Row", "Sections", "Table", "error_tables", "sections"]

_SHARES_OF_TIME = 4  # the measures that tell of time; the table has those that count, too
_FEWER_IS_BETTER = {"FPR", "FNR", "false_positive_rate", "false_negative_rate", "background_share"}
_COMPARED = {"cbp": "CBP alone", "vlp": "VLP alone", "alternation": "collaboration"}
_COLOURS = {"cbp": "cbp", "vlp": "vlp", "late_fusion": "late", "alternation": "fused"}


@dataclass(frozen=True)
class Row:
    """One row of a table: its cells are value, deviation or nothing, and whether it is the best of its column."""

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


@dataclass(frozen=True)
class Bars:
    """One measure of every method: name, colour, whether leading, share in [0, 1]."""

    title: str
    note: str
    rows: list[tuple[str, str, bool, float]]


@dataclass(frozen=True)
class KeyFigure:
    """A method in three numbers, all in [0, 1]."""

    name: str
    colour: str
    average: float
    missed: float
    false: float


@dataclass(frozen=True)
class Sections:
    """All of them, as the template takes them."""

    captions: list[str]
    tious: str
    finding: str
    key_figures: list[KeyFigure]
    results: list[Table]
    tiou: Chart | None
    bars: list[Bars]
    videos: Chart | None
    error_tables: list[Table]
    training: list[tuple[str, list[Chart]]]
    measured: dict[str, Measured] = field(default_factory=dict)


def sections(material: Material, tious: Sequence[float]) -> Sections:
    """Measure the methods and lay out what is said of them."""
    truth, compared = material.truth, material.comparison
    measured = {} if truth is None else {m.name: measure(m, truth, tious) for m in material.methods}
    said = [material.about.caption if compared is None else caption(compared)]
    if truth is not None:
        said.append(f"{len(truth.durations_s)} videos, {len(truth.segments)} instances")
    figures = _key_figures(material, measured)
    return Sections(
        captions=["; ".join(filter(None, said)), *material.notes],
        tious=_span(tious if compared is None else list(_tious_of(compared).values())),
        finding=_finding(figures),
        key_figures=figures,
        results=[_compared(compared)] if compared is not None else _own(material, measured, tious),
        tiou=_tiou_chart(material, measured) if measured and len(tious) > 1 else None,
        bars=_bars(material, measured),
        videos=_scatter(material, measured),
        error_tables=error_tables(material, measured),
        training=[(training.name, training_charts(training)) for training in material.training],
        measured=measured,
    )


def error_tables(material: Material, measured: dict[str, Measured]) -> list[Table]:
    """The tables of the error analysis; each further one is one more entry of this list."""
    if not measured:
        return []
    columns = {name: name.replace("_", " ") for name in MEASURES}
    values = {name: [getattr(m.profile, key) for key in columns] for name, m in measured.items()}
    said = "In %, of the best-scored detections of each class, as many as it has instances; see ErrorProfile."
    return [_table("Error profile", list(MEASURES.values()), values, [*columns], material, said)]


# Tables -------------------------------------------------------------------------------------------------------------


_RATES = (
    "FPR: share of the detected time outside the instances. FNR: share of the instances' time that no detection "
    "covers. Both of the best detections of each class, as many as it has instances. Bold: best of the column."
)


def _own(material: Material, measured: dict[str, Measured], tious: Sequence[float]) -> list[Table]:
    if not measured:
        return []
    values = {
        name: [*m.mean_ap.values(), m.average, m.profile.false_positive_rate, m.profile.false_negative_rate]
        for name, m in measured.items()
    }
    columns = [*(f"{tiou:g}" for tiou in tious), "avg", "FPR", "FNR"]
    return [_table("mAP in % at tIoU", columns, values, columns, material, _RATES)]


def _table(
    title: str, columns: list[str], values: dict[str, list[float]], keys: list[str], material: Material, said: str
) -> Table:
    methods = {method.name: method for method in material.methods}
    best = [_best([row[i] for row in values.values()], key) for i, key in enumerate(keys)]
    rows = [
        Row(
            name,
            methods[name].colour,
            methods[name].leading,
            [(_percent(value), "", value == best[i]) for i, value in enumerate(row)],
        )
        for name, row in values.items()
    ]
    return Table(title, columns, rows, said)


def _best(values: list[float], key: str) -> float:
    known = [value for value in values if not math.isnan(value)]
    if len(known) < 2:
        return math.nan
    return min(known) if key in _FEWER_IS_BETTER else max(known)


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"  # noqa: RUF001


def _compared(table: pd.DataFrame) -> Table:
    """The table of `wtal compare`, as it prints it."""
    summary = summarize(table, brief=True)
    columns = [str(name) for name in summary.columns]
    cells = [[str(cell).split(" ± ") for cell in row] for row in summary.to_numpy()]
    best = [_best([float(row[i][0]) for row in cells], key) for i, key in enumerate(columns)]
    rows = []
    for method, name, row in zip(table["method"].unique(), summary.index, cells, strict=True):
        parts = [
            (cell[0], cell[1] if len(cell) > 1 else "", float(cell[0]) == best[i] and columns[i] != "train s")
            for i, cell in enumerate(row)
        ]
        rows.append(Row(_COMPARED.get(method, name), _COLOURS.get(method, "quiet"), method in _COMPARED, parts))
    return Table("mAP in % at tIoU", columns, rows, f"{_RATES} Deviations are in comparison.csv.")


# Figures ------------------------------------------------------------------------------------------------------------


def _key_figures(material: Material, measured: dict[str, Measured]) -> list[KeyFigure]:
    """Of the leading methods; means over seeds where there are several."""
    figures = []
    for method in material.methods:
        if not method.leading or method.name not in measured:
            continue
        one = measured[method.name]
        numbers = (one.average, one.profile.false_negative_rate, one.profile.false_positive_rate)
        if material.comparison is not None:
            key = next((key for key, name in _COMPARED.items() if name == method.name), "")
            seeds = material.comparison[material.comparison["method"] == key]
            if len(seeds):
                names = ("mAP_avg", "false_negative_rate", "false_positive_rate")
                numbers = tuple(float(seeds[name].mean()) for name in names)  # type: ignore[assignment]
        figures.append(KeyFigure(method.name, method.colour, *numbers))
    return figures[:6]


def _finding(figures: list[KeyFigure]) -> str:
    """The paper's argument on this run, in one sentence of its numbers."""
    found = {figure.colour: figure for figure in figures}
    if len(figures) != 3 or found.keys() != {"cbp", "vlp", "fused"}:
        return ""
    cbp, vlp, both = found["cbp"], found["vlp"], found["fused"]
    return (
        f"{cbp.name} misses {100 * cbp.missed:.0f} % of the action time; {100 * vlp.false:.0f} % of the time that "
        f"{vlp.name} detects is background. The {both.name} misses {100 * both.missed:.0f} % and has "
        f"{100 * both.false:.0f} % background: {100 * (both.average - cbp.average):+.1f} mAP over {cbp.name}, "
        f"{100 * (both.average - vlp.average):+.1f} over {vlp.name}."
    )


def _tiou_chart(material: Material, measured: dict[str, Measured]) -> Chart:
    table = material.comparison
    if table is None:
        return tiou_chart(
            {m.name: (m.colour, m.leading, measured[m.name].mean_ap) for m in material.methods if m.name in measured}
        )
    columns = _tious_of(table)
    means = table.groupby("method", sort=False)[list(columns)].mean()
    names = dict(zip(means.index, summarize(table).index, strict=True))
    return tiou_chart(
        {
            _COMPARED.get(str(method), str(names[method])): (
                _COLOURS.get(str(method), "quiet"),
                method in _COMPARED,
                {columns[str(name)]: float(value) for name, value in row.items()},
            )
            for method, row in means.iterrows()
        }
    )


def _tious_of(table: pd.DataFrame) -> dict[str, float]:
    """Thresholds of a comparison by the name of their column."""
    return {name: float(name[4:]) for name in map(str, table) if re.fullmatch(r"mAP@[\d.]+", name)}


def _span(tious: Sequence[float]) -> str:
    return ":".join(f"{tiou:g}" for tiou in dict.fromkeys((min(tious), max(tious)))) if tious else ""


def _bars(material: Material, measured: dict[str, Measured]) -> list[Bars]:
    return [
        Bars(
            title,
            "less is better" if key in _FEWER_IS_BETTER else "more is better",
            [
                (m.name, m.colour, m.leading, getattr(measured[m.name].profile, key))
                for m in material.methods
                if m.name in measured
            ],
        )
        for key, title in list(MEASURES.items())[:_SHARES_OF_TIME]
        if measured
    ]


def _scatter(material: Material, measured: dict[str, Measured]) -> Chart | None:
    """Each test video as a dot a leading method: how much of its instances is covered, how much is background."""
    if material.truth is None or not measured:
        return None
    rows = {name: row for row, name in enumerate(material.truth.durations_s)}
    leading = [method for method in material.methods if method.leading]
    marks = [
        Mark(
            profile.background_share,
            profile.completeness,
            method.colour,
            rows[video],
            f"{video}, {method.name}: {_percent(profile.completeness)} % complete, "
            f"{_percent(profile.background_share)} % background",
        )
        for method in leading
        for video, profile in measured[method.name].videos.items()
    ]
    names = {method.colour: method.name for method in leading}
    return scatter("Every test video, and the means", "background share, %", "completeness, %", marks, names)

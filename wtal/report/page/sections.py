"""The sections of a page besides the timelines: key figures, tables and charts."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from wtal.io.text import counted
from wtal.metrics.diagnosis import Diagnosis
from wtal.report.page.contents import Material
from wtal.report.page.diagnosis import KIND_COLOURS, Stack, diagnoses, diagnosis_tables, missed_chart, stacks
from wtal.report.page.exchanges import exchange_charts, exchange_table, wall_table
from wtal.report.page.figures import Chart, Mark, scatter, tiou_chart
from wtal.report.page.frames import areas_under_roc, frame_tables
from wtal.report.page.measures import MEASURES, Measured, measure
from wtal.report.page.stream import stream_charts
from wtal.report.page.tables import FEWER_IS_BETTER, Table, compared_table, percent, profile_table, results_table
from wtal.report.page.training import legend, training_charts
from wtal.report.style import COMPARED_COLOURS, COMPARED_NAMES, PAGE_NAMES
from wtal.results.comparison import caption, summarize

__all__ = ["Bars", "KeyFigure", "Sections", "error_tables", "sections"]

_SHARES_OF_TIME = 4  # the first measures are shares of time, drawn as bars; the table has the counting ones too


@dataclass(frozen=True)
class Bars:
    """One measure of all methods; a row is name, colour, whether it is leading, and the share in [0, 1]."""

    title: str
    note: str
    rows: list[tuple[str, str, bool, float]]


@dataclass(frozen=True)
class KeyFigure:
    """A method in three numbers, all in [0, 1]."""

    name: str
    colour: str
    score: float
    missed: float
    false: float
    measure: str  # what the score is


@dataclass(frozen=True)
class Sections:
    """All sections, as the template takes them."""

    captions: list[str]
    finding: str
    key_figures: list[KeyFigure]
    results: list[Table]
    tiou: Chart | None
    bars: list[Bars]
    stacks: list[Stack]
    kinds: list[tuple[str, str]]
    videos: Chart | None
    missed: Chart | None
    error_tables: list[Table]
    training: list[tuple[str, list[Chart], str]]  # name, charts, and what the shades mean
    exchanged: list[tuple[str, list[Chart], Table]]
    walls: Table | None
    followed: list[tuple[str, list[Chart]]]
    measured: dict[str, Measured] = field(default_factory=dict)


def sections(material: Material, tious: Sequence[float]) -> Sections:
    """Measure the methods and prepare all sections."""
    truth, compared = material.truth, material.comparison
    measured = {} if truth is None else {m.name: measure(m, truth, tious) for m in material.methods}
    parts = [material.about.caption if compared is None else caption(compared)]
    if truth is not None:
        parts.append(f"{counted(len(truth.video_ids), 'video')}, {counted(len(truth.segments), 'instance')}")
    figures, diagnosed = _key_figures(material, measured, tious), diagnoses(material)
    return Sections(
        captions=["; ".join(filter(None, parts)), *material.notes],
        finding=_finding(figures),
        key_figures=figures,
        results=_results(material, measured, tious),
        tiou=_tiou_chart(material, measured) if measured and len(tious) > 1 else None,
        bars=_bars(material, measured),
        stacks=stacks(material, diagnosed),
        kinds=list(KIND_COLOURS.items()),
        videos=_scatter(material, measured),
        missed=missed_chart(material, diagnosed),
        error_tables=error_tables(material, measured, diagnosed),
        training=[(one.name, training_charts(one), legend(one)) for one in material.training],
        exchanged=[(one.name, exchange_charts(one), exchange_table(one)) for one in material.exchanged],
        walls=wall_table(material.walls),
        followed=[(one.name, stream_charts(one.record, one.views)) for one in material.followed],
        measured=measured,
    )


def _results(material: Material, measured: dict[str, Measured], tious: Sequence[float]) -> list[Table]:
    if material.comparison is not None:
        return [compared_table(material.comparison)]
    frames = frame_tables(material) if material.about.task == "anomaly" else []
    return [*frames, results_table(material, measured, tious)] if measured else []


def error_tables(material: Material, measured: dict[str, Measured], diagnosed: dict[str, Diagnosis]) -> list[Table]:
    """The tables of the error analysis."""
    return [profile_table(material, measured), *diagnosis_tables(material, diagnosed)] if measured else []


def _key_figures(material: Material, measured: dict[str, Measured], tious: Sequence[float]) -> list[KeyFigure]:
    """Key figures of the leading methods; means over the seeds of a comparison."""
    table, of_frames = material.comparison, material.about.task == "anomaly"
    span = _span(tious if table is None else list(_tious_of(table).values()))
    measure = "AUC" if of_frames else f"mAP {span}".strip()
    areas = areas_under_roc(material) if of_frames else {}
    figures = []
    for method in material.methods:
        if method.leading and method.name in measured:
            one = measured[method.name]
            score = areas.get(method.name, math.nan) if of_frames else one.average
            numbers = (score, one.profile.false_negative_rate, one.profile.false_positive_rate)
            if table is not None:
                numbers = _over_seeds(table, method.name, "AUC" if of_frames else "mAP_avg") or numbers
            figures.append(KeyFigure(method.name, method.colour, *numbers, measure))
    return figures[:6]


def _over_seeds(table: pd.DataFrame, name: str, score: str) -> tuple[float, float, float] | None:
    """Means of a method of a comparison: its score, and the rates of what it misses and of false time."""
    key = next((key for key, known in COMPARED_NAMES.items() if known == name), "")
    seeds = table[table["method"] == key]
    if not len(seeds):
        return None
    missed, false = seeds["false_negative_rate"].mean(), seeds["false_positive_rate"].mean()
    return float(seeds[score].mean()), float(missed), float(false)


def _finding(figures: list[KeyFigure]) -> str:
    """The paper's argument, in one sentence with the numbers of this run."""
    found = {figure.colour: figure for figure in figures if figure.colour in PAGE_NAMES}
    if found.keys() != PAGE_NAMES.keys():
        return ""
    first, second, both = (found[source] for source in PAGE_NAMES)
    if any(math.isnan(number) for one in (first, second, both) for number in (one.score, one.missed, one.false)):
        return ""
    return (
        f"{first.name} misses {100 * first.missed:.0f} % of the action time; {100 * second.false:.0f} % of the time "
        f"that {second.name} detects is background. The {both.name} misses {100 * both.missed:.0f} % and has "
        f"{100 * both.false:.0f} % background: {100 * (both.score - first.score):+.1f} {both.measure.split()[0]} over "
        f"{first.name}, {100 * (both.score - second.score):+.1f} over {second.name}."
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
            COMPARED_NAMES.get(str(method), str(names[method])): (
                COMPARED_COLOURS.get(str(method), "quiet"),
                method in COMPARED_NAMES,
                {columns[str(name)]: float(value) for name, value in row.items()},
            )
            for method, row in means.iterrows()
        }
    )


def _tious_of(table: pd.DataFrame) -> dict[str, float]:
    """Thresholds of a comparison, by the names of their columns."""
    return {name: float(name[4:]) for name in map(str, table) if re.fullmatch(r"mAP@[\d.]+", name)}


def _span(tious: Sequence[float]) -> str:
    return ":".join(f"{tiou:g}" for tiou in dict.fromkeys((min(tious), max(tious)))) if tious else ""


def _bars(material: Material, measured: dict[str, Measured]) -> list[Bars]:
    return [
        Bars(
            title,
            "less is better" if key in FEWER_IS_BETTER else "more is better",
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
    """One dot per test video and leading method: how much of its instances is covered, how much is background."""
    if material.truth is None or not measured:
        return None
    leading = [method for method in material.methods if method.leading]
    marks = [
        Mark(
            profile.background_share,
            profile.completeness,
            method.colour,
            material.truth.rows[video],
            f"{video}, {method.name}: {percent(profile.completeness)} % complete, "
            f"{percent(profile.background_share)} % background",
        )
        for method in leading
        for video, profile in measured[method.name].videos.items()
    ]
    names = {method.colour: method.name for method in leading}
    return scatter("Every test video, and the means", "background share, %", "completeness, %", marks, names)

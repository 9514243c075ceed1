"""Figures of an error analysis, for print."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wtal.io.extras import from_extra
from wtal.metrics.diagnosis import KINDS
from wtal.report.style import colour_of

with from_extra("report"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

if TYPE_CHECKING:
    from wtal.results.analysis import Analysis

__all__ = ["figures_of"]

# In the order of the kinds; green for true detections.
_KIND_COLOURS = ("#009e73", "#f0e442", "#cc79a7", "#56b4e9", "#e69f00", "#999999")
_PROFILE = {
    "false_positive_rate": "detected time\noutside instances",
    "false_negative_rate": "instances' time\nundetected",
    "completeness": "completeness",
    "background_share": "background in\na detection",
    "swallowing": "detections that\nswallow instances",
}
_NAMES = {"coverage": "coverage", "length": "length", "instances": "instances in the video"}


def figures_of(analysis: "Analysis") -> dict[str, Figure]:
    """Draw the figures ``false_positives``, ``gains``, ``false_negatives``, ``sensitivity`` and ``completeness``."""
    return {
        "false_positives": _false_positives(analysis),
        "gains": _gains(analysis),
        "false_negatives": _by_characteristic(analysis, analysis.false_negatives, "rate", "missed instances (%)"),
        "sensitivity": _by_characteristic(analysis, analysis.sensitivity, "mAP_N", "mAP$_N$ (%)"),
        "completeness": _completeness(analysis),
    }


def _false_positives(analysis: "Analysis") -> Figure:
    """One panel per method: the kinds of the detections of each cut, stacked."""
    methods = analysis.methods
    figure = Figure(figsize=(1.2 + 2.6 * len(methods), 3.2), layout="constrained")
    axes = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for axis, method in zip(axes, methods, strict=True):
        mine = analysis.false_positives[analysis.false_positives["method"] == method]
        shares = (
            mine.pivot(index="cut", columns="kind", values="share").loc[mine["cut"].unique(), list(KINDS)].fillna(0)
        )
        bottom = np.zeros(len(shares))
        for kind, colour in zip(KINDS, _KIND_COLOURS, strict=True):
            axis.bar(shares.index, 100 * shares[kind], bottom=bottom, color=colour, width=0.85, label=kind)
            bottom += 100 * shares[kind].to_numpy()
        axis.set(title=method, xlabel="best detections", ylim=(0, 100))
        axis.tick_params(axis="x", labelsize=8)
        _plain(axis)
    axes[0].set_ylabel("detections (%)")
    _legend(figure, axes[0])
    return figure


def _gains(analysis: "Analysis") -> Figure:
    table = analysis.gains.pivot(index="kind", columns="method", values="gain")
    return _bars(analysis, 100 * table.loc[list(KINDS[1:])], "gain of mAP$_N$ without it (%)", list(KINDS[1:]))


def _completeness(analysis: "Analysis") -> Figure:
    table = 100 * analysis.summary.set_index("method")[list(_PROFILE)].T
    return _bars(analysis, table, "%", list(_PROFILE.values()))


def _bars(analysis: "Analysis", table: pd.DataFrame, label: str, ticks: list[str]) -> Figure:
    """Groups of bars, one bar per method."""
    figure = Figure(figsize=(1.6 * len(table) + 0.8, 2.8), layout="constrained")
    axis = figure.subplots()
    _grouped(axis, table[analysis.methods], label, ticks)
    _legend(figure, axis)
    return figure


def _by_characteristic(analysis: "Analysis", table: pd.DataFrame, value: str, label: str) -> Figure:
    """One panel per characteristic, bars by bin and method; dashed lines show the value over all instances.

    Panels lie side by side for one or two methods, otherwise one below the other.
    """
    shown = [name for name in _NAMES if name in set(table["characteristic"])]
    counts = [table.loc[table["characteristic"] == name, "bin"].nunique() for name in shown]
    if len(analysis.methods) <= 2:
        figure = Figure(figsize=(1.0 + 0.75 * sum(counts), 3.1), layout="constrained")
        axes = figure.subplots(1, len(shown), sharey=True, squeeze=False, width_ratios=counts).ravel()
    else:
        figure = Figure(
            figsize=(1.5 + 0.4 * len(analysis.methods) * max(counts), 2.3 * len(shown)), layout="constrained"
        )
        axes = figure.subplots(len(shown), 1, sharey=True, squeeze=False).ravel()
    whole = table[table["characteristic"] == "all"].set_index("method")[value]
    for axis, name in zip(axes, shown, strict=True):
        mine = table[table["characteristic"] == name]
        wide = mine.pivot_table(index="bin", columns="method", values=value, sort=False)[analysis.methods]
        bins = mine.drop_duplicates("bin")
        ticks = [f"{row.range}\n({row.instances})" for row in bins[["range", "instances"]].itertuples()]
        _grouped(axis, 100 * wide, "", ticks)
        for place, method in enumerate(analysis.methods):
            axis.axhline(100 * whole[method], color=colour_of(method, place), linewidth=0.8, linestyle="--", zorder=0)
        axis.set_title(_NAMES[name], fontsize=10)
    figure.supylabel(label, fontsize=10)
    _legend(figure, axes[0])
    return figure


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=3 if len(labels) == len(KINDS) else len(labels),
            frameon=False,
            fontsize=9,
        )


def _grouped(axis: Axes, table: pd.DataFrame, label: str, ticks: list[str]) -> None:
    width = 0.8 / table.shape[1]
    size = 7 if table.shape[1] * len(table) <= 24 else 5.5
    for place, method in enumerate(table.columns):
        at = np.arange(len(table)) + (place - (table.shape[1] - 1) / 2) * width
        bars = axis.bar(at, table[method], width * 0.92, color=colour_of(str(method), place), label=method)
        halo = withStroke(linewidth=1.5, foreground="white")  # the dashed lines cross the numbers
        axis.bar_label(bars, fmt="%.1f", fontsize=size, padding=1, path_effects=[halo])
    axis.set_xticks(np.arange(len(table)), ticks, fontsize=8)
    axis.set_ylabel(label)
    axis.margins(y=0.12)
    _plain(axis)


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", linewidth=0.4, alpha=0.5)
    axis.set_axisbelow(True)

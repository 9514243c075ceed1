"""Figures for papers, drawn from arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from wtal.errors import ConfigError
from wtal.io.extras import from_extra
from wtal.report.style import SOURCE_COLOURS, shown

with from_extra("report"):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from wtal.localization.scored import VideoScores

__all__ = [
    "Chart",
    "Line",
    "Panel",
    "Track",
    "curves_figure",
    "panel_of",
    "panel_of_both",
    "qualitative_figure",
    "rendered",
]

Floats = NDArray[np.float64]
_LABEL_COLOURS = {1: "#444444", 0: "#d8d8d8"}  # an ignored snippet stays white


@dataclass(frozen=True)
class Track:
    """Scores and detections of one source for one class in one video.

    Args:
        source: Name of the source, which gives the name and the colour where those are empty.
        curve: Score of each snippet in [0, 1], ``(T,)``.
        segments: Detections, best first, ``(N, 2)`` seconds.
        labels: Pseudo-labels that it learned from, ``(T,)`` of 1, 0 and -1; None draws none.
        name: Name in the margin.
        colour: Colour of the curve, in any form that matplotlib takes.
    """

    source: str
    curve: Floats
    segments: Floats
    labels: NDArray[np.int8] | None = None
    name: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Panel:
    """One class in one video.

    Args:
        title: Title above the panel.
        times_s: Centres of the snippets, ``(T,)`` seconds.
        duration_s: Duration of the video.
        truth: Instances of the class, ``(M, 2)`` seconds; no rows if they are unknown.
        tracks: One track per source, from top to bottom.
    """

    title: str
    times_s: Floats
    duration_s: float
    truth: Floats
    tracks: Sequence[Track]


def panel_of(
    scores: "VideoScores",
    detections: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
    label: str | None = None,
    taught: Mapping[str, ArrayLike] | None = None,
) -> Panel:
    """Make the panel of one class of a scored video.

    Args:
        scores: Scores of the video.
        detections: Table ``source, video_id, label, start_s, end_s``, for each source best first; by default the
            detections of the model's own localizer.
        truth: Table ``video_id, label, start_s, end_s`` of this and other videos; None draws no ground truth.
        label: The class; by default the most frequent in the ground truth or, without one, the most probable.
        taught: Pseudo-labels by source, ``(T,)`` each.

    Raises:
        ConfigError: If the label is not a class.
    """
    name, spans = scores.video.video_id, ["start_s", "end_s"]
    true = None if truth is None else truth[truth["video_id"] == name]
    if label is None:
        likely = scores.class_names[int(list(scores.sources.values())[-1].video.argmax())]
        label = likely if true is None or true.empty else str(true["label"].mode()[0])
    if label not in scores.class_names:
        raise ConfigError(
            f"{label!r} is not one of the {len(scores.class_names)} classes: {', '.join(scores.class_names)}."
        )
    tracks = []
    for place, source in enumerate(scores.sources):
        if detections is None:
            found = scores.detections(source)
            mine = found.label == list(scores.class_names).index(label)
            segments = np.stack([found.start_s[mine].numpy(), found.end_s[mine].numpy()], axis=1)
        else:
            of = (detections["source"] == source) & (detections["video_id"] == name) & (detections["label"] == label)
            segments = detections.loc[of, spans].to_numpy(float)
        labels = np.asarray(taught[source], np.int8) if taught and source in taught else None
        style = shown(source, place, scores.views)
        tracks.append(Track(source, scores.curve(source, label), segments, labels, *style))
    instances = np.empty((0, 2)) if true is None else true.loc[true["label"] == label, spans].to_numpy(float)
    return Panel(f"{name}: {label}", scores.times_s, scores.video.duration_s, instances, tracks)


def panel_of_both(ours: "VideoScores", apart: "VideoScores", truth: pd.DataFrame | None, label: str | None) -> Panel:
    """Make the panel of one class: the branches of another run, each marked as alone, above the fusion of this run.

    Args:
        ours: Scores of the run whose fusion is shown.
        apart: Scores of the run whose branches are shown, for the same video.
        truth: Ground truth; see :func:`panel_of`.
        label: The class; see :func:`panel_of`.
    """
    panel = panel_of(ours, truth=truth, label=label)
    shown = panel.title.removeprefix(f"{ours.video.video_id}: ")
    tracks = panel_of(apart, truth=truth, label=shown).tracks
    branches = tracks[:-1] if len(tracks) > 1 else tracks  # the last of several is their fusion
    alone = [replace(track, name=f"{track.name} alone") for track in branches]
    return replace(panel, tracks=[*alone, panel.tracks[-1]])


def qualitative_figure(panels: Sequence[Panel], caption: str = "", width: float = 9.0) -> Figure:
    """Draw the curve of each source over time, its detections below, and the ground truth shaded behind them.

    The best detections of each source are drawn, as many as there are instances, or five if these are unknown.
    Pseudo-labels are a strip at the bottom of a track: dark for foreground, light for background.

    Args:
        panels: Panels, drawn one below the other.
        caption: Text below all panels.
        width: Width in inches.
    """
    heights = [0.55 + 0.3 * bool(len(panel.truth)) + 0.75 * len(panel.tracks) for panel in panels]
    figure = Figure(figsize=(width, sum(heights) + 0.25 * bool(caption)), layout="constrained")
    parts = figure.subfigures(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, panel in zip(parts, panels, strict=True):
        _draw_panel(part, panel)
    if caption:
        figure.supxlabel(caption, fontsize="small", color="#555555")
    return figure


def _draw_panel(part: "SubFigure", panel: Panel) -> None:
    known = len(panel.truth) > 0
    heights = [0.35] * known + [1.0] * len(panel.tracks)
    axes = part.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    if known:
        axes[0].set(ylim=(0, 1))
        _name(axes[0], "ground truth")
        for start_s, end_s in panel.truth:
            axes[0].axvspan(start_s, end_s, 0.1, 0.7, color=SOURCE_COLOURS["truth"], linewidth=0)
    for axis, track in zip(axes[known:], panel.tracks, strict=True):
        _draw_track(axis, track, panel)
    for axis in axes:
        axis.set(xlim=(0, panel.duration_s), yticks=[])
        axis.spines[["top", "right", "left"]].set_visible(False)
    for axis in axes[:-1]:
        axis.tick_params(bottom=False)
    axes[-1].set_xlabel("seconds")
    part.suptitle(panel.title, fontsize="medium")


def _draw_track(axis: "Axes", track: Track, panel: Panel) -> None:
    title, colour = shown(track.source, 0)
    title, colour = track.name or title, track.colour or colour
    for start_s, end_s in panel.truth:
        axis.axvspan(start_s, end_s, color="#000000", alpha=0.08, linewidth=0)
    axis.fill_between(panel.times_s, track.curve, step="mid", color=colour, alpha=0.35, linewidth=0)
    axis.step(panel.times_s, track.curve, where="mid", color=colour, linewidth=0.9)
    for start_s, end_s in track.segments[: len(panel.truth) or 5]:
        axis.plot([start_s, end_s], [-0.15, -0.15], color=colour, linewidth=5, solid_capstyle="butt")
    axis.set_ylim(-0.3 if track.labels is None else -0.5, 1.0)
    if track.labels is not None:
        half = (panel.times_s[1] - panel.times_s[0]) / 2 if len(panel.times_s) > 1 else panel.duration_s / 2
        edges = np.r_[0, np.flatnonzero(np.diff(track.labels)) + 1, len(track.labels)]
        first, last = panel.times_s[edges[:-1]] - half, panel.times_s[edges[1:] - 1] + half
        for label, fill in _LABEL_COLOURS.items():
            of_kind = track.labels[edges[:-1]] == label
            spans = np.column_stack([first, last - first])[of_kind]
            axis.broken_barh([(start, width) for start, width in spans], (-0.48, 0.14), facecolor=fill, linewidth=0)
    _name(axis, title)


def _name(axis: "Axes", text: str) -> None:
    axis.set_ylabel(text, rotation=0, ha="right", va="center")


def rendered(figure: Figure, dpi: int = 100) -> NDArray[np.uint8]:
    """Render a figure as an image, ``(H, W, 3)``."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(dpi)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        name: Name in the legend; empty for none.
        x: Positions, ``(K,)``.
        values: Values of ``R`` runs, ``(R, K)``: their mean is drawn, with a band from the smallest to the largest.
        colour: A colour of matplotlib.
        dashed: Whether the line is dashed.
    """

    name: str
    x: Floats
    values: Floats
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """One pair of axes.

    Args:
        title: Title above the axes.
        x_label: Name of the x axis.
        y_label: Name of the y axis, in %.
        lines: The curves, as fractions.
        marks: Values of x in use, with the colours of the vertical lines that mark them.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()


def curves_figure(charts: Sequence[Chart], caption: str = "", width: float = 3.6) -> Figure:
    """Draw charts side by side.

    Args:
        charts: Charts from left to right.
        caption: Text below all charts.
        width: Width of each chart in inches.
    """
    figure = Figure(figsize=(width * len(charts), 3.6), layout="constrained")
    axes = figure.subplots(1, len(charts), squeeze=False)[0]
    for axis, chart in zip(axes, charts, strict=True):
        for line in chart.lines:
            values = 100 * np.atleast_2d(line.values)
            style = "--" if line.dashed else "-"
            axis.plot(line.x, values.mean(axis=0), style, color=line.colour, label=line.name or None, linewidth=1.5)
            if len(values) > 1:
                low, high = values.min(axis=0), values.max(axis=0)
                axis.fill_between(line.x, low, high, color=line.colour, alpha=0.18, linewidth=0)
        for value, colour in chart.marks:
            axis.axvline(value, color=colour, linewidth=0.8, linestyle=":")
        axis.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label, ylim=(0, 100))
        axis.title.set_fontsize("medium")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    if caption:
        figure.supxlabel(caption, fontsize="small", color="#555555")
    return figure

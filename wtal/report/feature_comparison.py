"""The figure of ``wtal data compare``: where rows meet, and how well, in every video."""

from typing import TYPE_CHECKING

import numpy as np

from wtal.data.agreement import arrange, similarities
from wtal.io.extras import from_extra
from wtal.report.style import PALETTE

with from_extra("report"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

if TYPE_CHECKING:
    from wtal.data.feature_comparison import FeatureComparison

__all__ = ["comparison_figure"]

_MOST_NAMES = 12  # videos that are named below their bars


def comparison_figure(comparison: "FeatureComparison") -> Figure:
    """Draw lengths and cosines by video, and first, if the rows have the same width, where those of one video meet."""
    meets = comparison.arrangement is not None
    figure = Figure(figsize=(10.5 if meets else 7.5, 3.4), layout="constrained")
    *first, lengths, cosines = figure.subplots(1, 2 + meets, width_ratios=(1, 1, 1.4)[1 - meets :])
    for axis in first:
        _rows(axis, comparison)
    _lengths(lengths, comparison)
    _cosines(cosines, comparison)
    for axis in (lengths, cosines):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _rows(axis: Axes, comparison: "FeatureComparison") -> None:
    """Centred cosines of all rows of the longest video whose widths agree, and the line on which they meet."""
    known = {name: one for name, one in comparison.videos.items() if not np.isnan(one.cosine)}
    name = max(known, key=lambda video: sum(known[video].lengths))
    alignment, a, b = comparison.videos[name].alignment, comparison.a.rows(name), comparison.b.rows(name)
    axis.set(xlabel="row of A", ylabel="row of B")
    axis.set_title(f"{name}: cosine of centred rows", fontsize=10)
    arranged = arrange(a, b, comparison.arrangement) if comparison.arrangement else None
    assert arranged is not None
    similar = similarities(*arranged)
    extent = (-0.5, len(a) - 0.5, -0.5, len(b) - 0.5)
    shown = axis.imshow(similar.T, "RdBu_r", vmin=-1, vmax=1, origin="lower", aspect="auto", extent=extent)
    ends = np.array([0, len(a) - 1])
    axis.plot(ends, alignment.rate * ends + alignment.offset, color="black", lw=0.8, ls="--")
    axis.set(xlim=extent[:2], ylim=extent[2:])
    assert axis.figure is not None
    axis.figure.colorbar(shown, ax=axis, shrink=0.85)


def _lengths(axis: Axes, comparison: "FeatureComparison") -> None:
    lengths = np.array([one.lengths for one in comparison.videos.values()])
    most = lengths.max() * 1.05
    axis.plot([0, most], [0, most], color="#999999", lw=0.8)
    axis.scatter(lengths[:, 0], lengths[:, 1], s=14, color=PALETTE[0], alpha=0.8, linewidths=0)
    axis.set(xlabel="rows of A", ylabel="rows of B", xlim=(0, most), ylim=(0, most))
    axis.set_title("lengths; the line is equality", fontsize=10)


def _cosines(axis: Axes, comparison: "FeatureComparison") -> None:
    """Marks by video: plain cosines as they are, then aligned, then the centred cosine of both halves."""
    names, series = list(comparison.videos), _series(comparison)
    marks = ("o", "s", "^", "v")
    for place, (label, values) in enumerate(series.items()):
        beside = np.arange(len(names)) + 0.15 * (place - (len(series) - 1) / 2)  # equal values stay visible
        axis.plot(beside, values, marks[place], ms=4, color=PALETTE[(5, 0, 1, 2)[place]], label=label)
    lowest = np.nanmin([0.0, *np.ravel(list(series.values()))])
    axis.set(ylim=(lowest - 0.3, 1.05), xlim=(-0.5, len(names) - 0.5))  # with room for the legend
    few = len(names) <= _MOST_NAMES
    axis.set_xticks(range(len(names)) if few else [], names if few else [], rotation=60, ha="right", fontsize=7)
    axis.set_xlabel("" if few else f"{len(names)} videos")
    meets = comparison.arrangement is not None
    axis.set_title("cosine by video (median of rows)" if meets else "likeness of structure, by video", fontsize=10)
    axis.legend(fontsize=7, frameon=False, loc="lower left", ncols=2, bbox_to_anchor=(0, -0.02))


def _series(comparison: "FeatureComparison") -> dict[str, list[float]]:
    videos = list(comparison.videos.values())
    if comparison.arrangement is None:
        return {"correlation of similarities": [one.structure for one in videos]}
    return {
        "as they are": [one.as_they_are for one in videos],
        "brought together": [one.cosine for one in videos],
        "first half, centred": [one.halves[0] for one in videos],
        "second half, centred": [one.halves[1] for one in videos],
    }

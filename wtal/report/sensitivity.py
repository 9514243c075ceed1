"""The figure that shows how results depend on thresholds."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from wtal.report.figures import Chart, Line, curves_figure
from wtal.report.style import shown
from wtal.results.sensitivity import CutCurve, TeacherCurve
from wtal.views import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["sensitivity_figure"]

_SYMBOLS = {"foreground": "δ$_h$", "background": "δ$_l$"}


def sensitivity_figure(
    cuts: Sequence[CutCurve], teachers: Sequence[TeacherCurve], caption: str, views: Sequence[View] = ()
) -> "Figure":
    """Draw charts side by side: the localizer's threshold, then those of each kind of pseudo-label.

    Args:
        cuts: One curve per source.
        teachers: One curve per teacher and kind of label, in the order of the kinds; none for a branch alone.
        caption: Text below the charts.
        views: How the model declares its sources.
    """
    kinds = [list(curves) for _, curves in groupby(teachers, attrgetter("kind"))]
    return curves_figure([_cut_chart(cuts, views), *(_teacher_chart(curves, views) for curves in kinds)], caption)


def _cut_chart(curves: Sequence[CutCurve], views: Sequence[View]) -> Chart:
    lines = []
    for place, curve in enumerate(curves):
        name, colour = shown(curve.source, place, views)
        lines.append(Line(name, curve.cuts, curve.values, colour))
        lines.append(Line("", curve.cuts[[0, -1]], np.stack([curve.own] * 2, axis=1), colour, dashed=True))
    return Chart("One cut of the localizer (dashed: all its cuts)", "threshold", "mean mAP in %", lines)


def _teacher_chart(curves: Sequence[TeacherCurve], views: Sequence[View]) -> Chart:
    lines, marks = [], []
    for place, curve in enumerate(curves):
        title, colour = shown(curve.teacher, place, views)
        lines.append(Line(f"{title}: correct", curve.thresholds, curve.right, colour))
        lines.append(Line(f"{title}: share of all", curve.thresholds, curve.share, colour, dashed=True))
        marks.append((curve.used, colour))
    kind = curves[0].kind
    return Chart(f"Pseudo-labels: {kind} (dotted: used)", _SYMBOLS[kind], "snippets in %", lines, marks)

"""Figures and pages, drawn from tables and arrays, without a model."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.report.analysis_figures import figures_of
    from wtal.report.figures import Chart, Line, Panel, Track, curves_figure, panel_of, qualitative_figure
    from wtal.report.live_page import LiveView
    from wtal.report.sensitivity import sensitivity_figure
    from wtal.report.style import save_figure
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "Chart",
    "Line",
    "LiveView",
    "Panel",
    "Track",
    "curves_figure",
    "figures_of",
    "panel_of",
    "qualitative_figure",
    "save_figure",
    "sensitivity_figure",
]

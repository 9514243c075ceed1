"""Charts of a training on videos that keep coming: tests before learning, what is forgotten, and how many there are."""

from collections.abc import Sequence

from wtal.report.page.figures import Chart, Line, line_chart
from wtal.report.style import page_colour, page_name
from wtal.results.stream import StreamRecord
from wtal.views import View

__all__ = ["stream_charts"]


def stream_charts(record: StreamRecord, views: Sequence[View]) -> list[Chart]:
    """The charts, over epochs counted from 1.

    Args:
        record: The record of the stream.
        views: Views of its sources.
    """
    before = [_line(record, source, measure, views) for source in record.sources for measure in ("faded", "mAP")]
    lost = [_line(record, source, "forgetting", views) for source in record.sources]
    titles = ("mAP in new videos before they are learned from, in %", "Forgetting of earlier videos, in % of mAP")
    found = [[line for line in lines if line.points] for lines in (before, lost)]
    charts = [
        line_chart(title, lines, "epoch", percent=True) for title, lines in zip(titles, found, strict=True) if lines
    ]
    counts = [
        Line("have come", [(one.epoch + 1.0, float(one.seen)) for one in record.epochs], "ink", True),
        Line("trained on", [(one.epoch + 1.0, float(one.trained_on)) for one in record.epochs], "fused", True),
        Line("classes", [(one.epoch + 1.0, float(one.classes)) for one in record.epochs]),
    ]
    return [*charts, line_chart("Videos and classes", counts, "epoch")]


def _line(record: StreamRecord, source: str, measure: str, views: Sequence[View]) -> Line:
    """A measure of a source; that of single epochs is thin and has no name."""
    key, is_strong = f"{source}/{measure}", measure != "mAP"
    points = [(one.epoch + 1.0, one.measures[key]) for one in record.epochs if key in one.measures]
    places = [view.name for view in views]
    place = places.index(source) if source in places else record.sources.index(source)
    name = page_name(source, views) if is_strong else ""
    return Line(name, points, page_colour(source, place, views), is_strong)

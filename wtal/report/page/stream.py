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
    title = "mAP in new videos before they are learned from, in %"
    before = [
        line
        for source in record.sources
        for line in (
            _line(record, source, "faded", views, page_name(source, views), True),
            _line(record, source, "mAP", views, "", False),
        )
    ]
    lost = [_line(record, source, "forgetting", views, page_name(source, views), True) for source in record.sources]
    charts = []
    if any(line.points for line in before):
        charts.append(line_chart(title, [line for line in before if line.points], "epoch", percent=True))
    if any(line.points for line in lost):
        lines = [line for line in lost if line.points]
        charts.append(line_chart("Forgetting of earlier videos, in % of mAP", lines, "epoch", percent=True))
    counts = [
        Line("have come", [(one.epoch + 1.0, float(one.seen)) for one in record.epochs], "ink", True),
        Line("trained on", [(one.epoch + 1.0, float(one.trained_on)) for one in record.epochs], "fused", True),
        Line("classes", [(one.epoch + 1.0, float(one.classes)) for one in record.epochs]),
    ]
    return [*charts, line_chart("Videos and classes", counts, "epoch")]


def _line(record: StreamRecord, source: str, measure: str, views: Sequence[View], name: str, strong: bool) -> Line:
    key = f"{source}/{measure}"
    points = [(one.epoch + 1.0, one.measures[key]) for one in record.epochs if key in one.measures]
    places = [view.name for view in views]
    place = places.index(source) if source in places else record.sources.index(source)
    return Line(name, points, page_colour(source, place, views), strong)

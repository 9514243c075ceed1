"""Geometry of the page's charts: plain numbers that the template turns into SVG."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from statistics import fmean

__all__ = ["Band", "Chart", "Line", "Mark", "line_chart", "scatter", "tiou_chart"]

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

_WIDTH, _HEIGHT = 400.0, 224.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 92.0, 22.0, 26.0
_LABEL_STEP = 12.5  # smallest distance between the names at the ends of lines


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Args:
        name: Name, shown at its end.
        points: Points in data units; NaN leaves a gap.
        colour: Name of one of the page's colours.
        strong: Whether it is emphasized.
    """

    name: str
    points: Sequence[Point]
    colour: str = "quiet"
    strong: bool = False


@dataclass(frozen=True)
class Band:
    """A shaded range of the x axis with a letter above it."""

    start: float
    end: float
    letter: str
    colour: str


@dataclass(frozen=True)
class Centre:
    """The mean of some dots, with its name beside it."""

    x: float
    y: float
    colour: str
    name: str


@dataclass(frozen=True)
class Mark:
    """A dot that opens a video, given by its position in the page's list."""

    x: float
    y: float
    colour: str
    video: int
    text: str


@dataclass(frozen=True)
class Path:
    """A line as SVG paths: its runs of points, the bridges over the gaps between them, and its isolated points."""

    line: Line
    runs: str
    bridges: str
    alone: list[Point]


@dataclass(frozen=True)
class Chart:
    """What the template draws, in the units of a box of ``width`` times ``height``."""

    title: str
    x_title: str
    y_title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    box: Box  # the plotting area
    bands: list[Band] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    labels: list[tuple[Line, float, float, float]] = field(default_factory=list)  # line, its end, height of its name
    marks: list[Mark] = field(default_factory=list)
    centres: list[tuple[Centre, float]] = field(default_factory=list)  # and the height of its name
    width: float = _WIDTH
    height: float = _HEIGHT

    @property
    def text(self) -> str:
        """A description for readers who cannot see the chart."""
        ends = "; ".join(f"{path.line.name} ends at {_end(path.line)[1]:.3g}" for path in self.paths)
        return f"{self.title}. {ends}" if ends else self.title


def _bounded(value: float) -> float:
    """Keep a number so small that differences and quotients of two such numbers stay finite."""
    return min(max(value, -1e15), 1e15)


class _Scale:
    """Linear map from data units to positions: ``low`` lies at ``start``, ``high`` at ``end``."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        low, high = map(_bounded, (low, high))
        least = max(1.0, abs(low))
        self.low, self.high = low, high if high - low > 1e-9 * least else low + least
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return round(self.start + (_bounded(value) - self.low) / (self.high - self.low) * (self.end - self.start), 2)

    def ticks(self, count: int, whole: bool = False) -> list[float]:
        """About ``count`` round numbers.

        >>> _Scale(0, 26, 0, 100).ticks(4)
        [0.0, 10.0, 20.0]
        """
        rough = (self.high - self.low) / max(1, count)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next((m * power for m in (1, 2, 5, 10) if m * power >= 0.8 * rough), 10 * power)
        step = max(1.0, step) if whole else step
        first = math.ceil(self.low / step - 1e-9)
        return [round(i * step, 10) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_title: str = "",
    y_range: tuple[float, float] | None = None,
    x_range: tuple[float, float] | None = None,
    shaded: Sequence[Band] = (),
    x_ticks: Mapping[float, str] | None = None,
    percent: bool = False,
) -> Chart:
    """Draw lines in one chart, each named at its end.

    Args:
        title: Title of the chart.
        lines: Lines in data units.
        x_title: Name of the x axis.
        y_range: Smallest and largest value; None takes zero and the largest value.
        x_range: Smallest and largest x; None takes those of the points.
        shaded: Shaded ranges of the x axis.
        x_ticks: Positions and texts of the ticks; None for round numbers.
        percent: Whether the y axis is labelled in per cent.
    """
    box = (_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM)
    x, y = _scales(lines, box, x_range, y_range)
    return Chart(
        title,
        x_title,
        "",
        [(x(tick), text) for tick, text in (x_ticks or {t: f"{t:g}" for t in x.ticks(6, whole=True)}).items()],
        [(y(tick), f"{100 * tick:g}" if percent else f"{tick:g}") for tick in y.ticks(4)],
        box,
        [Band(x(band.start), x(band.end), band.letter, band.colour) for band in shaded],
        [_path(line, x, y) for line in lines],
        _labels(lines, x, y, box),
    )


def _scales(
    lines: Sequence[Line], box: Box, x_range: tuple[float, float] | None, y_range: tuple[float, float] | None
) -> tuple[_Scale, _Scale]:
    """The scales of the axes; without given ranges they hold all points."""
    points = [point for line in lines for point in line.points if not math.isnan(point[1])]
    xs, ys = x_range or [x for x, _ in points], [y for _, y in points]
    low, high = y_range or (min([0.0, *ys]), max(ys, default=1.0) * 1.04)
    x = _Scale(min(xs, default=0.0), max(xs, default=1.0), box[0], box[2])
    return x, _Scale(low, high, box[3], box[1])


def _labels(lines: Sequence[Line], x: _Scale, y: _Scale, box: Box) -> list[tuple[Line, float, float, float]]:
    """Each line that has a point, with its end and the height of its name."""
    ends = [(line, *_end(line)) for line in lines]
    return _spread([(line, x(at), y(value)) for line, at, value in ends if not math.isnan(value)], box[1], box[3] - 7)


def _path(line: Line, x: _Scale, y: _Scale) -> Path:
    runs = [[(x(at), y(value)) for at, value in run] for run in _runs(line.points)]
    bridges = [[before[-1], after[0]] for before, after in pairwise(runs)]
    alone = [run[0] for run in runs if len(run) == 1]
    return Path(line, _svg(run for run in runs if len(run) > 1), _svg(bridges), alone)


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The points between gaps."""
    groups = groupby(points, key=lambda point: math.isnan(point[1]))
    return [list(run) for is_gap, run in groups if not is_gap]


def _svg(runs: Iterable[Sequence[Point]]) -> str:
    return "".join("M" + "L".join(f"{a:g} {b:g}" for a, b in run) for run in runs)


def _end(line: Line) -> Point:
    return next((point for point in reversed(line.points) if not math.isnan(point[1])), (math.nan, math.nan))


def _spread(ends: list[tuple[Line, float, float]], top: float, bottom: float) -> list[tuple[Line, float, float, float]]:
    """Add the heights of the names, moved apart where they would overlap."""
    ends = sorted(ends, key=lambda end: end[2])
    heights: list[float] = []
    for _, _, y in ends:
        heights.append(max(y, heights[-1] + _LABEL_STEP if heights else top))
    floor = bottom
    for i in reversed(range(len(heights))):
        heights[i] = min(heights[i], floor)
        floor = heights[i] - _LABEL_STEP
    return [(line, x, y, round(height, 2)) for (line, x, y), height in zip(ends, heights, strict=True)]


def scatter(title: str, x_title: str, y_title: str, marks: Sequence[Mark], names: Mapping[str, str]) -> Chart:
    """Draw dots at shares in [0, 1], and the mean of the dots of each colour.

    Args:
        title: Title of the chart.
        x_title: Name of the x axis.
        y_title: Name of the y axis.
        marks: The dots; those with NaN are left out.
        names: Name of each colour, shown at the mean of its dots.
    """
    width, height = 400.0, 330.0
    box = (_LEFT + 6, 26.0, width - 10, height - 36)
    x, y = _Scale(0, 1, box[0], box[2]), _Scale(0, 1, box[3], box[1])
    marks = [mark for mark in marks if not math.isnan(mark.x + mark.y)]
    ticks = [(value, f"{100 * value:g}") for value in (0, 0.25, 0.5, 0.75, 1)]
    return Chart(
        title,
        x_title,
        y_title,
        [(x(value), text) for value, text in ticks],
        [(y(value), text) for value, text in ticks],
        box,
        marks=[replace(mark, x=x(mark.x), y=y(mark.y)) for mark in marks],
        centres=_centres(marks, names, x, y, box),
        width=width,
        height=height,
    )


def _centres(
    marks: Sequence[Mark], names: Mapping[str, str], x: _Scale, y: _Scale, box: Box
) -> list[tuple[Centre, float]]:
    """The mean of the dots of each colour that has any, and the height of its name."""
    ends = []
    for colour, name in names.items():
        mine = [mark for mark in marks if mark.colour == colour]
        if mine:
            ends.append((Line(name, [], colour), x(fmean(m.x for m in mine)), y(fmean(m.y for m in mine))))
    spread = _spread(ends, box[1], box[3])
    return [(Centre(at, above, line.colour, line.name), height) for line, at, above, height in spread]


def tiou_chart(means: Mapping[str, tuple[str, bool, Mapping[float, float]]]) -> Chart:
    """Draw the mAP of each method over the threshold of temporal IoU.

    Args:
        means: For each method its colour, whether it is a leading one, and its mAP in [0, 1] by threshold.
    """
    lines = [Line(name, list(values.items()), colour, strong) for name, (colour, strong, values) in means.items()]
    ticks = {tiou: f"{tiou:g}" for tiou in sorted({tiou for line in lines for tiou, _ in line.points})}
    return line_chart("mAP in % over temporal IoU", lines, x_ticks=ticks, percent=True)

"""Geometry of the page's charts: plain numbers that the template turns into SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import fmean

__all__ = ["Band", "Chart", "Line", "Mark", "line_chart", "scatter", "tiou_chart"]

Point = tuple[float, float]

_WIDTH, _HEIGHT = 400.0, 224.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 92.0, 22.0, 26.0
_LABEL_STEP = 12.5  # least distance of the names at the ends of lines


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Args:
        name: Stands at its end.
        points: In data units; a gap where the number is NaN.
        colour: Name of a colour of the page.
        strong: Whether it is what the reader should look at.
    """

    name: str
    points: Sequence[Point]
    colour: str = "quiet"
    strong: bool = False


@dataclass(frozen=True)
class Band:
    """A stretch of the x axis with a letter above it."""

    start: float
    end: float
    letter: str
    colour: str


@dataclass(frozen=True)
class Centre:
    """A mean of dots, named beside it."""

    x: float
    y: float
    colour: str
    name: str


@dataclass(frozen=True)
class Mark:
    """A dot that opens a video, which is named by its place on the page."""

    x: float
    y: float
    colour: str
    video: int
    text: str


@dataclass(frozen=True)
class Path:
    """A line as SVG paths: its runs of points, what bridges the gaps between them, and points without a neighbour."""

    line: Line
    runs: str
    bridges: str
    alone: list[Point]


@dataclass(frozen=True)
class Chart:
    """What the template draws, in the units of a box of ``width`` and ``height``."""

    title: str
    x_title: str
    y_title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    box: tuple[float, float, float, float]  # left, top, right, bottom of the plotting area
    bands: list[Band] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    labels: list[tuple[Line, float, float, float]] = field(default_factory=list)  # line, its end, height of its name
    marks: list[Mark] = field(default_factory=list)
    centres: list[tuple[Centre, float]] = field(default_factory=list)  # and the height of its name
    width: float = _WIDTH
    height: float = _HEIGHT

    @property
    def text(self) -> str:
        """What it shows, for those who cannot see it."""
        said = "; ".join(f"{path.line.name} ends at {_end(path.line)[1]:.3g}" for path in self.paths)
        return f"{self.title}. {said}" if said else self.title


def _near(value: float) -> float:
    """No number so large that differences and quotients of two such ones are none."""
    return min(max(value, -1e15), 1e15)


class _Scale:
    """Data units to places: linear, from ``low`` at ``start`` to ``high`` at ``end``."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        low, high = map(_near, (low, high))
        least = max(1.0, abs(low))
        self.low, self.high = low, high if high - low > 1e-9 * least else low + least
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return round(self.start + (_near(value) - self.low) / (self.high - self.low) * (self.end - self.start), 2)

    def ticks(self, count: int, whole: bool = False) -> list[float]:
        """Round numbers, about ``count`` of them.

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
    """Lines over one another, each named at its end.

    Args:
        title: Of the chart.
        lines: In data units.
        x_title: Name of the x axis.
        y_range: Least and largest value; None takes zero and the largest one.
        x_range: The same of x; None for those of the points.
        shaded: Stretches of the x axis.
        x_ticks: Where, and what stands there; None for round numbers.
        percent: Write the y axis in per cent.
    """
    box = (_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM)
    finite = [point for line in lines for point in line.points if not math.isnan(point[1])]
    xs = [x for x, _ in finite] if x_range is None else list(x_range)
    low, high = y_range or (min(0.0, *(y for _, y in finite), 0.0), max((y for _, y in finite), default=1.0) * 1.04)
    x = _Scale(min(xs, default=0.0), max(xs, default=1.0), box[0], box[2])
    y = _Scale(low, high, box[3], box[1])
    paths = [_path(line, x, y) for line in lines]
    ends = [(line, *_end(line)) for line in lines]
    labels = _spread([(line, x(at), y(value)) for line, at, value in ends if not math.isnan(value)], box[1], box[3] - 7)
    return Chart(
        title,
        x_title,
        "",
        [(x(tick), text) for tick, text in (x_ticks or {t: f"{t:g}" for t in x.ticks(6, whole=True)}).items()],
        [(y(tick), f"{100 * tick:g}" if percent else f"{tick:g}") for tick in y.ticks(4)],
        box,
        [Band(x(band.start), x(band.end), band.letter, band.colour) for band in shaded],
        paths,
        labels,
    )


def _path(line: Line, x: _Scale, y: _Scale) -> Path:
    runs: list[list[Point]] = [[]]
    for at, value in line.points:
        if not math.isnan(value):
            runs[-1].append((x(at), y(value)))
        elif runs[-1]:
            runs.append([])
    runs = [run for run in runs if run]
    bridges = [[before[-1], after[0]] for before, after in pairwise(runs)]
    whole, gaps = (
        "".join("M" + "L".join(f"{a:g} {b:g}" for a, b in run) for run in some if len(run) > 1)
        for some in (runs, bridges)
    )
    return Path(line, whole, gaps, [run[0] for run in runs if len(run) == 1])


def _end(line: Line) -> Point:
    return next((point for point in reversed(line.points) if not math.isnan(point[1])), (math.nan, math.nan))


def _spread(ends: list[tuple[Line, float, float]], top: float, bottom: float) -> list[tuple[Line, float, float, float]]:
    """Heights of the names, moved apart where they would overlap."""
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
    """Dots at shares in [0, 1], and the mean of those of one colour.

    Args:
        title: Of the chart.
        x_title: Name of the x axis.
        y_title: Name of the y axis.
        marks: The dots; those with NaN are left out.
        names: Of each colour, which stands at its mean.
    """
    width, height = 400.0, 330.0
    box = (_LEFT + 6, 26.0, width - 10, height - 36)
    x, y = _Scale(0, 1, box[0], box[2]), _Scale(0, 1, box[3], box[1])
    marks = [mark for mark in marks if not math.isnan(mark.x + mark.y)]
    centres = []
    for colour, name in names.items():
        mine = [mark for mark in marks if mark.colour == colour]
        if mine:
            at = fmean(mark.x for mark in mine), fmean(mark.y for mark in mine)
            centres.append((Line(name, [], colour), x(at[0]), y(at[1])))
    placed = [(Centre(at, above, line.colour, line.name), h) for line, at, above, h in _spread(centres, *box[1::2])]
    ticks = [(value, f"{100 * value:g}") for value in (0, 0.25, 0.5, 0.75, 1)]
    return Chart(
        title,
        x_title,
        y_title,
        [(x(value), text) for value, text in ticks],
        [(y(value), text) for value, text in ticks],
        box,
        marks=[replace(mark, x=x(mark.x), y=y(mark.y)) for mark in marks],
        centres=placed,
        width=width,
        height=height,
    )


def tiou_chart(means: Mapping[str, tuple[str, bool, Mapping[float, float]]]) -> Chart:
    """The mAP of each method over the threshold of temporal IoU.

    Args:
        means: By name: colour, whether it is a leading one, and mAP in [0, 1] by threshold.
    """
    lines = [Line(name, list(values.items()), colour, strong) for name, (colour, strong, values) in means.items()]
    ticks = {tiou: f"{tiou:g}" for tiou in sorted({tiou for line in lines for tiou, _ in line.points})}
    return line_chart("mAP in % over temporal IoU", lines, x_ticks=ticks, percent=True)

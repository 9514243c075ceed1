import math
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtal.report.page.contents import Training
from wtal.report.page.figures import Line, Mark, line_chart, scatter
from wtal.report.page.material import gather
from wtal.report.page.training import bands, training_charts

NAN = math.nan


def test_points_are_placed_and_gaps_are_bridged():
    line = Line("a", [(0, 0.0), (1, 1.0), (2, NAN), (3, 0.5), (4, NAN), (5, 0.5), (6, 0.5)])
    chart = line_chart("t", [line], y_range=(0, 1))
    left, top, right, bottom = chart.box
    (path,) = chart.paths
    assert chart.box == (34, 22, 308, 198)
    assert path.runs == "M34 198L79.67 22M262.33 110L308 110"
    assert path.alone == [((left + right) / 2, (top + bottom) / 2)]
    assert path.bridges.count("M") == 2
    assert chart.text == "t. a ends at 0.5"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_names_at_the_ends_do_not_overlap(ends):
    chart = line_chart("t", [Line(str(i), [(0, y), (1, y)]) for i, y in enumerate(ends)], y_range=(0, 1))
    heights = sorted(height for *_, height in chart.labels)
    assert len(heights) == len(ends)
    assert all(b - a >= 12 for a, b in pairwise(heights))
    assert heights[-1] <= chart.box[3]


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0, NAN)],
        [(0, 0.0)],
        [(2, 5.0), (2, 5.0)],
        *([(x, 1e17)] for x in (0, 1e17)),
        [(0, 1e308), (1, -1e308)],
        [(0, -1.7e308)],
        [(0, 5e-324)],
    ],
)
def test_little_or_extreme_data_makes_a_chart_too(points):
    chart = line_chart("t", [Line("a", points)])
    assert all(math.isfinite(place) for place, _ in [*chart.x_ticks, *chart.y_ticks])
    assert not any(word in path.runs for path in chart.paths for word in ("nan", "inf"))


def epochs(letters: str) -> pd.DataFrame:
    """W, B, F, J as they are logged."""
    students = {"W": (), "B": ("vlp",), "F": ("cbp",), "J": ("cbp", "vlp")}
    rows = [
        {f"pseudo_labels/{s}/ignored": 0.5 for s in students[letter]} | {"train/cbp/loss": 1.0} for letter in letters
    ]
    return pd.DataFrame(rows, columns=["pseudo_labels/cbp/ignored", "pseudo_labels/vlp/ignored", "train/cbp/loss"])


def test_turns_are_read_from_the_log():
    found = bands(Training("run", epochs("WWBBFJB")))
    assert [(band.letter, band.start, band.end) for band in found] == [
        ("warm-up", 0.5, 2.5),
        ("B", 2.5, 4.5),
        ("F", 4.5, 5.5),
        ("J", 5.5, 6.5),
        ("B", 6.5, 7.5),
    ]
    assert [band.letter for band in bands(Training("run", epochs("BF"), exchange=True))] == ["F", "B"]
    assert bands(Training("run", epochs("WW"))) == []


def test_every_curve_of_a_training_is_drawn(made):
    (training,) = gather([made.folder]).training
    charts = {chart.title: [path.line.name for path in chart.paths] for chart in training_charts(training)}
    assert charts == {
        "Losses of CBP": ["loss", "mil"],
        "Losses of VLP": ["loss"],
        "What VLP teaches CBP: snippets in %": ["foreground", "background", "ignored"],
        "What CBP teaches VLP: snippets in %": ["foreground", "background", "ignored"],
        "Snippets that both teachers label, labelled alike, in %": ["agreement"],
    }


def test_a_mean_stands_among_its_dots():
    marks = [Mark(x, y, "cbp", 0, "") for x, y in ((0.0, 0.0), (1.0, 0.5), (NAN, 1.0))]
    chart = scatter("t", "x", "y", marks, {"cbp": "CBP", "vlp": "VLP"})
    left, top, right, bottom = chart.box
    assert len(chart.marks) == 2
    ((centre, _),) = chart.centres
    assert (centre.x, centre.y) == pytest.approx(((left + right) / 2, bottom - (bottom - top) / 4))

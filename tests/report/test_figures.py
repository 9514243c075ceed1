from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from wtal.errors import ConfigError
from wtal.report.figures import Chart, Line, Panel, Track, curves_figure, qualitative_figure, rendered
from wtal.report.style import SOURCE_COLOURS, save_figure

TIMES = np.arange(10) + 0.5
SEGMENTS = np.array([[1.0, 3.0], [5.0, 8.0], [2.0, 9.0]])


def panel(truth: int = 2, labels: np.ndarray | None = None) -> Panel:
    tracks = [Track(source, np.linspace(0, 1, 10), SEGMENTS, labels) for source in ("cbp", "vlp", "fused")]
    return Panel(
        "a video", TIMES, 10.0, SEGMENTS[:truth], [*tracks, Track("other", np.zeros(10), SEGMENTS[:0], name="x")]
    )


def bars(figure: Figure, axis: int) -> list[tuple[float, float]]:
    lines = figure.subfigs[0].axes[axis].lines
    return [tuple(line.get_xdata()) for line in lines if len(line.get_xdata()) == 2]


def test_one_row_per_source_and_one_for_the_ground_truth():
    figure = qualitative_figure([panel()], caption="what it was made on")
    axes = figure.subfigs[0].axes
    assert [axis.get_ylabel() for axis in axes] == ["ground truth", "CBP", "VLP", "ours", "x"]
    assert [(p.get_x(), p.get_width()) for p in axes[0].patches] == [(1, 2), (5, 3)]
    assert all(axis.get_xlim() == (0, 10) for axis in axes)
    assert figure.get_supxlabel() == "what it was made on"
    assert axes[1].lines[0].get_color() == SOURCE_COLOURS["cbp"]


def test_the_best_detections_are_drawn_as_many_as_instances():
    assert bars(qualitative_figure([panel()]), 2) == [(1, 3), (5, 8)]
    unknown = qualitative_figure([panel(truth=0)])
    assert [axis.get_ylabel() for axis in unknown.subfigs[0].axes][:2] == ["CBP", "VLP"]
    assert bars(unknown, 1) == [(1, 3), (5, 8), (2, 9)]  # up to five


def test_pseudo_labels_are_drawn_at_their_times():
    labels = np.array([0, 0, -1, 1, 1, 1, -1, -1, 0, 0], np.int8)
    (axis, *_) = qualitative_figure([panel(truth=0, labels=labels)]).subfigs[0].axes
    foreground, background = axis.collections[1:]  # the first is the area below the curve
    spans = [
        [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in strip.get_paths()]
        for strip in (foreground, background)
    ]
    assert spans == [[(3, 6)], [(0, 2), (8, 10)]]


def test_several_videos_lie_below_each_other():
    one, two = qualitative_figure([panel()]), qualitative_figure([panel(), panel(truth=0)])
    assert len(two.subfigs) == 2
    assert two.get_figheight() > 1.8 * one.get_figheight()


def test_runs_become_a_mean_and_a_band():
    x = np.array([0.1, 0.5, 0.9])
    lines = [
        Line("CBP", x, np.array([[0.2, 0.4, 0.6], [0.4, 0.6, 0.8]]), "#0072b2"),
        Line("", x, np.array([[0.5, 0.5, 0.5]]), "#0072b2", dashed=True),
    ]
    (axis,) = curves_figure([Chart("a title", "threshold", "in %", lines, [(0.3, "#0072b2")])]).axes
    np.testing.assert_allclose(axis.lines[0].get_ydata(), [30, 50, 70])
    assert len(axis.collections) == 1  # one run has no band
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((20, 80))
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["CBP"]
    assert axis.lines[2].get_xdata()[0] == 0.3


def test_a_figure_becomes_an_image_or_a_file(tmp_path: Path):
    figure = qualitative_figure([panel()])
    image = rendered(figure, dpi=50)
    assert image.shape == (round(figure.get_figheight() * 50), 450, 3)
    assert image.dtype == np.uint8
    assert 100 < image.mean() < 255
    for suffix, magic in ((".pdf", b"%PDF"), (".png", b"\x89PNG"), (".svg", b"<?xml")):
        save_figure(figure, tmp_path / "new" / f"a{suffix}")
        assert (tmp_path / "new" / f"a{suffix}").read_bytes().startswith(magic)
    with pytest.raises(ConfigError, match=r"must end in .pdf, .png or .svg"):
        save_figure(figure, tmp_path / "a.gif")
    assert len(list((tmp_path / "new").iterdir())) == 3

import numpy as np
import pandas as pd
import pytest

from wtal.commands.main import main
from wtal.data.drawn_points import draw_points
from wtal.data.points import read_points

COLUMNS = ["video_id", "label", "start_s", "end_s"]


@pytest.mark.parametrize(("distribution", "deviation"), [("uniform", 12**-0.5), ("gaussian", 1 / 6)])
def test_one_point_is_drawn_inside_each_segment(distribution, deviation):
    segments = pd.DataFrame([("v", "run", 10.0 * i, 10.0 * i + 4) for i in range(4000)], columns=COLUMNS)
    points = draw_points(segments, distribution)
    share = (points["time_s"].to_numpy() - segments["start_s"].to_numpy()) / 4
    assert ((share > 0) & (share < 1)).all()
    assert share.mean() == pytest.approx(0.5, abs=0.02)
    assert share.std() == pytest.approx(deviation, rel=0.05)
    assert not np.array_equal(points["time_s"], draw_points(segments, distribution, seed=1)["time_s"])


def test_a_segment_without_a_length_has_no_inside():
    segments = pd.DataFrame([("v", "run", 1.0, 1.0), ("v", "jump", 2.0, 3.0)], columns=COLUMNS)
    assert draw_points(segments)["label"].tolist() == ["jump"]


def test_the_command_says_that_it_used_segments(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gt.csv").write_text(
        "video,label,start,end,subset\na,run,1,3,train\nb,run,2,5,test\na,jump,7,8,train\n"
    )
    assert main(["points", "gt.csv", "--output", "points.csv", "--subset", "train", "--distribution", "gaussian"]) == 0
    assert "points.csv: 2 points in 1 video." in capsys.readouterr().out
    found = read_points(tmp_path / "points.csv")
    assert found.origin == "drawn from the segments of gt.csv (gaussian, seed 0)"
    assert found.table["label"].tolist() == ["jump", "run"] or found.table["label"].tolist() == ["run", "jump"]
    (tmp_path / "labels.csv").write_text("video,label\na,run\n")
    assert main(["points", "labels.csv", "--output", "other.csv"]) == 2
    assert "labels.csv has no segments to draw points from" in capsys.readouterr().err

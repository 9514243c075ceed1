"""Tables for sed_scores_eval here; what it makes of them only where it is installed."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wtal.commands.main import main
from wtal.errors import PredictionError
from wtal.results.events import Collar, curves, event_f1, psds, staircases
from wtal.results.ground_truth import GroundTruth, write_ground_truth
from wtal.results.predictions import write_table
from wtal.results.run_folder import RunFolder
from wtal.results.scores import TestScores, VideoGrids, write_scores
from wtal.types import TimeGrid, Video

CLASSES = ["wren", "owl"]
COLUMNS = ["video_id", "label", "start_s", "end_s", "score"]


def truth_of(rows, durations_s):
    names = tuple(durations_s)
    segments = np.array([(names.index(v), CLASSES.index(c), a, b) for v, c, a, b in rows], float).reshape(-1, 4)
    return GroundTruth(Path("gt"), "all", names, tuple(CLASSES), np.array([*durations_s.values()]), segments)


def test_curves_cover_each_recording_from_its_start_to_its_end():
    grids = VideoGrids(["a", "b"], np.array([3, 2]), np.array([0.5, -0.25]), np.array([1.0, 0.5]), np.array([4.0, 0.6]))
    probability = np.array([[0.5, 1], [0.25, 0], [1, 0.5], [1, 0], [0, 1]])
    scores = TestScores(grids, ["owl", "wren"], probability, np.array([1, 0.5, 1, 0.5, 0.25]), np.zeros((2, 2)))
    found = curves(scores, CLASSES, {"a": 4.0, "b": 0.6})
    assert found["a"].to_numpy().tolist() == [
        [0.0, 0.5, 0.0, 0.0],
        [0.5, 1.5, 1.0, 0.5],
        [1.5, 2.5, 0.0, 0.125],
        [2.5, 3.5, 0.5, 1.0],
        [3.5, 4.0, 0.0, 0.0],
    ]
    assert found["b"].to_numpy().tolist() == [[0.0, 0.25, 0.0, 0.5], [0.25, 0.6, 0.25, 0.0]]
    assert list(found["a"].columns) == ["onset", "offset", "wren", "owl"]
    with pytest.raises(PredictionError, match="no 'lark'"):
        curves(scores, ["lark"], {"a": 4.0})
    with pytest.raises(PredictionError, match="no 'c'"):
        curves(scores, CLASSES, {"c": 4.0})


def test_detections_become_steps():
    rows = [("a", "wren", 1, 2, 0.9), ("a", "wren", 2, 2.5, 0.4), ("a", "owl", -1, 1.5, 0.3), ("a", "dog", 0, 9, 1)]
    found = staircases(pd.DataFrame(rows, columns=COLUMNS), CLASSES, {"a": 3.0, "silent": 1.0})
    on = {name: [(row.onset, row.offset) for row in found["a"].itertuples() if getattr(row, name)] for name in CLASSES}
    assert (on["wren"][0][0], on["wren"][-1][1]) == (1.0, 2.5)
    assert (on["owl"][0][0], on["owl"][-1][1]) == (0.0, 1.5)
    assert found["silent"].to_numpy().tolist() == [[0.0, 1.0, 0.0, 0.0]]


@pytest.fixture
def library():
    pytest.importorskip("sed_scores_eval", reason="sed_scores_eval is not installed (wtal[sound])")


def slowly(found, truth, collar):
    """True events are paired greedily in time, as events far apart can only be matched in one way."""
    values = []
    for label in CLASSES:
        hits = 0
        own, true = (table[table["label"] == label] for table in (found, truth.table))
        left = list(true.itertuples())
        for event in own.itertuples():
            for other in left:
                reach = max(collar.offset_s, collar.offset_share * (other.end_s - other.start_s))
                near = abs(event.start_s - other.start_s) <= collar.onset_s and abs(event.end_s - other.end_s) <= reach
                if event.video_id == other.video_id and near:
                    hits, left = hits + 1, [one for one in left if one is not other]
                    break
        values.append(2 * hits / max(len(own) + len(true), 1))
    return values


@pytest.mark.parametrize("seed", range(5))
def test_f1_is_that_of_plain_counting(library, seed):
    rng = np.random.default_rng(seed)
    durations_s = {"a": 40.0, "b": 40.0}
    rows = [
        (v, c, t + rng.uniform(0, 0.2), t + rng.uniform(1, 2))
        for v in durations_s
        for c in CLASSES
        for t in range(1, 36, 4)
    ]
    truth = truth_of(rows, durations_s)
    noise = rng.normal(0, 0.2, (len(rows), 2))
    moved = [(v, c, a + n, b + m, 1.0) for (v, c, a, b), (n, m) in zip(rows, noise, strict=True)]
    found = pd.DataFrame([row for row in moved if rng.random() < 0.8], columns=COLUMNS)
    collar = Collar(0.2, 0.1, 0.2)
    f1 = event_f1(staircases(found, CLASSES, durations_s), truth, collar)
    assert [f1[name] for name in CLASSES] == pytest.approx(slowly(found, truth, collar), abs=1e-9)
    assert f1["mean"] == pytest.approx(np.mean([f1[name] for name in CLASSES]))


def test_psds_of_the_truth_is_one_and_of_silence_zero(library):
    durations_s = {"a": 60.0, "b": 60.0}
    rows = [(v, c, t + i, t + i + 1.5) for v in durations_s for i, c in enumerate(CLASSES) for t in (3.0, 20.0, 40.0)]
    truth = truth_of(rows, durations_s)
    found = pd.DataFrame([(*row, 1.0) for row in rows], columns=COLUMNS)
    assert psds(staircases(found, CLASSES, durations_s), truth, durations_s) == pytest.approx({"PSDS1": 1, "PSDS2": 1})
    silent = staircases(found[:0], CLASSES, durations_s)
    assert psds(silent, truth, durations_s) == pytest.approx({"PSDS1": 0, "PSDS2": 0})
    assert event_f1(silent, truth)["mean"] == 0


@pytest.fixture
def tested(tmp_path):
    """What `wtal test` leaves of two recordings."""
    videos = [Video(name, 30, TimeGrid(fps=10, stride=1, window=1), 3.0) for name in ("a", "b")]
    segments = pd.DataFrame(
        [("a", "wren", 0.5, 1.5), ("b", "owl", 1.0, 2.0), ("b", "wren", 2.2, 2.9)],
        columns=["video_id", "label", "start_s", "end_s"],
    )
    run = RunFolder(tmp_path / "run")
    write_ground_truth(run.ground_truth, segments, {"a": 3.0, "b": 3.0}, "test")
    write_table(run.predictions_of("sound"), segments.assign(score=0.9), ["a", "b"])
    probability = np.zeros((60, 2))
    for row in segments.itertuples():
        first = 30 * "ab".index(row.video_id)
        probability[first + round(10 * row.start_s) : first + round(10 * row.end_s), CLASSES.index(row.label)] = 1
    scores = TestScores(VideoGrids.of(videos), CLASSES, probability, np.ones(60), np.ones((2, 2)))
    write_scores(run.scores_of("sound"), scores)
    return run


def test_the_command_measures_a_tested_run(library, tested, capsys):
    assert main(["events", str(tested.path), "--collar.onset_s", "0.05", "--per_class", "true"]) == 0
    out = capsys.readouterr().out
    assert "100.0" in out.split("sound")[1]
    assert "2 recordings, 3 events; onset within 0.05 s, offset within 0.2 s or 20%; in %" in " ".join(out.split())
    assert "event-based F1 in %" in " ".join(out.split())


def test_a_folder_without_a_test_and_a_missing_package_are_one_sentence(tested, tmp_path, capsys, monkeypatch):
    assert main(["events", str(tmp_path)]) == 2
    assert "is no run that was tested on known segments: run `wtal test` first" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "sed_scores_eval", None)
    assert main(["events", str(tested.path)]) == 2
    assert "pip install 'wtal[sound]'" in capsys.readouterr().err

"""`wtal evaluate` on what a run has left."""

import json
from pathlib import Path

import pytest

from wtal.commands.analyze import run as analyze
from wtal.commands.evaluate import run as evaluate
from wtal.errors import ConfigError, PredictionError
from wtal.results.record import About, write_about
from wtal.results.run_folder import RunFolder
from wtal.results.sets import each_set


def leave(folder: Path, end_s: float = 8.0) -> RunFolder:
    """A run with two sources, of which one is right, and a label that has no instance."""
    run = RunFolder(folder)
    run.predictions.mkdir(parents=True)
    for source, found_s in (("cbp", 1.0), ("fused", end_s)):
        detections = [
            {"label": "dive", "score": 0.9, "segment": [0.0, found_s]},
            {"label": "rare", "score": 0.1, "segment": [0.0, 1.0]},
        ]
        run.predictions_of(source).write_text(json.dumps({"results": {"a": detections}}))
    truth = {"a": {"subset": "test", "duration": 20, "annotations": [{"segment": [0, end_s], "label": "dive"}]}}
    run.ground_truth.write_text(json.dumps({"database": truth}))
    write_about(run.about, About("made up", "toy", (0.3, 0.5)))
    return run


def rows(out: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.split()}


@pytest.mark.parametrize("part", ["", "predictions"])
def test_a_run_holds_one_set_per_source_and_its_ground_truth(part, tmp_path, capsys):
    run = leave(tmp_path / "a" / "version_0")
    evaluate([run.path / part])
    shown = rows(capsys.readouterr().out)
    assert (shown["cbp"], shown["fused"]) == (["0.00", "0.00", "0.00"], ["100.00", "100.00", "100.00"])
    analyze([run.path / part])
    assert {"cbp", "fused"} <= rows(capsys.readouterr().out).keys()


def test_one_source_and_other_annotations(tmp_path, capsys):
    run = leave(tmp_path / "version_0")
    evaluate([run.predictions_of("fused")], tious=[0.9])
    assert rows(capsys.readouterr().out)["fused"][0] == "100.00"
    truth = json.loads(run.ground_truth.read_text())
    truth["database"]["a"]["annotations"][0]["segment"] = [0, 16]
    Path(tmp_path, "gt.json").write_text(json.dumps(truth))
    evaluate([run.predictions], annotations=tmp_path / "gt.json", tious=[0.4, 0.6])
    assert rows(capsys.readouterr().out)["fused"][:2] == ["100.00", "0.00"]


def test_two_runs_are_distinguished_by_their_names(tmp_path, capsys):
    one, other = leave(tmp_path / "a" / "version_0"), leave(tmp_path / "b" / "version_0")
    evaluate([one.path, other.path])
    out = capsys.readouterr().out
    assert "a version_0/fused" in out
    assert "b version_0/fused" in out


def test_runs_on_different_truth_need_annotations(tmp_path):
    one, other = leave(tmp_path / "a" / "version_0"), leave(tmp_path / "b" / "version_0", end_s=9.0)
    with pytest.raises(ConfigError, match=r"differ: choose the ground truth in `--annotations`"):
        evaluate([one.path, other.path])


def test_other_predictions_need_annotations(tmp_path):
    (tmp_path / "found.csv").write_text("video,start,end,label,score\na,0,1,dive,0.5\n")
    with pytest.raises(ConfigError, match=r"found.csv comes with no ground truth: give it in `--annotations`"):
        evaluate([tmp_path / "found.csv"])


def test_a_folder_of_parts_is_one_set(tmp_path):
    (tmp_path / "predictions").mkdir()
    assert each_set([tmp_path / "predictions"]) == [tmp_path / "predictions"]


def test_a_run_without_predictions_is_refused(tmp_path):
    write_about(RunFolder(tmp_path).about, About("made up"))
    with pytest.raises(PredictionError, match=r"has no predictions: make them with `wtal test`"):
        each_set([tmp_path])

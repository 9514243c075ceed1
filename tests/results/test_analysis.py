import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from wtal.commands.main import main
from wtal.metrics.diagnosis import KINDS
from wtal.metrics.error_analysis import error_profile
from wtal.report.analysis_figures import figures_of
from wtal.results.analysis import analyze_sets
from wtal.results.ground_truth import detection_rows, load_truth
from wtal.results.predictions import COLUMNS, read_predictions


@pytest.fixture
def files(tmp_path, monkeypatch):
    """An incomplete and an over-complete method on five videos."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    database, half, double = {}, {}, {}
    for number in range(5):
        starts = np.sort(random.uniform(0, 90, 6))
        segments = [("run" if i % 2 else "jump", start, start + 4) for i, start in enumerate(starts)]
        database[f"v{number}"] = {
            "subset": "val",
            "duration": 100,
            "annotations": [{"label": c, "segment": [s, e]} for c, s, e in segments],
        }
        scores = random.uniform(0, 1, 6)
        half[f"v{number}"], double[f"v{number}"] = (
            [
                {"label": c, "score": score, "segment": [max(0, s - more), e + more]}
                for (c, s, e), score in zip(segments, scores, strict=True)
            ]
            for more in (-1.2, 3.0)
        )
    (tmp_path / "truth.json").write_text(json.dumps({"database": database}))
    (tmp_path / "incomplete.json").write_text(json.dumps({"results": half}))
    (tmp_path / "over-complete.json").write_text(json.dumps({"results": double}))
    return tmp_path


def test_distinguishes_an_incomplete_method_from_an_over_complete_one(files):
    truth = load_truth(files / "truth.json")
    sets = {name: read_predictions(files / f"{name}.json") for name in ("incomplete", "over-complete")}
    analysis = analyze_sets(sets, truth, [0.5])
    assert analysis.methods == ["incomplete", "over-complete"]
    less, more = (row for _, row in analysis.summary.iterrows())
    assert less["false_positive_rate"] < 0.01 < 0.5 < less["false_negative_rate"]
    assert more["false_negative_rate"] < 0.01 < 0.4 < more["false_positive_rate"]
    assert less["length_ratio"] == pytest.approx(0.4)
    assert more["length_ratio"] == pytest.approx(2.5, abs=0.2)
    for name, row in (("incomplete", less), ("over-complete", more)):
        profile = vars(error_profile(detection_rows(sets[name], truth)[0], truth.segments))
        assert row[list(profile)].tolist() == pytest.approx(list(profile.values()), nan_ok=True)


def test_writes_tables_and_figures(files, capsys):
    assert (
        main(["analyze", "incomplete.json", "over-complete.json", "--annotations", "truth.json", "--output", "out"])
        == 0
    )
    text = capsys.readouterr().out
    for words in ("Missed instances", "length ratio", "Gain of mAP_N", "5 videos, 30 instances; tIoU 0.5:0.95"):
        assert words in text
    for name in ("summary", "false_positives", "gains", "false_negatives", "sensitivity"):
        table = pd.read_csv(files / "out" / f"{name}.csv")
        assert table["method"].unique().tolist() == ["incomplete", "over-complete"]
    shares = pd.read_csv(files / "out" / "false_positives.csv")
    assert sorted(shares["kind"].unique()) == sorted(KINDS)
    for name in ("false_positives", "gains", "false_negatives", "sensitivity", "completeness"):
        assert (files / "out" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (files / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "| incomplete |" in (files / "out" / "analysis.md").read_text()


def test_bars_are_as_high_as_the_numbers(files):
    sets = {name: read_predictions(files / f"{name}.json") for name in ("incomplete", "over-complete")}
    analysis = analyze_sets(sets, load_truth(files / "truth.json"), [0.5])
    (axis,) = figures_of(analysis)["gains"].axes
    drawn = [[bar.get_height() for bar in bars] for bars in axis.containers]
    for heights, method in zip(drawn, analysis.methods, strict=True):
        gains = analysis.gains[analysis.gains["method"] == method].set_index("kind")["gain"]
        assert heights == pytest.approx((100 * gains[list(KINDS[1:])]).tolist())


@pytest.mark.parametrize("found", [[], [("v0", "run", 0.0, 1.0, 0.5)]])
def test_few_detections_and_no_durations(files, found):
    content = json.loads((files / "truth.json").read_text())["database"]
    for video in content.values():
        del video["duration"]
    (files / "timeless.json").write_text(json.dumps({"database": content}))
    truth = load_truth(files / "timeless.json")
    analysis = analyze_sets({"a": pd.DataFrame(found, columns=list(COLUMNS))}, truth)
    assert "coverage" not in set(analysis.false_negatives["characteristic"])
    assert any("there is no coverage" in note for note in analysis.notes)
    assert analysis.false_negatives["rate"].iloc[0] == 1.0
    assert figures_of(analysis).keys() >= {"completeness"}


def test_mistakes_are_one_sentence(files, capsys):
    assert main(["analyze", "incomplete.json", "--annotations", "truth.json", "--tious", "2"]) == 2
    assert main(["analyze", "incomplete.json", "incomplete.json", "--annotations", "truth.json"]) == 2
    assert main(["analyze", "none.json", "--annotations", "truth.json"]) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert "--tious must lie in (0, 1]" in first
    assert "2 sets of predictions are named" in second
    assert "none.json does not exist" in third


def test_needs_no_torch(files):
    code = (
        "import sys; from wtal.commands.main import main; "
        "code = main(['analyze', 'incomplete.json', '--annotations', 'truth.json', '--output', 'out']); "
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"


def test_real_proposals(shared):
    """Nearly half of the best of these proposals are exact copies: double detections."""
    truth = load_truth(shared / "data/thumos14/gt_full.json", "validation")
    table = read_predictions(shared / "data/predictions/detection_result_base_train.json")
    analysis = analyze_sets({"all": table, "once": table.drop_duplicates()}, truth)
    first = analysis.false_positives[analysis.false_positives["cut"] == "1G"].set_index(["method", "kind"])["share"]
    assert first["all", "double detection"] > first["once", "double detection"] > 0.2
    rates = analysis.false_negatives.set_index(["method", "characteristic", "bin"])["rate"]
    assert rates["once", "length", "XS"] > rates["once", "length", "M"]
    assert analysis.summary["mAP"].tolist() == pytest.approx([0.0740163, 0.1722286], abs=1e-6)

"""A comparison on anomalies, from the configuration to the table, the evaluation of a run and its page."""

import json
from pathlib import Path

import pandas as pd
import pytest

from wtal.commands import evaluate
from wtal.comparison.runner import compare
from wtal.report.page.build import write_page
from wtal.results import RunFolder, read_record
from wtal.results.comparison import summarize

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "anomaly" / "synthetic.yaml"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("anomaly")
    (folder / "small.yaml").write_text(
        f"""
trainer: {{max_epochs: 2, enable_progress_bar: false, enable_model_summary: false}}
model:
  init_args:
    schedule: {{warm_up: 1, period: 1}}
    vlp: {{init_args: {{head: {{init_args: {{text: {{init_args: {{path: {folder}/data/text/text.npy}}}}}}}}}}}}
data: {{init_args: {{root: {folder}/data, params: {{train_videos: 24, test_videos: 20}}}}}}
"""
    )
    compare([CONFIG, folder / "small.yaml"], folder / "runs", methods=("late_fusion", "late_fusion_best"))
    return folder / "runs"


@pytest.mark.slow
def test_a_comparison_shows_the_areas_first(compared: Path):
    table = pd.read_csv(compared / "comparison.csv")
    assert list(table["method"]) == ["late_fusion_best", "late_fusion"]
    assert list(summarize(table).columns)[:4] == ["AUC", "AP", "AUC of abnormal", "0.1"]
    assert table["AUC"].between(0.3, 1).all()


@pytest.mark.slow
def test_a_late_fusion_is_chosen_by_the_area(compared: Path):
    (file,) = compared.rglob("fusion.csv")
    tried = pd.read_csv(file)
    assert tried["AUC"].is_monotonic_decreasing
    assert "mAP" not in tried


@pytest.mark.slow
def test_the_test_of_a_run_evaluate_and_its_page_agree(compared: Path):
    (file,) = (compared / "seed_0" / "apart").rglob("record.json")
    record, run = read_record(file), RunFolder(file.parent)
    assert record is not None
    evaluate.run([run.path], task="anomaly", output=compared / "out.json")
    (fused,) = (one for one in json.loads((compared / "out.json").read_text()) if "fused" in one["predictions"])
    for ours, theirs in {"AUC": "AUC", "AP": "AP", "AUC_abnormal": "AUC of abnormal videos"}.items():
        tested = record.metrics[f"test/fused/{ours}"]
        assert fused["measures"][theirs] == pytest.approx(tested, abs=2e-3)  # a run keeps scores in half precision
    page = write_page([run.path], compared / "page").read_text()
    assert f"{100 * fused['measures']['AUC']:.1f}" in page
    assert "Filled: anomaly score." in page

"""The student and its supervised reference as rows of a comparison."""

from pathlib import Path

import pandas as pd
import pytest

from wtal.comparison.runner import compare
from wtal.results.comparison import summarize
from wtal.student import distill

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
trainer: {{max_epochs: 1, enable_progress_bar: false, enable_model_summary: false, accelerator: cpu}}
model:
  class_path: wtal.branches.CBPBranch
  init_args: {{head: {{class_path: wtal.nn.heads.AttentionMILHead, init_args: {{in_dim: 64, hidden: 16}}}}}}
data:
  class_path: wtal.data.SyntheticDataModule
  init_args: {{root: {folder}/data, params: {{train_videos: 8, test_videos: 4}}}}
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("students")
    (folder / "alone.yaml").write_text(CONFIG.format(folder=folder))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_STEPS", "_LEAST_EPOCHS"):
            patch.setattr(distill, name, 1)
        again(folder)
    return folder


def again(folder):
    return compare([folder / "alone.yaml"], folder / "runs", methods=("cbp", "student", "supervised"))


def test_the_student_and_the_supervised_reference_are_rows_beside_their_teacher(compared):
    rows = pd.read_csv(compared / "runs" / "comparison.csv").set_index("method")
    assert list(rows.index) == ["cbp", "student", "supervised"]
    assert "supervised" not in rows.loc["student", "benchmark"]
    assert "supervised" in rows.loc["supervised", "benchmark"]
    assert "fully supervised" in (compared / "runs" / "comparison.md").read_text()


def test_a_student_is_not_trained_again(compared):
    before = {path: path.stat().st_mtime_ns for path in compared.rglob("record.json")}
    assert len(before) == 3
    again(compared)
    assert {path: path.stat().st_mtime_ns for path in compared.rglob("record.json")} == before


def test_the_share_of_the_gap_that_is_closed_is_a_column():
    rows = [("alternation", 0.5), ("student", 0.6), ("supervised", 0.9)]
    table = pd.DataFrame(rows, columns=["method", "mAP_avg"]).assign(seed=0, train_seconds=1.0)
    table["mAP@0.5"] = table["mAP_avg"]
    summary = summarize(table)
    assert summary["gap closed"].tolist() == ["", "25", ""]
    assert "gap closed" not in summarize(table[table["method"] != "supervised"])

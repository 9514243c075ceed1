"""The comparison of methods and ablations, on a few videos of the embedded benchmark."""

from pathlib import Path

import pandas as pd
import pytest

from wtal.commands.table import run as table
from wtal.comparison import runner
from wtal.comparison.runner import compare
from wtal.errors import ConfigError
from wtal.results import read_record

ROOT = Path(__file__).resolve().parents[2]
ABLATIONS = ROOT / "configs" / "ablations"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    small, unaveraged = folder / "small.yaml", folder / "unaveraged.yaml"
    small.write_text(
        f"""
trainer: {{max_epochs: 3, enable_progress_bar: false, enable_model_summary: false}}
model:
  init_args:
    schedule: {{warm_up: 1, period: 1}}
    vlp: {{init_args: {{head: {{init_args: {{text: {{init_args: {{path: {folder}/data/text/text.npy}}}}}}}}}}}}
data: {{init_args: {{root: {folder}/data, params: {{train_videos: 12, test_videos: 6}}}}}}
"""
    )
    unaveraged.write_text("model: {init_args: {cbp: {init_args: {average: 0.0}}}}")
    again(folder / "runs")
    return folder / "runs"


def again(output, *overlays):
    """The comparison of the fixture, with files merged over its configuration."""
    config = [ROOT / "configs" / "synthetic.yaml", output.parent / "small.yaml", *overlays]
    ablations = [ABLATIONS / "apart.yaml", ABLATIONS / "exchange.yaml", output.parent / "unaveraged.yaml"]
    compare(config, output, methods=("late_fusion",), ablations=ablations)


def test_an_ablation_is_a_row_of_its_name(compared):
    rows = pd.read_csv(compared / "comparison.csv")
    assert list(rows["method"]) == ["late_fusion", "apart", "exchange", "unaveraged"]


def test_a_file_and_a_method_with_equal_settings_give_the_same_numbers(compared):
    rows = pd.read_csv(compared / "comparison.csv").set_index("method")
    measures = [name for name in rows if name.startswith("mAP")]
    assert (rows.loc["late_fusion", measures] == rows.loc["apart", measures]).all()
    assert (rows.loc["late_fusion", measures] != rows.loc["exchange", measures]).any()


def test_runs_share_the_warm_up_unless_they_differ_in_it(compared):
    assert len(list((compared / "seed_0").glob("warm_up-*.ckpt"))) == 2


def test_a_run_leaves_a_record_in_its_own_folder(compared):
    record = read_record(compared / "seed_0" / "apart" / "CollaborationModule" / "version_0" / "record.json")
    assert record.methods == {"cbp": "cbp", "vlp": "vlp", "late_fusion": "fused"} or record.methods == {
        "apart": "fused"
    }
    assert record.identity
    assert record.is_tested
    with pytest.raises(ConfigError, match="No row is named 'run'"):  # its rows are those of comparison.csv alone
        table([compared], baseline="run")


def test_what_is_finished_is_not_repeated_unless_a_setting_or_the_length_differs(compared, tmp_path, monkeypatch):
    rows = (compared / "comparison.csv").read_text()
    trained = []
    monkeypatch.setattr(runner, "_train_and_test", lambda run, *_: trained.append(run.name))
    workers, longer, other = (tmp_path / name for name in ("workers.yaml", "longer.yaml", "other.yaml"))
    workers.write_text("data: {init_args: {num_workers: 2}}")
    longer.write_text("trainer: {max_epochs: 5}")
    other.write_text("model: {init_args: {fusion: {video: 0.75}}}")
    again(compared, workers)
    assert trained == []
    assert (compared / "comparison.csv").read_text() == rows
    for overlay in (longer, other):
        with pytest.raises(
            ConfigError, match="none of the methods late_fusion, apart, exchange, unaveraged could be run"
        ):
            again(compared, overlay)  # the stand-in gives no record
    assert trained == [run for _ in range(2) for run in ("apart", "apart", "exchange", "unaveraged")]


def test_a_part_of_the_test_videos_is_refused(tmp_path):
    (tmp_path / "part.yaml").write_text("trainer: {limit_test_batches: 1}")
    with pytest.raises(ConfigError, match=r"measures all test videos; remove `trainer\.limit_test_batches`"):
        compare([ROOT / "configs" / "synthetic.yaml", tmp_path / "part.yaml"], tmp_path / "out", methods=("f_only",))


def test_a_file_named_like_a_method_is_refused():
    with pytest.raises(ConfigError, match="f_only is a method: name it in `--methods`"):
        compare([ROOT / "configs" / "synthetic.yaml"], ablations=[ABLATIONS / "f_only.yaml"])


def test_methods_that_a_single_branch_cannot_have_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="allows none of late_fusion, as there is a single branch"):
        compare([ROOT / "configs" / "thumos14" / "cbp.yaml"], tmp_path / "out", methods=("late_fusion",))

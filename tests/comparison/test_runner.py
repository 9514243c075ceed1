"""The comparison of methods and ablations, on a few videos of the embedded benchmark."""

from pathlib import Path

import pandas as pd
import pytest

from wtal.comparison.runner import compare
from wtal.errors import ConfigError

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
    compare(
        [ROOT / "configs" / "synthetic.yaml", small],
        folder / "runs",
        methods=("late_fusion",),
        ablations=[ABLATIONS / "apart.yaml", ABLATIONS / "exchange.yaml", unaveraged],
    )
    return folder / "runs"


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


def test_a_file_named_like_a_method_is_refused():
    with pytest.raises(ConfigError, match="f_only is a method: name it in `--methods`"):
        compare([ROOT / "configs" / "synthetic.yaml"], ablations=[ABLATIONS / "f_only.yaml"])

"""Several benchmarks in one comparison: a pair with texts, a pair of ordinary branches, and a single branch."""

from contextlib import redirect_stdout
from pathlib import Path

import pandas as pd
import pytest

from wtal.commands.compare import run
from wtal.comparison.benchmarks import read_benchmarks
from wtal.errors import ConfigError
from wtal.results import read_record

ROOT = Path(__file__).resolve().parents[2]
FITTED = ("late_fusion_best", "late_fusion_vanilla_best", "alternation_best")
METHODS = ("cbp", "vlp_vanilla", "late_fusion_vanilla", *FITTED, "late_fusion_warm_up")

SMALL = """
trainer: {max_epochs: 1, enable_progress_bar: false, enable_model_summary: false}
data: {init_args: {root: $WTAL_DATA/made, params: {train_videos: 24, test_videos: 6}}}
"""
PAIR = """
model:
  init_args:
    schedule: {warm_up: 1}
    vlp: {init_args: {head: {init_args: {text: {init_args: {path: $WTAL_DATA/made/text/text.npy}}}}}}
"""
TWO = """
model:
  init_args:
    schedule: {warm_up: 1}
    cbp: {init_args: {view: {name: left, streams: [i3d]}}}
    vlp:
      class_path: wtal.branches.CBPBranch
      init_args:
        view: {name: right, streams: [clip]}
        head: {class_path: wtal.nn.heads.AttentionMILHead, init_args: {in_dim: 48, hidden: 32}}
"""
ALONE = """
model:
  class_path: wtal.branches.CBPBranch
  init_args: {head: {class_path: wtal.nn.heads.AttentionMILHead, init_args: {in_dim: 64, hidden: 32}}}
"""
LIST = """
texts: {config: [synthetic.yaml, small.yaml, pair.yaml]}
sensors: {config: [synthetic.yaml, small.yaml, two.yaml], without: {late_fusion_warm_up: not asked for}}
alone: {config: [synthetic.yaml, small.yaml, alone.yaml], set: {data.batch_size: 8}}
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    for name, text in {"small": SMALL, "pair": PAIR, "two": TWO, "alone": ALONE, "list": LIST}.items():
        (folder / f"{name}.yaml").write_text(text)
    with (folder / "printed.txt").open("w", encoding="utf-8") as printed, redirect_stdout(printed):
        again(folder)
    return folder


def again(folder, **options):
    run(output=folder / "runs", methods=METHODS, benchmarks=folder / "list.yaml", data=folder, **options)


def rows(folder):
    return pd.read_csv(folder / "runs" / "benchmarks.csv").set_index(["on", "method"])


def test_each_benchmark_has_the_methods_that_its_branches_allow(compared):
    found = rows(compared)
    assert set(found.index[found["mAP_avg"].notna()]) == {
        *(("texts", method) for method in METHODS),
        *(("sensors", method) for method in ("cbp", "late_fusion_best", "alternation_best")),
        ("alone", "cbp"),
    }
    reasons = found["reason"].dropna()
    assert reasons["sensors", "vlp_vanilla"] == "the second branch has no texts to start from"
    assert reasons["sensors", "late_fusion_warm_up"] == "not asked for"
    assert reasons["alone", "late_fusion_best"] == "there is a single branch"


def test_methods_stand_for_the_first_and_the_second_branch_whatever_their_names(compared):
    assert rows(compared).loc[("sensors", "cbp"), "branches"] == "left and right"
    (record,) = (compared / "runs" / "sensors" / "seed_0" / "apart").rglob("record.json")
    assert read_record(record).methods == {"cbp": "left", "vlp": "right", "late_fusion": "fused"}


@pytest.mark.parametrize("run_name", ["warm_up_best", "warm_up_vanilla_best", "alternation_best"])
def test_a_late_fusion_is_fitted_on_held_out_training_videos(compared, run_name):
    seed = compared / "runs" / "texts" / "seed_0"
    (held_out,) = (seed / "held_out" / run_name).rglob("record.json")
    (best,) = (seed / run_name).rglob("record.json")
    fitted, tested = read_record(held_out), read_record(best)
    tried = pd.read_csv(held_out.parent / "fusion.csv")
    assert fitted.config["data"]["init_args"]["held_out"] == 0.3
    assert not fitted.is_tested
    assert fitted.metrics["val/fused/mAP"] == tried["mAP"].max()
    assert tested.chosen == fitted.chosen == tried.drop(columns=["mAP", "videos"]).iloc[0].to_dict()
    assert tested.config["data"]["init_args"]["held_out"] == 0
    assert tested.config["model"]["init_args"]["fusion"]["video"] == fitted.chosen["fusion.video"]
    for folder in (seed, seed / "held_out"):  # one warm-up of all training videos, one of those that are not held out
        assert len(list(folder.glob("warm_up-*.ckpt"))) == 1


def test_the_alternation_takes_the_weights_of_the_best_late_fusion(compared):
    seed = compared / "runs" / "texts" / "seed_0"
    found = [read_record(next((seed / name).rglob("record.json"))) for name in ("warm_up_best", "alternation_best")]
    assert found[0].chosen == found[1].chosen != {}


def test_an_untrained_vlp_can_be_fused_with_a_trained_cbp(compared):
    runs = compared / "runs" / "texts" / "seed_0"
    metrics = {
        name: read_record(next((runs / name).rglob("record.json"))).metrics
        for name in ("vanilla", "warm_up", "warm_up_vanilla")
    }
    assert metrics["warm_up_vanilla"]["test/cbp/mAP"] == metrics["warm_up"]["test/cbp/mAP"]
    assert metrics["warm_up_vanilla"]["test/vlp/mAP"] == metrics["vanilla"]["test/vlp/mAP"]


def test_the_fusion_is_fitted_to_the_branches_that_are_fused(compared):
    held_out = compared / "runs" / "texts" / "seed_0" / "held_out"
    tried = {
        name: pd.read_csv(next((held_out / name).rglob("fusion.csv")))
        for name in ("warm_up_best", "warm_up_vanilla_best")
    }
    trained, untrained = (table.sort_values(list(table.columns[:4]))["mAP"] for table in tried.values())
    assert trained.tolist() != untrained.tolist()


def test_the_table_states_what_was_measured_and_its_command(compared):
    printed = " ".join((compared / "printed.txt").read_text(encoding="utf-8").split())
    text = (compared / "runs" / "benchmarks.md").read_text()
    for part in ("| texts | sensors | alone | average |", "synthetic, made up by seed 0", "annotations.json (sha256 "):
        assert part in text
    assert f"wtal compare --benchmarks {compared}/list.yaml --methods cbp vlp_vanilla" in text
    assert "probability " in text
    assert "CBP alone" in printed
    assert "last epoch" in printed


def test_finished_runs_are_not_repeated(compared):
    before = sorted((compared / "runs").rglob("record.json"))
    again(compared, only=("texts",))
    assert sorted((compared / "runs").rglob("record.json")) == before
    assert set(rows(compared).index.get_level_values("on")) == {"texts"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]", "lists no benchmarks"),
        ("../a: {config: [synthetic.yaml]}", "needs a name that a folder can have"),
        ("a: {files: [synthetic.yaml]}", "'a' has no `config`"),
        ("a: {config: [synthetic.yaml], set: [b]}", r"`set` is \['b'\]: give values by name"),
        ("a: {config: [synthetic.yaml], sets: {}}", "'a' has 'sets': it may have `config`, `set` and `without`"),
        ("a: {config: [synthetic.yaml], without: {magic: no}}", "'magic' in `without` is no method: use cbp_warm_up,"),
        ("a: {config: [sythetic.yaml]}", "sythetic.yaml does not exist"),
    ],
)
def test_a_list_with_a_mistake_is_one_sentence(tmp_path, text, message):
    (tmp_path / "list.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_benchmarks(tmp_path / "list.yaml")


def test_missing_data_are_named_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.delenv("WTAL_DATA", raising=False)
    options = {
        "benchmarks": Path("benchmarks/all.yaml"),
        "output": tmp_path / "runs",
        "only": ("embedded_2", "birdsong"),
    }
    with pytest.raises(ConfigError, match=r"birdsong reads \$WTAL_DATA: name the folder of the data by `--data`"):
        run(**options)
    with pytest.raises(ConfigError, match=r"birdsong needs .*birdsong/gt\.json, which does not exist"):
        run(**options, data=tmp_path)
    with pytest.raises(ConfigError, match="has no benchmark 'embeded', but salads50_fold1"):
        run(benchmarks=Path("benchmarks/all.yaml"), only=("embeded",))
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ConfigError, match="requires something to compare: name files by `--config`"):
        run()

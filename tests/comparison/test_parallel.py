"""Runs of a comparison in several processes: which wait for which, and the same table as one process makes."""

from pathlib import Path

import pandas as pd
import pytest

from wtal.commands.compare import run as compare_command
from wtal.comparison.methods import runs_of
from wtal.comparison.parallel import chains_of
from wtal.comparison.runner import compare, settings_of
from wtal.errors import ConfigError, FeatureError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "synthetic.yaml"


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(
        f"""
trainer: {{max_epochs: 3, enable_progress_bar: false, enable_model_summary: false}}
model:
  init_args:
    schedule: {{warm_up: 1, period: 1}}
    vlp: {{init_args: {{head: {{init_args: {{text: {{init_args: {{path: {tmp_path}/data/text/text.npy}}}}}}}}}}}}
data: {{init_args: {{root: {tmp_path}/data, params: {{train_videos: 12, test_videos: 6}}}}}}
"""
    )
    return path


def names(chains):
    return [[run.name for run in chain] for chain in chains]


def test_all_wait_for_the_warm_up_and_students_for_their_teacher():
    runs = runs_of(settings_of([CONFIG]), CONFIG)
    first, chains = chains_of(runs)
    assert [run.name for run in first] == ["warm_up"]
    assert ["alternation", "student", "supervised"] in names(chains)
    assert ["warm_up_best", "warm_up_vanilla_best", "alternation_best"] in names(chains)
    assert sorted(run.name for chain in [first, *chains] for run in chain) == sorted(run.name for run in runs)


def test_nothing_waits_where_nothing_is_shared():
    vanilla = [run for run in runs_of(settings_of([CONFIG]), CONFIG) if run.name == "vanilla"]
    assert chains_of(vanilla) == ([], [vanilla])


def test_a_number_of_processes_is_positive(small):
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        compare_command([CONFIG, small], jobs=0)


@pytest.mark.slow
def test_two_processes_make_the_table_of_one(small, tmp_path):
    methods = ("cbp_warm_up", "vlp_vanilla", "f_only", "alternation", "student")
    one = compare([CONFIG, small], tmp_path / "one", (0, 1), methods)
    two = compare([CONFIG, small], tmp_path / "two", (0, 1), methods, jobs=2)
    pd.testing.assert_frame_equal(one.drop(columns="train_seconds"), two.drop(columns="train_seconds"))
    assert "max_epochs" in (tmp_path / "two" / "seed_1" / "warm_up.log").read_text()
    assert len(list((tmp_path / "two" / "seed_0").glob("warm_up-*.ckpt"))) == 1


@pytest.mark.slow
def test_an_error_of_a_process_is_one_sentence(small, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("model: {init_args: {cbp: {init_args: {head: {init_args: {in_dim: 7}}}}}}")
    with pytest.raises(FeatureError, match="in_dim"):
        compare([CONFIG, small, broken], tmp_path / "runs", (0,), ("f_only", "b_only"), jobs=2)

"""The experiments' own tables, on made-up comparisons."""

import runpy
from pathlib import Path

import pandas as pd
import pytest

TABLE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "experiments" / "tables" / "generalization.py"))


@pytest.fixture
def folder(tmp_path):
    rows = [("cbp_warm_up", 0.5, 0.4), ("cbp", 0.4, 0.4), ("late_fusion", 0.6, 0.2), ("alternation", 0.7, 0.5)]
    table = [(method, seed, value) for method, *values in rows for seed, value in enumerate(values)]
    runs = pd.DataFrame(table, columns=["method", "seed", "mAP_avg"]).assign(features="made up", benchmark="toy")
    for place, part in {"a": runs.query("method != 'cbp'"), "b": runs.query("method == 'cbp'")}.items():
        (tmp_path / place).mkdir()
        part.to_csv(tmp_path / place / "comparison.csv")
    return tmp_path


def test_gains_are_paired_and_over_the_better_of_two_means(folder):
    average, caption = TABLE["read"](f"{folder}/a,{folder}/b")
    row = TABLE["row"](average)
    assert caption == "made up, toy"
    assert row["over CBP"] == "+15.0 ± 7.1"  # the warm-up's mean is the better one: +20 and +10
    assert row["over late fusion"] == "+20.0 ± 14.1"
    assert (row["CBP"], row["late fusion, warm-up"], row["seeds"]) == ("40.0 ± 0.0", "", "2")


def test_seeds_that_lack_a_method_are_left_out(folder):
    part = pd.read_csv(folder / "b" / "comparison.csv").query("seed == 0")
    part.to_csv(folder / "b" / "comparison.csv")
    average, _ = TABLE["read"](f"{folder}/a,{folder}/b")
    assert TABLE["row"](average)["seeds"] == "1"
    assert TABLE["row"](average)["over CBP"] == "+20.0"

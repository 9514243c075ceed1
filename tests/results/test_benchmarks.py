import io

import pandas as pd
import pytest
from rich.console import Console

from wtal.results.benchmarks import SideBySide

ORIGIN = {"features": "made up", "benchmark": "toy", "annotations": "gt.json (sha256 00)", "weights": ""}


def found(**measured):
    """Results from fractions by benchmark, method and seed."""
    rows = [
        {"on": on, "method": method, "seed": seed, "mAP_avg": value, "branches": "", "chosen": "", **ORIGIN}
        for on, methods in measured.items()
        for method, values in methods.items()
        for seed, value in enumerate(values)
    ]
    reasons = {"song": {"alternation": "there is a single branch"}}
    return SideBySide(pd.DataFrame(rows), reasons, [name for name in measured if name != "song"], "wtal compare")


@pytest.fixture
def three():
    return found(
        salad={"cbp": (0.2, 0.4), "f_only": (0.3, 0.3), "alternation": (0.5, 0.5), "vlp_vanilla": (0.1, 0.1)},
        thumos={"cbp": (0.4, 0.4), "f_only": (0.5, 0.7), "alternation": (0.6, 0.6)},
        song={"cbp": (0.9, 0.9)},
    )


def test_methods_are_rows_and_benchmarks_columns(three):
    table = three.means()
    assert list(table.index) == ["CBP alone", "VLP vanilla", "F only", "alternation"]
    assert table.loc["CBP alone"].tolist() == ["30.0 ± 14.1", "40.0 ± 0.0", "90.0 ± 0.0", "35.0 ± 7.1"]
    assert table.loc["alternation", "song"] == "–"  # noqa: RUF001


def test_the_average_is_over_benchmarks_with_two_branches_and_says_when_one_is_missing(three):
    table = three.means()
    assert table.loc["alternation", "average"] == "55.0 ± 0.0"
    assert table.loc["VLP vanilla", "average"] == "10.0 ± 0.0 (1 of 2)"
    assert found(song={"cbp": (0.9,)}).means().loc["CBP alone", "average"] == "90.0"


def test_differences_are_paired_by_benchmark_and_seed(three):
    rows = three.differences()
    of_f = rows[rows["against"] == "f_only"]
    assert list(zip(of_f["on"], of_f["seed"], of_f["difference"].round(6), strict=True)) == [
        ("salad", 0, 20.0),
        ("salad", 1, 20.0),
        ("thumos", 0, 10.0),
        ("thumos", 1, -10.0),
    ]
    shown = three.paired().loc["alternation - F only"]
    assert shown.tolist() == ["+20.0 ± 0.0", "+0.0 ± 14.1", "–", "+10.0 ± 7.1", "3 of 4"]  # noqa: RUF001


def test_files_and_terminal_hold_every_table(three, tmp_path):
    three.save(tmp_path)
    text, out = (tmp_path / "benchmarks.md").read_text(), io.StringIO()
    three.print(Console(file=out, width=200))
    for part in ("gt.json (sha256 00)", "there is a single branch", "alternation - CBP alone", "seeds", "made up"):
        assert part in text
        assert part in out.getvalue()
    assert text.endswith("    wtal compare\n")
    rows = pd.read_csv(tmp_path / "benchmarks.csv")
    assert rows["mAP_avg"].notna().sum() == 16
    assert rows.loc[rows["reason"].notna(), ["on", "method"]].to_numpy().tolist() == [["song", "alternation"]]
    assert len(pd.read_csv(tmp_path / "differences.csv")) == 8


def test_a_table_without_any_pair_of_methods_has_no_differences(tmp_path):
    alone = found(song={"cbp": (0.9,)})
    alone.save(tmp_path)
    assert alone.differences().empty
    assert "paired" not in (tmp_path / "benchmarks.md").read_text()

import math

import pytest

from wtal.errors import ConfigError
from wtal.results.runs_summary import Row, present, summarize_runs


def row(variant, seed, average):
    values = {"0.5": average + 0.1, "0.1:0.7": average, "avg": average}
    return Row(variant, seed, values, "made up", "toy", "abc", "record.json")


RUNS = [row("W", 0, 0.2), row("W", 1, 0.4), row("FB_x", 0, 0.5), row("FB_x", 1, 0.5)]


def test_seeds_become_mean_and_deviation_and_are_paired_with_the_baseline():
    summary = summarize_runs(RUNS, "W")
    assert summary.loc["W", ["seeds", "avg", "avg sd"]].tolist() == pytest.approx([2, 0.3, math.sqrt(0.02)])
    assert summary.loc["FB_x", "difference"] == pytest.approx(0.2)
    assert summary.loc["FB_x", "p"] == pytest.approx(0.2951672)  # t = 2 with one degree of freedom
    assert math.isnan(summary.loc["W", "difference"])
    with pytest.raises(ConfigError, match="No row is named 'B'; the rows are: W; FB_x"):
        summarize_runs(RUNS, "B")


def test_the_best_of_a_column_is_bold_and_ranges_are_left_to_the_files(tmp_path):
    table = present(RUNS, "W", "last", published=False)
    assert table.text.to_dict("index") == {
        "W": {"0.5": "40.0", "avg": "30.0 ± 14.1", "seeds": "2", "gain": "", "p": ""},
        "FB_x": {"0.5": "**60.0**", "avg": "**50.0 ± 0.0**", "seeds": "2", "gain": "+20.0", "p": "0.295"},
    }
    assert table.caption.startswith("features: made up; benchmark: toy; git: abc; seeds: 0, 1; last checkpoint")
    table.save(tmp_path / "table.tex")
    assert (
        r"FB\_x & \textbf{60.0} & \textbf{50.0 $\pm$ 0.0} & 2 & +20.0 & 0.295 \\"
        in (tmp_path / "table.tex").read_text()
    )
    table.save(tmp_path / "table.csv")
    assert "0.1:0.7" in (tmp_path / "table.csv").read_text().splitlines()[0]


def test_a_baseline_may_be_the_only_variant():
    text = present(RUNS[:2], "W", "last", published=False).text
    assert text.loc["W"].to_dict() == {"0.5": "40.0", "avg": "30.0 ± 14.1", "seeds": "2", "gain": "", "p": ""}


def test_a_measure_that_a_seed_lacks_has_no_mean():
    lacking = Row("W", 1, {"0.5": 0.5, "avg": math.nan}, "made up", "toy", "abc", "record.json")
    table = present([RUNS[0], lacking, *RUNS[2:]], None, "last", published=False)
    assert (table.text.loc["W", "avg"], table.text.loc["W", "0.5"]) == ("–", "40.0")  # noqa: RUF001
    assert table.text.loc["FB_x", "avg"] == "**50.0 ± 0.0**"


def test_the_caption_says_that_a_row_lacks_a_seed():
    assert "seeds: 0, 1 (not all of them for every row)" in present(RUNS[:3], None, "last", published=False).caption

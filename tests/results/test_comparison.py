import io

import pandas as pd
from rich.console import Console

from wtal.results.comparison import print_comparison, save_comparison, summarize


def table():
    common = {"train_seconds": 3.0, "features": "made up", "benchmark": "toy", "weights": ""}
    rows = [("cbp", 0, 0.2, 0.1, 0.15), ("cbp", 1, 0.4, 0.1, 0.25), ("alternation", 0, 0.5, 0.3, 0.4)]
    names = ("method", "seed", "mAP@0.1", "mAP@0.2", "mAP_avg")
    return pd.DataFrame([dict(zip(names, row, strict=True)) | {"mAP@0.1:0.2": row[4]} | common for row in rows])


def test_seeds_become_mean_and_deviation():
    summary = summarize(table())
    assert list(summary.index) == ["CBP alone", "alternation"]
    assert list(summary.columns) == ["0.1", "0.2", "avg", "train s"]  # the range over all thresholds is the average
    assert summary.loc["CBP alone", "0.1"] == "30.0 ± 14.1"
    assert summary.loc["alternation", "avg"] == "40.0"


def test_the_terminal_gets_whole_numbers_and_what_they_were_made_on():
    out = io.StringIO()
    print_comparison(table(), Console(file=out, width=150))
    assert "20.0 ± 7.1" in out.getvalue()
    assert "30.0 " in out.getvalue()
    assert "features: made up" in out.getvalue()
    assert "seeds: 0, 1" in out.getvalue()


def test_files_hold_every_row_and_the_summary(tmp_path):
    save_comparison(table(), tmp_path)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "comparison.csv").drop(columns="weights"), table().drop(columns="weights")
    )
    text = (tmp_path / "comparison.md").read_text()
    assert "| CBP alone | 30.0 ± 14.1 | 10.0 ± 0.0 | 20.0 ± 7.1 | 3 |" in text
    assert "benchmark: toy" in text

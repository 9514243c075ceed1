import io

import pandas as pd
import pytest
from pandas.api.types import is_integer_dtype
from rich.console import Console

from wtal.errors import PredictionError
from wtal.results.comparison import print_comparison, read_csv, save_comparison, summarize
from wtal.views import WARM_UP_ONLY


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


def test_a_method_that_ended_within_its_warm_up_says_so():
    rows = table()
    rows.loc[rows["method"] == "alternation", "weights"] = f"{WARM_UP_ONLY}; prompts"
    assert list(summarize(rows).index) == ["CBP alone", "alternation, warm-up only"]
    rows.loc[1, "weights"] = WARM_UP_ONLY
    assert summarize(rows).index[0] == "CBP alone, warm-up only with seed 1"


def test_the_terminal_gets_uncut_numbers_and_their_origin():
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


def test_columns_are_typed_by_their_cells(tmp_path):
    text = "seed,mAP@0.5,epoch,method,features,Weights\n0,0.1234567890123456,1,cbp,,\n1,,2.5,3x,12,\n"
    (tmp_path / "comparison.csv").write_text(text)
    found = read_csv(tmp_path / "comparison.csv")
    assert found["seed"].tolist() == [0, 1]
    assert is_integer_dtype(found["seed"])
    assert found["mAP@0.5"][0] == 0.1234567890123456
    assert found["mAP@0.5"].isna().tolist() == [False, True]
    assert found["epoch"].tolist() == [1.0, 2.5]
    assert found["method"].tolist() == ["cbp", "3x"]
    assert found["features"].tolist() == ["", "12"]  # text, whatever it looks like
    assert found["Weights"].isna().all()


def test_the_protocol_column_from_before_version_0_2_is_the_benchmark(tmp_path):
    (tmp_path / "comparison.csv").write_text("method,protocol\ncbp,thumos14-212\n")
    assert read_csv(tmp_path / "comparison.csv")["benchmark"].tolist() == ["thumos14-212"]


def test_a_damaged_table_is_one_sentence(tmp_path):
    for text, message in (("a,b\n1\n", "line 2: 2 columns expected"), ("a," * 6000 + "b", "6001 columns")):
        (tmp_path / "comparison.csv").write_text(text)
        with pytest.raises(PredictionError, match=rf"comparison\.csv.*{message}"):
            read_csv(tmp_path / "comparison.csv")

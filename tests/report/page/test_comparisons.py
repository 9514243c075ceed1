import shutil

import pandas as pd
import pytest

from wtal.errors import PredictionError
from wtal.report.page.material import gather
from wtal.report.page.tables import compared_table
from wtal.results.pseudo_instances import COLUMNS, PseudoInstances, write_pseudo_instances


def names(material):
    return [(method.name, method.colour, method.leading) for method in material.methods]


@pytest.fixture
def comparison(made, tmp_path):
    """The warm-up is in the metrics of `warm_up` alone, as the others go on from its checkpoint."""
    for seed in (10, 2):
        for run in ("warm_up", "apart", "alternation"):
            folder = tmp_path / f"seed_{seed}" / run / "Model" / "version_0"
            shutil.copytree(made.folder, folder)
            table = pd.read_csv(folder / "metrics.csv")
            part = table["epoch"] < 2 if run == "warm_up" else table["epoch"] >= 2
            table[part].to_csv(folder / "metrics.csv", index=False)
    shared_columns = {"features": "made up", "benchmark": "toy", "weights": None, "train_seconds": 1.0, "mAP_avg": 0.5}
    shared_columns |= {"false_positive_rate": 0.1, "false_negative_rate": 0.2}
    rows = [
        {"method": method, "seed": seed, "mAP@0.5": 0.5} | shared_columns
        for method in ("cbp", "alternation")
        for seed in (2, 10)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "comparison.csv", index=False)
    return tmp_path


def test_a_comparison_shows_the_collaboration_beside_the_branches_alone(comparison):
    material = gather([comparison])
    assert names(material) == [
        ("CBP alone", "cbp", True),
        ("VLP alone", "vlp", True),
        ("late fusion", "late", False),
        ("CBP, taught", "cbp", False),
        ("VLP, taught", "vlp", False),
        ("collaboration", "fused", True),
    ]
    assert material.notes == ["The table averages over seeds; errors, curves and timelines are of seed 2."]
    assert len(material.comparison) == 4
    assert [training.name for training in material.training] == ["alternation"]
    assert list(material.training[0].epochs["train/cbp/loss"][:3]) == [3, 2, 1.5]  # with the warm-up it shares
    assert len(gather([comparison / "seed_10"]).methods) == 6


@pytest.mark.parametrize(("column", "value"), [("mAP_avg", "much"), ("train_seconds", None)])
def test_a_damaged_table_of_a_comparison_is_refused(comparison, column, value):
    table = pd.read_csv(comparison / "comparison.csv")
    (table.drop(columns=column) if value is None else table.assign(**{column: value})).to_csv(
        comparison / "comparison.csv", index=False
    )
    with pytest.raises(PredictionError, match=rf"comparison.csv has no valid column '{column}'"):
        gather([comparison])


def test_a_comparison_shows_its_student_and_what_it_learned_from(comparison):
    labels = comparison / "pseudo_instances.json"
    found = PseudoInstances(pd.DataFrame(columns=list(COLUMNS)), {"seen": 20.0})
    write_pseudo_instances(labels, found)
    for run in ("student", "supervised"):
        folder = comparison / "seed_2" / run / "StudentModule" / "version_0"
        shutil.copytree(comparison / "seed_2" / "apart" / "Model" / "version_0", folder)
        (folder / "predictions" / "fused.json").rename(folder / "predictions" / "student.json")
        text = f"model: {{init_args: {{labels: {{init_args: {{path: {labels}}}}}}}}}" if run == "student" else "{}"
        (folder / "config.yaml").write_text(text)
    material = gather([comparison])
    assert names(material)[5:] == [
        ("collaboration", "fused", True),
        ("student", "p5", True),
        ("student on true segments", "p7", False),
    ]
    assert list(material.instances.videos) == ["seen"]


def test_a_method_may_have_no_number_in_a_column():
    rows = [("alternation", 0.5), ("student", 0.6), ("supervised", 0.9)]
    table = pd.DataFrame(rows, columns=["method", "mAP_avg"]).assign(seed=0, train_seconds=1.0)
    table["mAP@0.5"] = table["mAP_avg"]
    shown = compared_table(table)
    gap = shown.columns.index("gap closed")
    assert [row.cells[gap] for row in shown.rows] == [("", "", False), ("25", "", False), ("", "", False)]
    assert [row.cells[0] for row in shown.rows] == [("50.0", "", False), ("60.0", "", False), ("90.0", "", True)]

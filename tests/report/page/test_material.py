import json
import shutil

import pandas as pd
import pytest

from wtal.errors import ConfigError, PredictionError
from wtal.functional.average_precision import mean_average_precision
from wtal.report.page.material import gather
from wtal.report.page.measures import measure
from wtal.report.page.training import training_charts
from wtal.results.ground_truth import detection_rows, load_truth
from wtal.results.predictions import read_predictions


def names(material):
    return [(method.name, method.colour, method.leading) for method in material.methods]


def test_a_run_folder_brings_everything(made):
    material = gather([made.folder])
    assert names(material) == [("CBP", "cbp", True), ("VLP", "vlp", True), ("collaboration", "fused", True)]
    assert material.about.tious == (0.3, 0.5, 0.7)
    assert list(material.truth.durations_s) == [video.video_id for video in made.videos]
    assert len(material.truth.segments) == len(made.segments)
    (training,) = material.training
    assert list(training.epochs.index) == [0, 1, 2, 3]  # the row of the test has none of training
    assert not [name for name in training.epochs if name.startswith("test/")]
    assert sorted(material.pseudo.label) == ["cbp", "vlp"]
    assert (
        gather([made.folder.parent]).methods[0].detections.equals(material.methods[0].detections)
    )  # its newest version


def test_a_test_is_joined_with_the_run_whose_checkpoint_it_tested(made, tmp_path):
    fit, test = tmp_path / "version_0", tmp_path / "version_1"
    shutil.copytree(made.folder, test)
    fit.mkdir()
    for name in ("metrics.csv", "pseudo_labels.npz"):
        shutil.move(test / name, fit / name)
    assert not gather([test]).training
    (test / "config.yaml").write_text(json.dumps({"ckpt_path": str(fit / "checkpoints" / "last.ckpt")}))
    material = gather([test])
    assert len(material.training[0].epochs) == 4
    assert material.pseudo is not None


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
    said = {"features": "made up", "benchmark": "toy", "weights": None, "train_seconds": 1.0, "mAP_avg": 0.5}
    said |= {"false_positive_rate": 0.1, "false_negative_rate": 0.2}
    rows = [
        {"method": method, "seed": seed, "mAP@0.5": 0.5} | said for method in ("cbp", "alternation") for seed in (2, 10)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "comparison.csv", index=False)
    return tmp_path


def test_a_comparison_sets_the_collaboration_beside_the_branches_alone(comparison):
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
def test_a_table_of_a_comparison_that_was_spoilt(comparison, column, value):
    table = pd.read_csv(comparison / "comparison.csv")
    (table.drop(columns=column) if value is None else table.assign(**{column: value})).to_csv(
        comparison / "comparison.csv", index=False
    )
    with pytest.raises(PredictionError, match=rf"comparison.csv has no good column '{column}'"):
        gather([comparison])


def test_prediction_files_are_held_against_annotations(made):
    truth = made.folder / "predictions" / "ground_truth.json"
    files = [made.folder / "predictions" / f"{source}.json" for source in ("cbp", "vlp")]
    material = gather(files, truth, "test")
    assert names(material) == [("cbp", "p0", True), ("vlp", "p1", True)]
    assert len(material.truth.segments) == len(made.segments)
    assert material.notes == []
    assert gather(files[:1]).truth is None
    assert "nothing is measured" in gather(files[:1]).notes[0]
    twice = gather([files[0], files[0]], truth)
    assert len({method.name for method in twice.methods}) == 2


def test_a_run_that_brings_no_ground_truth_is_held_against_annotations(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "run")
    truth = shutil.move(tmp_path / "run" / "predictions" / "ground_truth.json", tmp_path / "truth.json")
    assert gather([tmp_path / "run"]).notes == ["No ground truth is known, so nothing is measured."]
    assert len(gather([tmp_path / "run"], truth, "test").truth.segments) == len(made.segments)


def test_detections_in_unknown_videos_count_as_false_as_in_evaluate(made, tmp_path):
    database = json.loads((made.folder / "predictions" / "ground_truth.json").read_text())
    first, second = (video.video_id for video in made.videos[:2])
    database["database"][first]["subset"] = "train"
    database["database"][f"v_{second}"] = database["database"].pop(second)
    (tmp_path / "truth.json").write_text(json.dumps(database))
    file = made.folder / "predictions" / "cbp.json"
    material = gather([file], tmp_path / "truth.json", "test")
    assert f"v_{second}" in set(material.methods[0].detections["video_id"])
    assert material.notes == [
        f"cbp: detections in 1 videos that the ground truth does not have, such as {first}, count as false."
    ]
    truth = load_truth(tmp_path / "truth.json", "test")
    rows, _ = detection_rows(read_predictions(file), truth)
    expected = mean_average_precision(rows, truth.segments, [0.3, 0.5])
    assert list(measure(material.methods[0], material.truth, (0.3, 0.5)).mean_ap.values()) == pytest.approx(expected)
    with pytest.raises(ConfigError, match="subsets test, train: say which one by `--subset`"):
        gather([file], tmp_path / "truth.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "metrics.csv").write_bytes(b"\xff\xfe,"), "metrics.csv cannot be read as text"),
        (lambda f: (f / "about.json").write_text("[]"), "about.json is damaged"),
        (lambda f: (f / "about.json").write_text('{"tious": ["x"]}'), "about.json is damaged"),
        (lambda f: (f / "scores" / "cbp.npz").write_bytes(b"PK"), "cbp.npz is damaged"),
        (lambda f: [shutil.rmtree(f / "predictions"), *(p.unlink() for p in f.glob("*.*"))], "is no run"),
    ],
)
def test_what_is_damaged_is_one_sentence(made, tmp_path, change, message):
    folder = tmp_path / "run"
    shutil.copytree(made.folder, folder)
    change(folder)
    with pytest.raises(PredictionError, match=message) as caught:
        gather([folder])
    assert "\n" not in str(caught.value)


def test_numbers_that_ran_away_leave_gaps(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "run")
    table = pd.read_csv(made.folder / "metrics.csv").astype({"train/cbp/loss": object})
    table.loc[:2, "train/cbp/loss"] = ["inf", "-inf", "much"]
    table.to_csv(tmp_path / "run" / "metrics.csv", index=False)
    (training,) = gather([tmp_path / "run"]).training
    assert training.epochs["train/cbp/loss"].isna().all()
    assert training_charts(training)[0].title == "Losses of CBP"


def test_a_configuration_that_cannot_be_read_is_no_matter(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "run")
    for text in ("!!python/object/apply:os.getcwd []", "{", "- 1"):
        (tmp_path / "run" / "config.yaml").write_text(text)
        assert not gather([tmp_path / "run"]).training[0].exchange
    (tmp_path / "run" / "config.yaml").write_text("model: {init_args: {schedule: {exchange: true}}}")
    assert gather([tmp_path / "run"]).training[0].exchange


def test_what_cannot_be_compared_is_refused(made, tmp_path):
    with pytest.raises(PredictionError, match="does not exist"):
        gather([tmp_path / "nothing"])
    shutil.copytree(made.folder, tmp_path / "other")
    truth = tmp_path / "other" / "predictions" / "ground_truth.json"
    database = json.loads(truth.read_text())
    database["database"].popitem()
    truth.write_text(json.dumps(database))
    with pytest.raises(PredictionError, match="measured on different videos"):
        gather([made.folder, tmp_path / "other"])


def test_a_name_with_a_prefix_is_not_another_video_that_is_predicted_too(tmp_path):
    """As in `wtal evaluate`."""
    (tmp_path / "truth.csv").write_text("video,start,end,label\na,0,1,run\n")
    (tmp_path / "found.csv").write_text("video,start,end,label,score\na,0,1,run,0.5\nv_a,0,1,run,0.9\n")
    material = gather([tmp_path / "found.csv"], tmp_path / "truth.csv")
    assert material.methods[0].detections["video_id"].tolist() == ["a", "v_a"]

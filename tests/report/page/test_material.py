import json
import shutil

import pytest

from wtal.errors import ConfigError, PredictionError
from wtal.functional.average_precision import mean_average_precision
from wtal.report.page.material import gather
from wtal.report.page.measures import measure
from wtal.results.ground_truth import detection_rows, load_truth
from wtal.results.predictions import read_predictions


def names(material):
    return [(method.name, method.colour, method.leading) for method in material.methods]


def test_prediction_files_are_measured_by_annotations(made):
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


def test_a_run_without_ground_truth_is_measured_by_annotations(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "run")
    truth = shutil.move(tmp_path / "run" / "predictions" / "ground_truth.json", tmp_path / "truth.json")
    assert gather([tmp_path / "run"]).notes == ["There is no ground truth, so nothing is measured."]
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
        f"cbp: detections in 1 videos that the ground truth lacks, such as {first}, count as false."
    ]
    truth = load_truth(tmp_path / "truth.json", "test")
    rows, _ = detection_rows(read_predictions(file), truth)
    expected = mean_average_precision(rows, truth.segments, [0.3, 0.5])
    assert list(measure(material.methods[0], material.truth, (0.3, 0.5)).mean_ap.values()) == pytest.approx(expected)
    with pytest.raises(ConfigError, match="subsets test, train: choose one with `--subset`"):
        gather([file], tmp_path / "truth.json")


def test_sources_that_cannot_be_compared_are_refused(made, tmp_path):
    with pytest.raises(PredictionError, match="does not exist"):
        gather([tmp_path / "nothing"])
    shutil.copytree(made.folder, tmp_path / "other")
    truth = tmp_path / "other" / "predictions" / "ground_truth.json"
    database = json.loads(truth.read_text())
    database["database"].popitem()
    truth.write_text(json.dumps(database))
    with pytest.raises(PredictionError, match="measured on different videos"):
        gather([made.folder, tmp_path / "other"])


def test_a_name_with_a_prefix_never_stands_for_a_video_that_is_predicted_itself(tmp_path):
    """As in `wtal evaluate`."""
    (tmp_path / "truth.csv").write_text("video,start,end,label\na,0,1,run\n")
    (tmp_path / "found.csv").write_text("video,start,end,label,score\na,0,1,run,0.5\nv_a,0,1,run,0.9\n")
    material = gather([tmp_path / "found.csv"], tmp_path / "truth.csv")
    assert material.methods[0].detections["video_id"].tolist() == ["a", "v_a"]

import json
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from wtal.errors import PredictionError
from wtal.results.predictions import as_detections, as_table, read_predictions, write_predictions
from wtal.types import Detections

CLASSES = ["Diving", "High Jump, läufe"]


def some():
    first = Detections(
        torch.tensor([0.1, 1 / 3], dtype=torch.float64),
        torch.tensor([2.0, 7.7], dtype=torch.float64),
        torch.tensor([1, 0]),
        torch.tensor([0.9, 1e-7], dtype=torch.float64),
    )
    return {"v_1": first, "v_2": Detections(*(column[:0] for column in first))}


@pytest.mark.parametrize("label", ["a\nb", "a\rb", 'a "b", c', "sep=;"])
def test_a_label_of_any_text_survives_a_table(tmp_path, label):
    write_predictions(tmp_path / "found.csv", some(), [label, CLASSES[1]])
    assert read_predictions(tmp_path / "found.csv")["label"].tolist() == [CLASSES[1], label]


@pytest.mark.parametrize("name", ["found.json", "found.csv"])
def test_what_is_written_is_read_with_all_digits(tmp_path, name):
    write_predictions(tmp_path / "new" / name, some(), CLASSES)
    table = read_predictions(tmp_path / "new" / name)
    pd.testing.assert_frame_equal(table, as_table(some(), CLASSES), check_exact=True)
    back = as_detections(table, CLASSES)
    assert list(back) == ["v_1"]
    assert all(torch.equal(a, b) for a, b in zip(back["v_1"], some()["v_1"], strict=True))
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_the_json_has_activitynets_format(tmp_path):
    write_predictions(tmp_path / "found.json", some(), CLASSES)
    content = json.loads((tmp_path / "found.json").read_text())
    assert set(content) == {"version", "results", "external_data"}
    assert content["results"]["v_1"][0] == {"label": CLASSES[1], "score": 0.9, "segment": [0.1, 2.0]}
    assert content["results"]["v_2"] == []


def test_reads_results_alone_and_columns_by_other_names(tmp_path):
    one = {"label": "a", "score": 1, "segment": [0, 2.5]}
    (tmp_path / "opentad.json").write_text(json.dumps({"results": {"v": [one], "w": []}}))
    (tmp_path / "own.csv").write_text("video,start,end,label,score\nv,0,2.5,a,1\n")
    (tmp_path / "official.csv").write_text("Video-ID, T-Start, T-End, Label, Score\nv, 0, 2.5, a, 1\n")
    (tmp_path / "spreadsheet.csv").write_text("video;start;end;label;score\nv;0;2,5;a;1\n")
    for name in ("opentad.json", "own.csv", "official.csv", "spreadsheet.csv"):
        assert read_predictions(tmp_path / name).to_numpy().tolist() == [["v", "a", 0.0, 2.5, 1.0]]


def test_reads_real_predictions(shared):
    table = read_predictions(shared / "data/predictions/detection_result_base_train.json")
    assert (len(table), table["video_id"].nunique(), table["label"].nunique()) == (33895, 200, 20)


def test_detections_come_best_first():
    table = pd.DataFrame({"video_id": "v", "label": "a", "start_s": [0.0, 1.0], "end_s": 2.0, "score": [0.1, 0.9]})
    assert as_detections(table, ["a"])["v"].start_s.tolist() == [1.0, 0.0]


def one(**changes):
    return json.dumps({"results": {"v": [{"label": "a", "score": 0.5, "segment": [0, 1]} | changes]}})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", "{", "not valid JSON"),
        ("x.json", "[]", "has no `results`"),
        ("x.json", '{"results": {"v": {}}}', "video v must be a list"),
        ("x.json", one(segment=[1]), "video v must have `label`, `score` and a `segment`"),
        ("x.json", one(segment=[2, 1]), "video v ends before it starts"),
        ("x.json", one(score=None), "must be finite numbers"),
        ("x.json", one(score=float("nan")), "must be finite numbers"),
        ("x.json", one(label="\ud800"), "is not valid text"),
        ("x.json", one(label=[3]), "it must be a class name"),
        ("x.json", one(label=""), "it must be a class name"),
        ("x.csv", "video,label,score\n", "lacks the column 'start_s'"),
        ("x.csv", "video,label,start,end,score\nv,a,0,x,1\n", "must be finite numbers"),
        ("x.doc", "", "unknown extension for predictions"),
        ("x.csv", "", "lacks the column 'video_id'"),
        ("x.csv", "video,label,start,end,score\nv,a,0\n", "line 2: 5 columns expected, 3 found"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(PredictionError, match=message) as caught:
        read_predictions(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_an_unknown_label_and_nan_are_refused(tmp_path):
    with pytest.raises(PredictionError, match="does not exist"):
        read_predictions(tmp_path / "none.json")
    with pytest.raises(PredictionError, match="'Diving' predicted in video v_1"):
        as_detections(as_table(some(), CLASSES), CLASSES[1:])
    broken = {"v": some()["v_1"]._replace(score=torch.tensor([0.5, torch.nan]))}
    with pytest.raises(PredictionError, match="video v has start, end and score"):
        write_predictions(tmp_path / "x.json", broken, CLASSES)
    with pytest.raises(PredictionError, match=r"must end in \.json or \.csv"):
        write_predictions(tmp_path / "x.txt", some(), CLASSES)
    assert list(tmp_path.iterdir()) == []


def test_reading_and_measuring_a_file_needs_no_torch():
    code = (
        "import sys, wtal.results.predictions, wtal.functional.average_precision, wtal.metrics.error_analysis;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "Video,Label,Start,End,Score\nv.mp4,a,0,2.5,1\n",
        "video id;class;t-start;t-end;confidence\nclips/v.MOV;a;0;2,5;1\n",
        "filename\tlabel\tstart_time\tend_time\tscore\nv\ta\t00:00.0\t0:00:02.5\t1\n",
        "# found by me\nvideo-id, t-start, t-end, label, score\n v , 0, 2.5, a, 1\n",
        "video,start_ms,end_ms,label,score\nv,0,2500,a,1\n",
    ],
)
def test_tables_as_annotations_may_be_written(tmp_path, text):
    (tmp_path / "own.csv").write_text(text)
    assert read_predictions(tmp_path / "own.csv").to_numpy().tolist() == [["v", "a", 0.0, 2.5, 1.0]]


def test_labels_may_be_numbers(tmp_path):
    (tmp_path / "x.json").write_text(one(label=3))
    (tmp_path / "x.csv").write_text("video,label,start,end,score\nv,3,0,1,0.5\n")
    for name in ("x.json", "x.csv"):
        assert read_predictions(tmp_path / name).to_numpy().tolist() == [["v", "3", 0.0, 1.0, 0.5]]


def test_a_video_that_json_names_twice_keeps_all(tmp_path):
    first, second = ('[{"label": "a", "score": 1, "segment": [%d, 9]}]' % start for start in (0, 1))  # noqa: UP031
    (tmp_path / "x.json").write_text(f'{{"results": {{"v": {first}, "v": {second}}}}}')
    assert read_predictions(tmp_path / "x.json")["start_s"].tolist() == [0, 1]


def test_actionformers_columns_in_a_pickle(tmp_path):
    columns = {
        "video-id": ["v", "w"],
        "t-start": np.array([1, 3], np.float32),
        "t-end": np.array([5, 9], np.float32),
        "label": np.array([0, 1]),
        "score": np.array([0.5, 0.25], np.float32),
    }
    (tmp_path / "eval_results.pkl").write_bytes(pickle.dumps(columns))
    found = read_predictions(tmp_path / "eval_results.pkl")
    assert found.to_numpy().tolist() == [["v", "0", 1, 5, 0.5], ["w", "1", 3, 9, 0.25]]
    for content, message in (
        ([1], "holds no columns"),
        (columns | {"label": np.array([0])}, "columns of different lengths"),
        ({"video-id": ["v"]}, "lacks the column 'label'"),
        ({"a": pd.Series([1])}, "is refused.*save the predictions as a table in CSV"),
    ):
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(PredictionError, match=rf"x.pkl.*{message}"):
            read_predictions(tmp_path / "x.pkl")


def test_a_list_of_rows_in_json(tmp_path):
    rows = [{"video_id": "v.mp4", "label": "a", "segment": [0, 2.5], "score": 1}]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    assert read_predictions(tmp_path / "x.json").to_numpy().tolist() == [["v", "a", 0.0, 2.5, 1.0]]
    (tmp_path / "x.json").write_text(json.dumps([{"video": "v", "label": "a"}]))
    with pytest.raises(PredictionError, match="lacks the column 'start_s'"):
        read_predictions(tmp_path / "x.json")


@pytest.mark.parametrize(
    "content",
    [
        {"v_1": [{"label": "run", "segment": [1, 2.5], "score": 0.9}], "v_2": []},
        {"results": {"v_1": [{"label": "run", "start": 1, "end": 2.5, "score": 0.9}]}},
        {"results": [{"video_id": "v_1", "label": "run", "segment": [1, 2.5], "score": 0.9}]},
        {"v_1": [{"class": "run", "t-start": "1", "t-end": "2.5", "confidence": 0.9}]},
    ],
)
def test_predictions_of_each_video_in_other_forms(tmp_path, content):
    (tmp_path / "found.json").write_text(json.dumps(content))
    (tmp_path / "found.pkl").write_bytes(pickle.dumps(content))
    for name in ("found.json", "found.pkl"):
        assert read_predictions(tmp_path / name).to_numpy().tolist() == [["v_1", "run", 1, 2.5, 0.9]]


@pytest.mark.parametrize(
    "content",
    [{"detections": [{"video": "a", "label": "run", "segment": [1, 2], "score": 1}]}, {"a": [[1, 2]]}, {}],
)
def test_an_object_without_results_of_videos_is_refused(tmp_path, content):
    (tmp_path / "found.json").write_text(json.dumps(content))
    with pytest.raises(PredictionError, match="no `results` of videos"):
        read_predictions(tmp_path / "found.json")

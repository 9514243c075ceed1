import json
import subprocess
import sys

import pandas as pd
import pytest

from wtal.commands.main import main

TRUTH = {
    "v_1": {
        "subset": "val",
        "annotations": [{"label": "run", "segment": [0, 10]}, {"label": "run", "segment": [20, 30]}],
    },
    "v_2": {
        "subset": "val",
        "annotations": [{"label": "jump", "segment": [5, 9]}, {"label": "jump", "segment": [7, 7]}],
    },
}
FOUND = {
    "v_1": [
        {"label": "run", "score": 0.9, "segment": [0, 10]},
        {"label": "run", "score": 0.8, "segment": [50, 60]},
        {"label": "run", "score": 0.7, "segment": [20, 27]},
    ],
    "v_2": [{"label": "jump", "score": 0.5, "segment": [5, 9]}],
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "truth.json").write_text(json.dumps({"database": TRUTH}))
    (tmp_path / "ours.json").write_text(json.dumps({"results": FOUND}))
    return tmp_path


def run(*words):
    return main(["evaluate", *words, "--annotations", "truth.json"])


def test_writes_fractions_by_the_names_that_others_rely_on(files):
    assert (
        run("ours.json", "--subset", "val", "--protocol", "opentad", "--tious", "0.5", "0.8", "--output", "o.json") == 0
    )
    content = json.loads((files / "o.json").read_text())
    assert content["mAP"] == pytest.approx({"0.5": ((1 + 2 / 3) / 2 + 1) / 2, "0.8": (0.5 + 1) / 2})
    assert content["average"] == pytest.approx({"0.5:0.8": (((1 + 2 / 3) / 2 + 1) / 2 + 0.75) / 2})
    assert content["per_class"]["run"] == pytest.approx({"0.5": (1 + 2 / 3) / 2, "0.8": 0.5})
    assert content["recall"] == {"1x": {"0.5": 0.75, "0.8": 0.75}, "5x": {"0.5": 1.0, "0.8": 0.75}}
    assert (content["videos"], content["instances"], content["detections"]) == (2, 3, 4)
    assert content["protocol"] == "opentad"
    assert content["dropped"] == {"empty instances": 1, "repeated instances": 0, "ambiguous detections": 0}


def test_prints_a_table_with_its_notes(files, capsys):
    assert run("ours.json", "--per-class") == 0
    text = capsys.readouterr().out
    for words in (
        "0.5:0.95",
        "activitynet-official",
        "2 videos, 4 instances of 2 classes",
        "jump",
        "ours: 4 detections.",
    ):
        assert words in text


def test_several_sets_side_by_side_and_folders_of_parts(files):
    parts = files / "parts"
    parts.mkdir()
    for name, found in FOUND.items():
        (parts / f"{name}.json").write_text(json.dumps({"results": {name: found}}))
    assert run("ours.json", "parts", "--output", "o.csv", "--names", "whole", "in parts") == 0
    table = pd.read_csv(files / "o.csv", index_col=["predictions", "class"])
    assert table.loc[("whole", "mean")].equals(table.loc[("in parts", "mean")])
    assert run("ours.json", "parts", "--output", "o.md", "--per-class") == 0
    lines = (files / "o.md").read_text().splitlines()
    assert lines[2].startswith("| ours | 66.67 |")
    assert "| jump | 50.00 |" in lines[7]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.json"], "none.json does not exist: give a prediction file."),
        (
            ["ours.json", "--subset", "test"],
            "truth.json has no video of subset 'test'; its subsets are: 'val' (2 videos).",
        ),
        (["ours.json", "--protocol", "official"], "protocol"),
        (["ours.json", "--tious", "0.5", "1.5"], "--tious must lie in (0, 1], got 0.5, 1.5."),
        (["ours.json", "--output", "o.xlsx"], "o.xlsx must end in .json, .csv or .md"),
        (["ours.json", "--names", "a", "b"], "--names gives 2 names for 1 sets of predictions."),
        (["ours.json", "--subsets", "ours.json"], "ours.json"),
        (["ours.json", "--ambiguous", "truth.json"], "truth.json, line 1: expected `video start end`"),
        (["ours.json", "--test-list", "210"], "truth.json has no video of subset 'test'"),
        (["other.json"], "The label 'swim' predicted in video v_1 has no instance"),
        (["nan.json"], "nan.json: a prediction of video v_1 has start, end and score 0, nan, 0.9"),
        (["empty.json"], "empty.json is not valid JSON"),
        (["twice"], "both have predictions of video v_1"),
        (["nothing"], "nothing holds no .json, .csv, .tsv or .pkl file"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(files, capsys, words, message):
    one = {"label": "swim", "score": 0.9, "segment": [0, 1]}
    (files / "other.json").write_text(json.dumps({"results": {"v_1": [one]}}))
    (files / "nan.json").write_text(json.dumps({"results": {"v_1": [one | {"segment": [0, float("nan")]}]}}))
    (files / "empty.json").write_text("")
    (files / "nothing").mkdir()
    (files / "twice").mkdir()
    for name in ("a.json", "b.json"):
        (files / "twice" / name).write_text(json.dumps({"results": {"v_1": []} | {"v_1": [one]}}))
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith("wtal: error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (files / "o.xlsx").exists()


def test_nothing_is_measured_where_the_rules_leave_out_all_instances(files, capsys):
    (files / "points.csv").write_text("video,label,start,end\nv_1,run,3,3\n")
    assert main(["evaluate", "ours.json", "--annotations", "points.csv", "--protocol", "opentad"]) == 2
    assert "points.csv has no instance in all videos that opentad counts, as each ends" in capsys.readouterr().err


def test_needs_neither_torch_nor_lightning(files):
    code = (
        "import sys; from wtal.commands.main import main; "
        "code = main(['evaluate', 'ours.json', '--annotations', 'truth.json']); "
        "print(code, sorted({'torch', 'pytorch_lightning', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("protocol", ["activitynet-official", "opentad", "actionformer", "co2net", "wtalc"])
def test_the_command_gives_the_published_value_of_real_proposals(shared, tmp_path, protocol):
    data = shared / "data"
    entries = json.loads((data / "predictions/expected_map.json").read_text())["thumos14_train_pmil_base"]
    start = protocol.removeprefix("activitynet-")
    value = next(entry for name, entry in entries.items() if name.startswith(start) and "mAP" in entry)
    words = [data / "predictions/detection_result_base_train.json", "--annotations", data / "thumos14/gt.json"]
    options = ["--subset", "train", "--protocol", protocol, "--output", tmp_path / "o.json"]
    assert main(["evaluate", *map(str, [*words, *options])]) == 0
    content = json.loads((tmp_path / "o.json").read_text())
    assert list(content["mAP"].values()) == pytest.approx(value["mAP"], abs=1e-9)
    for span in ("0.1:0.5", "0.1:0.7", "0.3:0.7"):
        assert content["average"][span] == pytest.approx(value[f"average_{span}"], abs=1e-9)

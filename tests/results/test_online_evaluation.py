"""``wtal evaluate --online``: detections of streams against segments."""

import json

import pytest

from wtal.commands.main import main
from wtal.errors import PredictionError
from wtal.results.emissions import emission_line, read_lines

TRUTH = "video,label,start,end,subset\nfilm,run,0,10,test\nfilm,run,20,30,test\nother,jump,5,9,test\n"
FOUND = [
    ("film", "run", 0.0, 9.0, 0.9, 10.5),  # half a second after the end
    ("film", "run", 20.0, 30.0, 0.8, 29.0),  # before its own end: does not count
    ("other", "jump", 5.0, 9.0, 0.7, 10.5),  # one and a half
    ("film", "fly", 5.0, 9.0, 0.7, 10.5),  # no such class
]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "truth.csv").write_text(TRUTH)
    (tmp_path / "live.jsonl").write_text("\n".join(emission_line(*row) for row in FOUND) + "\n\n")
    results = {}
    for video, label, start, end, score, emitted in FOUND:
        row = {"label": label, "segment": [start, end], "score": score, "gentime": emitted}
        results.setdefault(video, []).append(row)
    (tmp_path / "matr.json").write_text(json.dumps({"version": "VERSION 1", "results": results, "external_data": {}}))
    return tmp_path


@pytest.mark.parametrize("name", ["live.jsonl", "matr.json"])
def test_average_precision_and_delay_by_hand(files, name, capsys):
    out = files / "numbers.json"
    words = ["evaluate", str(files / name), "--annotations", str(files / "truth.csv"), "--online"]
    assert main([*words, "true", "--tious", "0.5", "0.95", "--output", str(out)]) == 0
    numbers = json.loads(out.read_text())
    assert numbers["mAP"] == {"0.5": 0.75, "0.95": 0.5, "mean": 0.625}  # a half of the runs, and the jump
    assert numbers["delay_s"] == {"0.5": 1.0, "0.95": 1.5, "mean": 1.25}
    assert (numbers["found"], numbers["early"], numbers["instances"]) == ({"0.5": 2, "0.95": 1}, 1, 3)
    printed = capsys.readouterr().out
    assert "delay s" in printed
    assert "75.00" in printed
    assert "1 detection ended after the emission" in printed


def test_tables_are_written_too(files):
    words = ["evaluate", str(files / "live.jsonl"), "--annotations", str(files / "truth.csv"), "--online", "true"]
    assert main([*words, "--output", str(files / "n.md"), "--per_class", "true"]) == 0
    assert "delay s" in (files / "n.md").read_text()
    assert main([*words, "--output", str(files / "n.csv")]) == 0
    assert (files / "n.csv").read_text().startswith("predictions,,0.5,")


def test_without_times_of_emission_it_is_one_sentence(files, capsys):
    (files / "plain.json").write_text(
        json.dumps({"results": {"film": [{"label": "run", "segment": [0, 1], "score": 1}]}})
    )
    (files / "plain.csv").write_text("video,label,start,end,score\nfilm,run,0,1,0.5\n")
    words = ["--annotations", str(files / "truth.csv"), "--online", "true"]
    for name, sentence in (("plain.json", "must have `emitted`"), ("plain.csv", "give the .jsonl")):
        assert main(["evaluate", str(files / name), *words]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["evaluate", str(files / "live.jsonl"), *words, "--protocol", "opentad"]) == 2
    assert "leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"), [("{}\nnot\n", "line 2 is no JSON"), ("[1]\n", "line 1 must be a JSON object")]
)
def test_a_broken_line_is_named(tmp_path, text, sentence):
    (tmp_path / "live.jsonl").write_text(text)
    with pytest.raises(PredictionError, match=sentence):
        read_lines(tmp_path / "live.jsonl")

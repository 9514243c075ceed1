"""The table of everything that was trained, and a model card, from records alone."""

from pathlib import Path

import pytest
import yaml

from wtal.commands.main import main
from wtal.errors import ConfigError
from wtal.results.model_card import model_card
from wtal.results.record import Record, read_record, write_record
from wtal.results.zoo import described, zoo, zoo_page

HEADS = {"cbp": "wtal.nn.heads.CO2Head", "vlp": "wtal.nn.heads.TextHead"}
CONFIG = {
    "model": {
        "class_path": "wtal.collaboration.CollaborationModule",
        "init_args": {
            "schedule": {"warm_up": 4, "pattern": "FB"},
            **{name: {"init_args": {"head": {"class_path": path}}} for name, path in HEADS.items()},
        },
    },
    "trainer": {"max_epochs": 12},
}
RECORD = Record(
    {"test/cbp/mAP": 0.25, "test/fused/mAP@0.5": 0.5, "test/fused/mAP": 0.375, "val/fused/mAP": 0.9},
    config=CONFIG,
    identity="0123456789abcdef",
    seed=3,
    seconds=61.4,
    model="CollaborationModule",
    features="made up",
    benchmark="toy",
    memory_mib=512.3,
    command="wtal fit -c configs/synthetic.yaml",
)


def test_a_row_has_all_that_the_record_says(tmp_path: Path):
    write_record(tmp_path / "runs" / "one" / "record.json", RECORD)
    row = zoo([tmp_path / "runs"]).iloc[0].to_dict()
    assert row == {
        "method": "CollaborationModule",
        "configuration": "CollaborationModule (CO2Head + TextHead; warm-up 4, FB; 12 epochs)",
        "benchmark": "toy",
        "features": "made up",
        "numbers": "mAP@0.5 50.0, mAP 37.5",
        "seed": "3",
        "seconds": "61",
        "memory": "512 MiB",
        "digest": "0123456789abcdef",
        "command": "`wtal fit -c configs/synthetic.yaml`",
    }


def test_a_run_of_a_comparison_is_a_row_for_each_method(tmp_path: Path):
    compared = {**vars(RECORD), "methods": {"cbp": "cbp", "late_fusion": "fused"}, "command": ""}
    write_record(tmp_path / "record.json", Record(**compared))
    table = zoo([tmp_path]).set_index("method")
    assert table["numbers"].to_dict() == {"cbp": "mAP 25.0", "late_fusion": "mAP@0.5 50.0, mAP 37.5"}
    assert set(table["command"]) == {"not recorded"}


def test_a_run_that_was_not_tested_says_so(tmp_path: Path):
    write_record(tmp_path / "record.json", Record({"val/mAP": 0.5}, model="CBPBranch"))
    assert zoo([tmp_path]).iloc[0]["numbers"] == "mAP 50.0 (held-out videos)"


def test_a_count_of_videos_is_no_source(tmp_path: Path):
    fitted = Record({"val/fused/mAP": 0.5, "val/videos": 24.0}, identity="1", model="CollaborationModule")
    write_record(tmp_path / "record.json", fitted)
    assert zoo([tmp_path]).iloc[0]["numbers"] == "mAP 50.0 (held-out videos)"


def test_of_equal_runs_the_newest_counts(tmp_path: Path):
    for name, value in (("old", 0.1), ("new", 0.2)):
        write_record(tmp_path / name / "record.json", Record(**{**vars(RECORD), "metrics": {"test/mAP": value}}))
    assert list(zoo([tmp_path])["numbers"]) == ["mAP 20.0"]


def test_the_page_states_its_command_and_keeps_cells_apart(tmp_path: Path):
    write_record(tmp_path / "runs" / "record.json", Record(**{**vars(RECORD), "benchmark": "a|b"}))
    output = tmp_path / "zoo.md"
    assert main(["zoo", str(tmp_path / "runs"), "--output", str(output)]) == 0
    text = output.read_text()
    assert f"`wtal zoo {tmp_path / 'runs'} --output {output}`" in text
    assert r"a\|b" in text
    assert zoo_page(zoo([tmp_path / "runs"]), "x").count("\n| ") == 3


def test_no_measured_run_is_one_sentence(tmp_path: Path):
    write_record(tmp_path / "record.json", Record({}))
    with pytest.raises(ConfigError, match=r"There is no measured run in .*: train with `--then_test true`"):
        zoo([tmp_path])
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        zoo([tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match=r"record.json is a file: give the folder of a run"):
        zoo([tmp_path / "record.json"])
    assert main(["zoo", str(tmp_path), "--output", str(tmp_path / "zoo.txt")]) == 2


def test_a_description_of_nothing_is_empty():
    assert described({}) == ""


def test_a_model_card_is_made_of_the_record():
    card = model_card(RECORD, "me/run", [f"class {n}" for n in range(50)])
    assert yaml.safe_load(card.split("---")[1]) == {
        "library_name": "wtal",
        "tags": ["temporal-action-localization", "weakly-supervised", "wtal"],
    }
    assert "| fused | 37.5 | 50.0 |" in card.replace("| fused | 50.0 | 37.5 |", "| fused | 37.5 | 50.0 |")
    for line in ("- seed: 3", "- training: 61 s", "- digest: 0123456789abcdef", "--checkpoint hf://me/run"):
        assert line in card
    assert card.rstrip().endswith("class 39, and 10 more")
    assert "The run was not measured." in model_card(Record({}), "me/run", ["a"])


def test_a_record_keeps_its_command(tmp_path: Path):
    write_record(tmp_path / "record.json", RECORD)
    record = read_record(tmp_path / "record.json")
    assert record is not None
    assert record.command == RECORD.command

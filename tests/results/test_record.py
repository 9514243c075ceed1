import json

import pytest

from wtal.errors import ConfigError
from wtal.results import Identity, Record, read_record
from wtal.results.record import config_texts_digest, write_record

CONFIG = {"seed_everything": 3, "trainer": {"max_epochs": 4}, "model": {"class_path": "wtal.branches.CBPBranch"}}


def test_is_read_as_it_was_written(tmp_path):
    record = Record(
        metrics={"val/mAP": 0.25, "test/fused/mAP": 0.5},
        selected={"test/fused/mAP": 0.75},
        config=CONFIG,
        identity=Identity.of(CONFIG).digest,
        seed=3,
        seconds=1.5,
        benchmark="toy",
        memory_mib=100.0,
        versions={"torch": "2"},
        methods={"cbp": "cbp"},
        annotations="gt.json (sha256 00)",
        chosen={"fusion.probability": 0.5},
    )
    write_record(tmp_path / "record.json", record)
    assert read_record(tmp_path / "record.json") == record
    assert json.loads((tmp_path / "record.json").read_text())["schema"] == 2
    assert record.length == (4, None, None)
    assert record.is_tested


def test_that_of_fit_before_version_0_2_is_read(tmp_path):
    old = {
        "config": CONFIG, "seed": 3, "model": "CBPBranch", "features": "made up", "protocol": "toy", "weights": "",
        "metrics": {"val/mAP": 0.5}, "selected": None, "seconds": 2.0, "memory_mib": 9.0, "git": "abc",
        "versions": {"torch": "2"},
    }  # fmt: skip
    (tmp_path / "record.json").write_text(json.dumps(old))
    record = read_record(tmp_path / "record.json")
    assert (record.benchmark, record.seconds, record.config) == ("toy", 2.0, CONFIG)
    assert record.identity == Identity.of(CONFIG).digest
    assert not record.is_tested


def test_that_of_compare_before_version_0_2_is_read(tmp_path):
    texts = ["seed_everything: 0\n", "model: {}\n"]
    old = {
        "config": texts, "metrics": {"test/fused/mAP": 0.5}, "train_seconds": 7.0, "features": "made up",
        "protocol": "toy", "weights": "x",
    }  # fmt: skip
    (tmp_path / "record.json").write_text(json.dumps(old))
    record = read_record(tmp_path / "record.json")
    assert (record.benchmark, record.seconds, record.weights, record.config) == ("toy", 7.0, "x", {})
    assert record.identity == config_texts_digest(texts) != config_texts_digest(texts[:1])


@pytest.mark.parametrize("text", ["[]", "{}", '{"results": {}}', "3"])
def test_a_file_of_another_program_is_none(tmp_path, text):
    (tmp_path / "record.json").write_text(text)
    assert read_record(tmp_path / "record.json") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": {"test/mAP": "much"}}, "'test/mAP' is 'much'"),
        ({"metrics": 1e13}, "is 1"),
        ({"seed": "zero"}, "its seed is 'zero'"),
        ({"config": 3}, "its config is 3"),
        ({"seconds": None}, "'seconds' is None"),
        ({"schema": 3}, "has the form 3 of a newer version of wtal"),
    ],
)
def test_what_is_damaged_or_newer_is_one_sentence(tmp_path, change, message):
    (tmp_path / "record.json").write_text(json.dumps({"schema": 2, "metrics": {}, **change}))
    with pytest.raises(ConfigError, match=message) as caught:
        read_record(tmp_path / "record.json")
    assert "record.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("max_time", [{"days": 1, "hours": 2}, "01:02:00:00", None, []])
def test_a_length_is_equal_to_itself_and_can_be_looked_up_whatever_limits_it(max_time):
    lengths = {Record({}, config={"trainer": {"max_epochs": 3, "max_time": limit}}).length for limit in (max_time, "x")}
    assert len(lengths) == 2
    assert Record({}, config={"trainer": {"max_epochs": 3, "max_time": max_time}}).length in lengths

import pandas as pd
import pytest
import yaml

from wtal.data.annotations import read_annotations
from wtal.data.own_videos import configuration
from wtal.data.profiles import is_dense, profile_remarks
from wtal.io.shipped import shipped_configs

ONE, SEVERAL = pd.Series([["run"], ["jump"], []]), pd.Series([["run", "jump"], ["jump"], []])


def shipped(name):
    return yaml.safe_load(shipped_configs()[name].read_text())


def merged(first, second):
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second
    return first | {key: merged(first.get(key), value) for key, value in second.items()}


def test_videos_of_several_labels_are_dense_and_those_without_any_do_not_count():
    assert is_dense(SEVERAL)
    assert not is_dense(ONE)
    assert not is_dense(pd.Series([[], []]))


def test_the_profile_is_recommended_to_a_collaboration_with_other_values():
    (sentence,) = profile_remarks([shipped("custom.yaml")], SEVERAL)
    assert "1.5 labels on average: `-c profiles/dense.yaml`" in sentence
    assert not list(profile_remarks([shipped("custom.yaml")], ONE))
    assert not list(profile_remarks([shipped("custom.yaml"), shipped("profiles/dense.yaml")], SEVERAL))
    assert not list(profile_remarks([shipped("thumos14/cbp.yaml")], SEVERAL))


@pytest.mark.parametrize(
    ("rows", "profile"), [("a,run\nb,jump\n", {}), ("a,run\na,jump\nb,jump\n", "profiles/dense.yaml")]
)
def test_init_writes_the_values_of_the_profile_that_suits(tmp_path, rows, profile):
    table = tmp_path / "labels.csv"
    table.write_text("video,label\n" + rows)
    written = yaml.safe_load(configuration(read_annotations(table), tmp_path))
    expected = merged(shipped("custom.yaml"), shipped(profile) if profile else {})["model"]["init_args"]
    for part in (written["model"]["init_args"], expected):
        part["schedule"] |= {"warm_up": 0, "period": 0}  # they depend on the number of videos
    assert written["model"]["init_args"] == expected

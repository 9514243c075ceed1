"""The common part of all readers; ``tests/fuzz`` covers the readers themselves."""

import json
import zipfile

import pytest
import torch

from wtal.errors import ConfigError, PredictionError
from wtal.io.bounds import check_size, check_torch_archive, is_bounded, read_json, read_yaml


@pytest.mark.parametrize("text", ["{", "[" * 10**6, "9" * 10**5, "\ufeff"])
def test_invalid_json_is_one_sentence(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(PredictionError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json", PredictionError)


@pytest.mark.parametrize("name", ["none.json", "a\0b", "x" * 300, "\ud800"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    with pytest.raises(PredictionError, match="cannot be read"):
        read_json(tmp_path / name, PredictionError)


def test_json_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_text("\ufeff[1]", encoding="utf-8")
    assert read_json(tmp_path / "a.json", PredictionError) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "[" * 10_000,
        "a: 2020-13-45",
        "a: " + "9" * 10_000,
        "? [a]\n: b",
        "!!python/object/apply:os.getcwd []",
        "a: &a [*a]",
        "x: " + "y" * 2**21,
        "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else '0'] * 10)}]\n" for i in range(12)),
    ],
)
def test_an_invalid_configuration_is_one_sentence(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"a\.yaml (cannot be read as YAML|expands to more than)"):
        read_yaml(tmp_path / "a.yaml", ConfigError)


def test_aliases_are_allowed(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a {lr: 0.5}\nb: *a\n")
    assert read_yaml(tmp_path / "a.yaml", ConfigError) == {"a": {"lr": 0.5}, "b": {"lr": 0.5}}


def test_bounds_count_a_value_at_every_place_that_holds_it():
    wide = {"a": [1, 2, (3, "four")]}
    assert is_bounded(wide, 8)
    assert not is_bounded(wide, 6)
    assert not is_bounded([torch.zeros(100)] * 10, 3000)


def test_an_array_may_not_unpack_to_far_more_than_is_stored():
    check_size(2**26, 1)
    check_size(10**9, 10**7)
    with pytest.raises(ValueError, match="out of 1000"):
        check_size(10**9, 1000)


def test_a_compressed_archive_of_torch_is_refused(tmp_path):
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    check_torch_archive(tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as plain, zipfile.ZipFile(tmp_path / "b.pt", "w", 8) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(ValueError, match="compressed"):
        check_torch_archive(tmp_path / "b.pt")
    (tmp_path / "c.pt").write_text(json.dumps([]))
    check_torch_archive(tmp_path / "c.pt")

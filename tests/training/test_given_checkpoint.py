import pickle
from pathlib import Path

import pytest
import torch

from wtal.errors import CheckpointError
from wtal.training.given_checkpoint import given_checkpoint

WHOLE = {"state_dict": {}, "pytorch-lightning_version": "2.5.0", "optimizer_states": [], "loops": {}}


def without(*names: str) -> dict[str, object]:
    return {name: value for name, value in WHOLE.items() if name not in names}


@pytest.fixture
def write(tmp_path: Path):
    def write(content: object, name: str = "a.ckpt") -> str:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, tmp_path / name)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_a_checkpoint_of_a_training_is_taken(write, command):
    assert given_checkpoint(write(WHOLE), command) == write(WHOLE)


def test_a_folder_means_its_newest_last_checkpoint(write, tmp_path):
    file = write(WHOLE, "runs/a/version_0/checkpoints/last.ckpt")
    assert given_checkpoint(str(tmp_path / "runs" / "a"), "test") == file
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"There is no last\.ckpt in .*"):
        given_checkpoint(str(tmp_path / "empty"), "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no state_dict"),
        ([], "no state_dict"),
        (torch.zeros(3), "no state_dict"),
        ({"weight": torch.zeros(3)}, "no state_dict"),  # the weights of a plain torch module
        ({"state_dict": {}, "epoch": 3}, "no pytorch-lightning_version"),
    ],
)
def test_a_checkpoint_of_another_program_is_refused_by_name(write, content, message):
    with pytest.raises(CheckpointError, match=f"a.ckpt is not a checkpoint of this project, as it has {message}"):
        given_checkpoint(write(content), "test")


@pytest.mark.parametrize("missing", ["optimizer_states", "loops"])
def test_weights_alone_can_be_tested_but_not_trained_on(write, missing):
    file = write(without(missing))
    assert given_checkpoint(file, "test") == file
    with pytest.raises(CheckpointError, match=r"a.ckpt holds weights without the state of their training"):
        given_checkpoint(file, "fit")


@pytest.mark.parametrize("content", [b"", b"weights", pickle.dumps({"state_dict": 1}), b"PK\x03\x04 cut"])
def test_any_other_file_is_refused_by_name(tmp_path, content):
    file = tmp_path / "a.ckpt"
    file.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"a\.ckpt is not.*give the last\.ckpt of a run" if content else "is empty;"
    ):
        given_checkpoint(str(file), "test")


def test_a_missing_file_is_refused_by_name():
    with pytest.raises(CheckpointError, match=r"nowhere\.ckpt does not exist: give a checkpoint"):
        given_checkpoint("nowhere.ckpt", "fit")


@pytest.mark.parametrize("word", ["last", "best", "hpc"])
def test_fit_knows_no_last_checkpoint_of_its_own_process(word):
    with pytest.raises(CheckpointError, match=f"`--ckpt_path {word}` names .*`--resume true`"):
        given_checkpoint(word, "fit")
    assert given_checkpoint(word, "test") == word

"""Checkpoints are whole or not there, also on a full disk and beside a temporary folder on another file system."""

import errno
from pathlib import Path

import pytest
import torch

from wtal.errors import CheckpointError
from wtal.training.atomic import AtomicCheckpoints


def test_the_former_checkpoint_stays_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, io = tmp_path / "new" / "last.ckpt", AtomicCheckpoints()
    io.save_checkpoint({"epoch": 1}, path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))  # nothing is written elsewhere
    written = Path.write_bytes

    def half(self: Path, data: memoryview) -> int:
        written(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(CheckpointError, match=r"last.ckpt cannot be written \(No space left on device\); make room"):
        io.save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]
    monkeypatch.undo()
    io.save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 2}


def test_it_is_what_a_trainer_uses(toy: Path) -> None:
    from wtal.training.cli import WTALCLI

    cli = WTALCLI(["-c", str(toy)], run=False)
    assert isinstance(cli.trainer.strategy.checkpoint_io, AtomicCheckpoints)


def test_a_full_disk_in_a_fit_is_one_sentence(toy: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from wtal.commands.main import main

    def full(self: Path, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["fit", "-c", str(toy)]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("wtal: error: ")
    assert "last.ckpt cannot be written" in last

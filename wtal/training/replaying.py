"""Repeat an asynchronous training, and compare."""

from pathlib import Path

import torch

from wtal.errors import CheckpointError, ConfigError
from wtal.io.bounds import read_checkpoint
from wtal.results.run_folder import RunFolder
from wtal.training.asynchronous import supervise

__all__ = ["replay"]


def replay(run: RunFolder, output: Path) -> list[str]:
    """Repeat the training of both branches by their journals.

    Args:
        run: Folder of a finished asynchronous run.
        output: New folder of the repeated training.

    Returns:
        Names of the branches.

    Raises:
        ConfigError: If the run is not a finished asynchronous one, or the output exists.
        CheckpointError: If a weight differs from that of the run.
    """
    names = sorted(path.parent.name for path in run.asynchronous.glob("*/journal.jsonl"))
    if len(names) != 2 or not run.last.is_file():
        raise ConfigError(f"{run} is not a finished run of `wtal fit --asynchronous`: give the folder of one.")
    if output.exists():
        raise ConfigError(f"{output} exists: give a new folder by `--output`.")
    repeated = supervise(run, names, output)
    for name in names:
        former = RunFolder(run.asynchronous / name).last
        _compare(read_checkpoint(former)["state_dict"], read_checkpoint(repeated[name])["state_dict"], name)
    return names


def _compare(former: dict[str, torch.Tensor], repeated: dict[str, torch.Tensor], branch: str) -> None:
    other = [
        n for n in {**former, **repeated} if n not in former or n not in repeated or not _same(former[n], repeated[n])
    ]
    if other:
        raise CheckpointError(f"{len(other)} weights of {branch} differ from those of the run, such as {other[0]}.")


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)

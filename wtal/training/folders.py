"""Makes a trainer write into a chosen folder: a new one, or that of a run that continues."""

import re
from pathlib import Path

from pytorch_lightning import Trainer
from pytorch_lightning.loggers import WandbLogger

from wtal.results.run_folder import RunFolder
from wtal.training.lightning import chooses_version, write_into

__all__ = ["claim", "earlier_runs", "leaves_no_files", "move_to"]


def claim(trainer: Trainer, name: str) -> None:
    """Give a new run a folder of its own, ``<root>/<name>/version_<n>``, also without a logger.

    wandb names its runs itself; a logger whose version was given keeps it. Under several processes the first one
    chooses, and :class:`~wtal.training.runs.KeepIdentity` tells the others.
    """
    if leaves_no_files(trainer) or not trainer.is_global_zero:
        return
    if not trainer.loggers or chooses_version(trainer.loggers[0]):
        move_to(trainer, RunFolder.claim(_home(trainer, name)))


def leaves_no_files(trainer: Trainer) -> bool:
    """Whether this is a rehearsal of a few steps, ``fast_dev_run``, or measures speed alone, ``barebones``."""
    return bool(getattr(trainer, "fast_dev_run", False) or getattr(trainer, "barebones", False))


def earlier_runs(trainer: Trainer, name: str) -> list[RunFolder]:
    """The runs of a name that have a ``last.ckpt``, the newest one last."""
    found = RunFolder.below(_home(trainer, name))
    if trainer.loggers and isinstance(trainer.loggers[0], WandbLogger):  # its folder is that of the whole project
        return [folder for folder in found if folder.run_name == name]
    return found


def _home(trainer: Trainer, name: str) -> Path:
    if not trainer.loggers:
        return Path(trainer.default_root_dir, name)
    logger = trainer.loggers[0]
    return Path(logger.save_dir or trainer.default_root_dir, str(logger.name))


def move_to(trainer: Trainer, folder: RunFolder, step: int | None = None) -> None:
    """Make a trainer, its first logger and its checkpoints write into a folder.

    Args:
        trainer: A trainer that has not begun.
        folder: ``<home>/<version>``, with the home that the trainer's logger has.
        step: The step from which the run in that folder continues; earlier log entries are kept. None for a new run.
    """
    number = re.fullmatch(r"version_(\d+)", folder.path.name)
    version: int | str = int(number[1]) if number else folder.path.name
    write_into(trainer, folder.path, version, step)

"""Makes a trainer write into a chosen folder: a new one, or that of a run that continues."""

import csv
import io
import re
from pathlib import Path

from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter

from wtal.errors import CheckpointError
from wtal.io.files import write_text
from wtal.io.tables import read_table
from wtal.results.run_folder import RunFolder

__all__ = ["claim", "earlier_runs", "leaves_no_files", "move_to"]


def claim(trainer: Trainer, name: str) -> None:
    """Give a new run a folder of its own, ``<root>/<name>/version_<n>``, also without a logger.

    wandb names its runs itself; a logger whose version was given keeps it. Under several processes the first one
    chooses, and :class:`~wtal.training.runs.KeepIdentity` tells the others.
    """
    if leaves_no_files(trainer) or not trainer.is_global_zero:
        return
    logger = trainer.loggers[0] if trainer.loggers else None
    if logger is None or (isinstance(logger, CSVLogger | TensorBoardLogger) and logger._version is None):
        move_to(trainer, RunFolder.claim(_home(trainer, name)))


def leaves_no_files(trainer: Trainer) -> bool:
    """Whether this is a rehearsal of a few steps, ``fast_dev_run``."""
    return bool(getattr(trainer, "fast_dev_run", False))


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
    logger = trainer.loggers[0] if trainer.loggers else None
    if logger is None:
        trainer._default_root_dir = str(folder.path)  # type: ignore[attr-defined]  # where Lightning keeps the rest
    elif isinstance(logger, WandbLogger):
        logger._id = logger._wandb_init["id"] = str(version)
    elif isinstance(logger, CSVLogger):
        logger._version = version
        if step is not None and trainer.is_global_zero:
            logger._experiment = _ContinuedMetrics(logger.log_dir, step)
    elif isinstance(logger, TensorBoardLogger):
        logger._version = version
        if step is not None:
            logger._kwargs["purge_step"] = step


class _ContinuedMetrics(ExperimentWriter):
    """Keeps the rows of ``metrics.csv``, where Lightning's class deletes the file.

    Rows of steps that are repeated, because the run ended after its last checkpoint, are left out.
    """

    def __init__(self, log_dir: str, step: int) -> None:
        self.first_step = step
        super().__init__(log_dir)

    def _check_log_dir_exists(self) -> None:
        file = Path(self.metrics_file_path)
        if not file.is_file():
            return
        table = read_table(file, CheckpointError)
        rows = [row for _, row in table.records() if not self._is_repeated(row)]
        self.metrics_keys = list(table.columns)
        kept = io.StringIO(newline="")
        writer = csv.DictWriter(kept, self.metrics_keys)
        writer.writeheader()
        writer.writerows(rows)
        write_text(file, kept.getvalue())

    def _is_repeated(self, row: dict[str, str]) -> bool:
        step = row.get("step", "")
        return step.isdecimal() and int(step) >= self.first_step

"""The process of one branch of an asynchronous training."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint

from wtal.collaboration import CollaborationModule
from wtal.collaboration.asynchronous import (
    Exchange,
    ExchangeCallback,
    FolderExchange,
    Journal,
    lesson_of_teacher,
    own_lessons,
)
from wtal.collaboration.asynchronous.teaching import Teacher
from wtal.errors import ConfigError
from wtal.results.run_folder import RunFolder
from wtal.training.cli import WTALCLI
from wtal.training.folders import move_to
from wtal.training.memory import KeepFreedMemory
from wtal.training.preemption import CheckpointOnTerm
from wtal.training.seeding import SeedSteps

__all__ = ["BranchCLI", "end_with_parent"]

_KEPT = (SeedSteps, KeepFreedMemory, ModelCheckpoint, CheckpointOnTerm)  # of the pair's callbacks
_JOURNAL = "journal.jsonl"


class BranchCLI(WTALCLI):
    """Trains one branch of an asynchronous run by the run's own configuration, or goes on with its training.

    Args:
        run: Folder of the run.
        branch: Name of the branch.
        replay: Folder of the repeated training, which follows the run's journal; None for a first training.
        exchange: Where its packets are; None for the run's folder.

    Raises:
        ConfigError: If the run is not an asynchronous one, or has no such branch.
    """

    def __init__(
        self, run: RunFolder, branch: str, replay: Path | None = None, exchange: Exchange | None = None
    ) -> None:
        if not run.config.is_file():
            raise ConfigError(f"{run} has no config.yaml: give the folder of a run of `wtal fit --asynchronous`.")
        self.run_folder, self.branch_name, self.replay = run, branch, replay
        self._packets = exchange or FolderExchange(run.asynchronous)
        home = replay or run.asynchronous
        words = ["--ckpt_path=null", "--logger=csv", "--trainer.logger=true", "--trainer.enable_progress_bar=false"]
        words += [f"--trainer.default_root_dir={home.parent}", f"--name={home.name}"]
        super().__init__(["fit", f"--config={run.config}", *words])

    def before_fit(self) -> None:
        """Continue from the branch's own last checkpoint, if there is one."""
        if not self.setting("asynchronous"):
            raise ConfigError(f"{self.run_folder} was not trained with `--asynchronous`: nothing can be repeated.")
        pair, folder = self.model, RunFolder((self.replay or self.run_folder.asynchronous) / self.branch_name)
        assert isinstance(pair, CollaborationModule)
        if self.branch_name not in pair.branches:
            raise ConfigError(f"{self.run_folder} has no branch {self.branch_name}, but {' and '.join(pair.branches)}.")
        views = (pair.cbp.view, pair.vlp.view)
        lessons = own_lessons(pair.schedule, views, self.branch_name, int(self.trainer.max_epochs or 0))
        teacher = Teacher(
            lesson_of_teacher(pair.schedule, views, self.branch_name),
            pair.thresholds[self.branch_name],
            pair.fusion,
            self.branch_name == pair.cbp.name,
            pair.schedule.agree not in (False, "auto"),
        )
        former = Journal(self.run_folder.asynchronous / self.branch_name / _JOURNAL) if self.replay else None
        self._exchange = ExchangeCallback(
            self._packets,
            self.config_init["fit"]["exchange"],
            lessons,
            teacher,
            pair.schedule.warm_up,
            Journal(folder.path / _JOURNAL),
            former,
        )
        kept = [one for one in self.trainer.callbacks if isinstance(one, _KEPT)]  # type: ignore[attr-defined]
        self.trainer.callbacks = [self._exchange, *kept]  # type: ignore[attr-defined]
        self.trainer.limit_val_batches = 0
        self.trainer.fit_loop.max_epochs = len(lessons)
        step = _step_of(folder.last)
        move_to(self.trainer, folder, step)
        self._checkpoint = None if step is None else str(folder.last)

    def fit(self, **kwargs: Any) -> None:  # noqa: ANN401  what Lightning's `fit` takes
        """Train the branch, and publish its final labels."""
        branch = self.model.branches[self.branch_name]
        self.trainer.fit(branch, datamodule=self.datamodule, ckpt_path=self._checkpoint)
        if not self.trainer.received_sigterm:
            self._exchange.finish(self.trainer, branch)

    def after_fit(self) -> None:
        """Nothing: the pair writes the record."""


def _step_of(checkpoint: Path) -> int | None:
    """The step of a checkpoint, by which a logger counts; None if there is none."""
    from wtal.io.bounds import read_checkpoint

    return int(read_checkpoint(checkpoint, mmap=True)["global_step"]) if checkpoint.is_file() else None


def end_with_parent() -> None:
    """End this process by SIGTERM as soon as its standard input ends, as it does with the process that started it."""

    def wait() -> None:
        while os.read(0, 1):  # not through `sys.stdin`, whose lock would be held when Python ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()

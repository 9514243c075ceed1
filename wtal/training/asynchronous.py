"""Two branches of a collaboration in processes of their own, which are started again when they die."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console

from wtal.collaboration import CollaborationModule
from wtal.collaboration.asynchronous import AsynchronousLoop, ExchangeSettings
from wtal.errors import ConfigError, one_line
from wtal.results.run_folder import RunFolder
from wtal.training.ray_branches import branches_on_ray, need_ray

__all__ = ["Training", "install_asynchronous", "supervise"]

_POLL_S = 0.1
_BACK_OFF_S, _MOST_S = 0.5, 60.0  # before the first restart, and at most
_MOST_FAILURES = 8  # in a row, without a new checkpoint in between
_PATIENCE_S = 20.0  # of a process that is asked to end


def install_asynchronous(trainer: Trainer, model: LightningModule, settings: ExchangeSettings) -> None:
    """Let a trainer train a pair by :func:`supervise`.

    Args:
        trainer: The trainer, before its fit.
        model: The model.
        settings: How the branches hand over labels.

    Raises:
        ConfigError: If the model is not a collaboration, or a setting does not suit two processes.
        MissingPackageError: If the transport is Ray, which is not installed.
    """
    if not isinstance(model, CollaborationModule):
        raise ConfigError("`--asynchronous` needs two branches: give a configuration of a CollaborationModule.")
    if trainer.world_size > 1:
        raise ConfigError("`--asynchronous` trains each branch on one device: set `trainer.devices` to 1.")
    if trainer.max_epochs is None or trainer.max_epochs < 1 or trainer.max_steps != -1:
        raise ConfigError("`--asynchronous` counts in epochs: give `trainer.max_epochs`, and leave out `max_steps`.")
    if any(isinstance(one, ModelCheckpoint) and one.monitor for one in trainer.checkpoint_callbacks):
        raise ConfigError("`--asynchronous` cannot choose an epoch, as the branches have none in common: leave it out.")
    if getattr(trainer, "fast_dev_run", False) or not trainer.checkpoint_callbacks:
        raise ConfigError(
            "`--asynchronous` restarts from checkpoints: leave out `fast_dev_run`, and keep them enabled."
        )
    if settings.transport == "ray":
        need_ray()
    names = list(model.branches)

    def workers(trainer: Trainer) -> dict[str, Path]:
        run = RunFolder.of(trainer)
        if settings.transport == "folder":
            return supervise(run, names, stop=lambda: trainer.received_sigterm)
        uses_gpu = trainer.strategy.root_device.type == "cuda"
        with branches_on_ray(run, settings, len(names), uses_gpu) as start:
            return supervise(run, names, stop=lambda: trainer.received_sigterm, start=start)

    AsynchronousLoop.install_with(trainer, model.schedule, workers)


class Training(Protocol):
    """The training of a branch somewhere else."""

    def ending(self) -> str | None:
        """How it ended: empty if the branch is trained, else why it must be started again; None while it trains.

        Raises:
            ConfigError: If another start would not help.
        """
        ...

    def end(self) -> None:
        """End it; it may still write a checkpoint."""
        ...


def supervise(
    run: RunFolder,
    branches: Sequence[str],
    replay: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    start: Callable[[str], Training] | None = None,
) -> dict[str, Path]:
    """Train the branches of a run, each in a process of its own, until all have finished.

    A process that dies starts again from its last checkpoint, after a pause that doubles with each failure; the other
    goes on meanwhile. When this process ends, whatever the reason, the others end, too.

    Args:
        run: Folder of the run, which has a ``config.yaml``.
        branches: Names of the branches.
        replay: Folder of the repeated training, see ``wtal replay``; None for a first training.
        stop: Whether to stop.
        start: Starts the training of a branch, by its name; None for a process on this machine.

    Returns:
        The last checkpoint of each branch.

    Raises:
        ConfigError: If a branch cannot be trained, or dies again and again without progress.
        SIGTERMException: If it was stopped.
    """
    folders = {name: RunFolder((replay or run.asynchronous) / name) for name in branches}
    workers = [_Worker(name, folders[name], start or _processes(run, folders, replay)) for name in branches]
    try:
        while not all([worker.has_finished() for worker in workers]):  # a list, so that each is looked after
            if stop():
                raise SIGTERMException
            time.sleep(_POLL_S)
    finally:
        for worker in workers:
            worker.end()
    return {worker.name: worker.folder.last for worker in workers}


@dataclass
class _Worker:
    """The training of one branch, which is started as often as necessary."""

    name: str
    folder: RunFolder
    start: Callable[[str], Training]
    training: Training | None = None
    failures: int = 0
    done: bool = False
    start_at: float = 0.0
    _checkpoint: float = field(default=0.0, repr=False)  # time of the last checkpoint when the training was started

    def has_finished(self) -> bool:
        """Whether the branch is trained; its training is started, or started again, if there is none.

        Raises:
            ConfigError: If another start would not help.
        """
        if self.done:
            return True
        if self.training is None:
            if time.monotonic() >= self.start_at:
                self._checkpoint = self._age_of_checkpoint()
                self.training = self.start(self.name)
            return False
        reason = self.training.ending()
        if reason is None:
            return False
        self.done, self.training = not reason, None
        if not self.done:
            self._prepare_restart(reason)
        return self.done

    def _prepare_restart(self, reason: str) -> None:
        self.failures = 1 if self._age_of_checkpoint() > self._checkpoint else self.failures + 1
        if self.failures > _MOST_FAILURES:
            output = _output(self.folder)
            lines = _lines(output)
            last = one_line(lines[-1]) if lines else "it said nothing"
            raise ConfigError(f"{self.name} has died {self.failures} times in a row ({last}): see {output}.")
        pause_s = min(_BACK_OFF_S * 2 ** (self.failures - 1), _MOST_S)
        self.start_at = time.monotonic() + pause_s
        sentence = f"{self.name} {reason}; it starts again from its last checkpoint in {pause_s:g} s."
        Console(stderr=True).print(sentence, soft_wrap=True, markup=False, highlight=False)

    def _age_of_checkpoint(self) -> float:
        return self.folder.last.stat().st_mtime if self.folder.last.is_file() else 0.0

    def end(self) -> None:
        """End the training, if it goes on."""
        if self.training is not None:
            self.training.end()


def _output(folder: RunFolder) -> Path:
    return folder.path / "output.txt"


def _lines(output: Path) -> list[str]:
    text = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
    return text.strip().splitlines()


def _processes(run: RunFolder, folders: dict[str, RunFolder], replay: Path | None) -> Callable[[str], Training]:
    """Starts a branch as a process on this machine."""
    return lambda name: _Process(run, name, folders[name], replay)


class _Process:
    """The process of one branch on this machine."""

    def __init__(self, run: RunFolder, name: str, folder: RunFolder, replay: Path | None) -> None:
        self.name, self.output = name, _output(folder)
        folder.path.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "wtal", "branch", str(run), name]
        command += ["--replay", str(replay)] if replay else []
        with self.output.open("ab") as output:  # its input ends with this process, which tells it to end, too
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def ending(self) -> str | None:
        """See :class:`Training`."""
        code = self.process.poll()
        if not code:
            return None if code is None else ""
        lines = _lines(self.output)
        if code == 2 and lines and "wtal: error: " in lines[-1]:
            raise ConfigError(f"{self.name}: {lines[-1].partition('wtal: error: ')[2]}")
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def end(self) -> None:
        """See :class:`Training`."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

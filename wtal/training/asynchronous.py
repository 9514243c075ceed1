"""Two branches of a collaboration in processes of their own, which are started again when they die."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console

from wtal.collaboration import CollaborationModule
from wtal.collaboration.asynchronous import AsynchronousLoop
from wtal.errors import ConfigError, one_line
from wtal.results.run_folder import RunFolder

__all__ = ["install_asynchronous", "supervise"]

_POLL_S = 0.1
_BACK_OFF_S, _MOST_S = 0.5, 60.0  # before the first restart, and at most
_MOST_FAILURES = 8  # in a row, without a new checkpoint in between
_PATIENCE_S = 20.0  # of a process that is asked to end


def install_asynchronous(trainer: Trainer, model: LightningModule) -> None:
    """Let a trainer train a pair by :func:`supervise`.

    Args:
        trainer: The trainer, before its fit.
        model: The model.

    Raises:
        ConfigError: If the model is not a collaboration, or a setting does not suit two processes.
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
    names = list(model.branches)
    AsynchronousLoop.install_with(
        trainer,
        model.schedule,
        lambda trainer: supervise(RunFolder.of(trainer), names, stop=lambda: trainer.received_sigterm),
    )


def supervise(
    run: RunFolder,
    branches: Sequence[str],
    replay: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Path]:
    """Train the branches of a run, each in a process of its own, until all have finished.

    A process that dies starts again from its last checkpoint, after a pause that doubles with each failure; the other
    goes on meanwhile. When this process ends, whatever the reason, the others end, too.

    Args:
        run: Folder of the run, which has a ``config.yaml``.
        branches: Names of the branches.
        replay: Folder of the repeated training, see ``wtal replay``; None for a first training.
        stop: Whether to stop.

    Returns:
        The last checkpoint of each branch.

    Raises:
        ConfigError: If a branch cannot be trained, or dies again and again without progress.
        SIGTERMException: If it was stopped.
    """
    workers = [_Worker(run, name, replay) for name in branches]
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
    """The process of one branch."""

    run: RunFolder
    name: str
    replay: Path | None
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    done: bool = False
    start_at: float = 0.0
    _checkpoint: float = field(default=0.0, repr=False)  # time of the last checkpoint when the process was started

    @property
    def folder(self) -> RunFolder:
        return RunFolder((self.replay or self.run.asynchronous) / self.name)

    @property
    def output(self) -> Path:
        return self.folder.path / "output.txt"

    def has_finished(self) -> bool:
        """Whether the branch is trained; its process is started, or started again, if there is none.

        Raises:
            ConfigError: If another start would not help.
        """
        if self.done:
            return True
        if self.process is None:
            if time.monotonic() >= self.start_at:
                self._start()
            return False
        code = self.process.poll()
        if code is None:
            return False
        self.done, self.process = code == 0, None
        if not self.done:
            self._prepare_restart(code)
        return self.done

    def _start(self) -> None:
        self.folder.path.mkdir(parents=True, exist_ok=True)
        self._checkpoint = self._age_of_checkpoint()
        command = [sys.executable, "-m", "wtal", "branch", str(self.run), self.name]
        command += ["--replay", str(self.replay)] if self.replay else []
        with self.output.open("ab") as output:  # its input ends with this process, which tells it to end, too
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _prepare_restart(self, code: int) -> None:
        lines = self.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if code == 2 and lines and "wtal: error: " in lines[-1]:
            raise ConfigError(f"{self.name}: {lines[-1].partition('wtal: error: ')[2]}")
        self.failures = 1 if self._age_of_checkpoint() > self._checkpoint else self.failures + 1
        if self.failures > _MOST_FAILURES:
            last = one_line(lines[-1]) if lines else "it said nothing"
            raise ConfigError(f"{self.name} has died {self.failures} times in a row ({last}): see {self.output}.")
        pause_s = min(_BACK_OFF_S * 2 ** (self.failures - 1), _MOST_S)
        self.start_at = time.monotonic() + pause_s
        reason = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        sentence = f"{self.name} {reason}; it starts again from its last checkpoint in {pause_s:g} s."
        Console(stderr=True).print(sentence, soft_wrap=True, markup=False, highlight=False)

    def _age_of_checkpoint(self) -> float:
        return self.folder.last.stat().st_mtime if self.folder.last.is_file() else 0.0

    def end(self) -> None:
        """End the process, which may still write a checkpoint."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

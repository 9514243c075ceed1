"""How a training begins and ends: its identity, the run that it continues, and its record."""

import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from rich.console import Console

from wtal._version import __version__
from wtal.data import SnippetDataModule
from wtal.errors import CheckpointError, ConfigError
from wtal.io.bounds import is_bounded, read_checkpoint
from wtal.io.fingerprint import fingerprint
from wtal.results.identity import Identity
from wtal.results.record import Record, length_of, read_record
from wtal.results.run_folder import RunFolder
from wtal.training.folders import claim, earlier_runs, leaves_no_files, move_to

__all__ = ["KeepIdentity", "Start", "begin", "identity_of", "make_record", "say"]

_PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "open_clip_torch", "numpy", "pandas", "jsonargparse")
_MOST_SETTINGS = 100_000

ReadIdentity = Callable[[Path], Identity | None]  # the identity that a config.yaml describes; None if it has none


class KeepIdentity(Callback):
    """Writes the run's identity into its folder and checkpoints, and makes all processes use one folder.

    Args:
        config: All settings of the run as plain values.
        name: Name of the run.
    """

    def __init__(self, config: Mapping[str, Any], name: str) -> None:
        self.config, self.name = config, name
        self.seconds = 0.0  # of this run's training, including its former parts
        self._former_s, self._began = 0.0, time.monotonic()

    def identity(self, trainer: Trainer) -> Identity:
        """The identity, with the actual number of processes."""
        return Identity.of(self.config, trainer.world_size)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Use the folder that the first process has chosen; write ``identity.json`` there."""
        chosen = trainer.strategy.broadcast(str(RunFolder.of(trainer).path))
        if not trainer.is_global_zero:
            move_to(trainer, RunFolder(Path(chosen)))
        elif stage == "fit" and not leaves_no_files(trainer):
            RunFolder(Path(chosen)).write_identity(self.identity(trainer), self.name)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self.seconds = self._elapsed()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add name, digest, settings and seconds."""
        identity = self.identity(trainer)
        checkpoint["run"] = {
            "name": self.name,
            "digest": identity.digest,
            "settings": dict(identity.settings),
            "seconds": self._elapsed(),
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Continue counting the seconds."""
        self._former_s = float(checkpoint.get("run", {}).get("seconds", 0.0))

    def _elapsed(self) -> float:
        return self._former_s + time.monotonic() - self._began


# Beginning ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """How a training begins.

    Args:
        checkpoint: Path of the checkpoint that it continues from; None for a new training.
        record: Record of the continued run, if it was already trained for the requested length.
        finished: Whether nothing is left to train or to test.
    """

    checkpoint: str | None = None
    record: Record | None = None
    finished: bool = False


def begin(
    trainer: Trainer,
    keeper: KeepIdentity,
    checkpoint: str | None = None,
    resume: bool = False,
    then_test: bool = False,
    read_identity: ReadIdentity = lambda _: None,
) -> Start:
    """Choose the folder of a training: that of the newest run of the same name and identity to resume, else a new one.

    Args:
        trainer: The trainer, before it fits.
        keeper: The trainer's callback.
        checkpoint: A checkpoint that the user has named to continue from; if given, no run is looked for.
        resume: Whether an earlier run may be continued.
        then_test: Whether results on the test videos are wanted.
        read_identity: Gives the identity of a ``config.yaml``, for checkpoints from before version 0.2.
    """
    if leaves_no_files(trainer):
        return Start(checkpoint)
    here, notice = keeper.identity(trainer), ""
    for folder in reversed(earlier_runs(trainer, keeper.name)) if resume and checkpoint is None else ():
        difference, step = _compare(folder.last, here, read_identity)
        if not difference:
            return _continued(trainer, keeper, folder, step, then_test)
        notice = notice or f"{folder} was trained with other settings ({difference}): a new run begins."
    claim(trainer, keeper.name)
    if checkpoint is not None and Path(checkpoint).is_file():
        difference, _ = _compare(Path(checkpoint), here, read_identity)
        if difference:
            notice = (
                f"{checkpoint} was trained with other settings ({difference}): training continues from it as asked."
            )
    say(trainer, notice)
    return Start(checkpoint)


def _continued(trainer: Trainer, keeper: KeepIdentity, folder: RunFolder, step: int, then_test: bool) -> Start:
    """Continue an earlier run in its own folder, or leave it as it is if it is finished."""
    record = _trained_as_long(folder, keeper.config)
    finished = record is not None and (record.is_tested or not then_test)
    if finished:
        say(trainer, f"{folder} is finished: nothing is left to train.")
    else:
        move_to(trainer, folder, step)
    return Start(str(folder.last), record, finished)


def _compare(checkpoint: Path, here: Identity, read_identity: ReadIdentity) -> tuple[str, int]:
    """What distinguishes a checkpoint's identity from the present one, empty if nothing; and its step."""
    try:
        content = read_checkpoint(checkpoint, mmap=True)
    except CheckpointError:
        return "its checkpoint is damaged", 0
    content = content if isinstance(content, dict) else {}
    there = _identity_in(content, checkpoint, read_identity)
    if there is None:
        return "its checkpoint does not state them", 0
    difference = "" if there == here else there.difference(here)
    return difference, _batches(content)


def identity_of(checkpoint: Path, read_identity: ReadIdentity) -> Identity | None:
    """The identity of the run that wrote a checkpoint; None if it is unknown.

    Args:
        checkpoint: The file.
        read_identity: See :func:`begin`.
    """
    try:
        content = read_checkpoint(checkpoint, mmap=True)
    except (CheckpointError, FileNotFoundError):
        return None
    return _identity_in(content if isinstance(content, dict) else {}, checkpoint, read_identity)


def _identity_in(content: Mapping[str, Any], checkpoint: Path, read_identity: ReadIdentity) -> Identity | None:
    stored = _stored_identity(content)
    if stored is not None:
        return stored
    folder = RunFolder.containing(checkpoint)  # before version 0.2
    return read_identity(folder.config) if folder is not None and folder.config.is_file() else None


def _stored_identity(checkpoint: Mapping[str, Any]) -> Identity | None:
    run = checkpoint.get("run")
    settings = run.get("settings") if isinstance(run, dict) else None
    if not isinstance(settings, dict) or not is_bounded(settings, _MOST_SETTINGS):
        return None
    try:
        return Identity.stored(settings)
    except RecursionError:
        return None


def _batches(checkpoint: Mapping[str, Any]) -> int:
    """The number of batches with an optimizer step, by which loggers count."""
    try:
        return int(checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"])
    except (KeyError, TypeError, ValueError):
        step = checkpoint.get("global_step")
        return step if isinstance(step, int) else 0


def _trained_as_long(folder: RunFolder, config: Mapping[str, Any]) -> Record | None:
    """A run's record, if the run was trained for the length in a configuration."""
    try:
        record = read_record(folder.record) if folder.record.is_file() else None
    except ConfigError:  # damaged: it is written again
        return None
    return record if record is not None and record.length == length_of(config) else None


def say(trainer: Trainer, sentence: str) -> None:
    """Print a sentence for the user on standard error, once; nothing if it is empty."""
    if sentence and trainer.is_global_zero:
        Console(stderr=True).print(sentence, soft_wrap=True, markup=False, highlight=False)


# Ending -------------------------------------------------------------------------------------------------------------


def make_record(
    config: Mapping[str, Any],
    identity: Identity,
    model: LightningModule,
    data: LightningDataModule,
    metrics: Mapping[str, float],
    selected: Mapping[str, float] | None,
    seconds: float,
    methods: Mapping[str, str] | None = None,
) -> Record:
    """Make the record that a run leaves in its ``record.json``.

    Args:
        config: The run's whole configuration as plain values.
        identity: Identity of the run.
        model: The trained model.
        data: The data that it was trained on.
        metrics: Results of the last checkpoint.
        selected: Results of the checkpoint chosen on held-out videos; None if none was chosen.
        seconds: Duration of the training alone.
        methods: Methods of a comparison, with the source of each one's results.
    """
    features, benchmark, annotations = "", type(data).__name__, ""
    if isinstance(data, SnippetDataModule):
        features, benchmark = data.features_note, data.benchmark.name
        annotations = fingerprint(data.annotations.path)
    return Record(
        metrics=dict(metrics),
        selected=None if selected is None else dict(selected),
        config=config,
        identity=identity.digest,
        processes=int(identity.settings.get("processes", 1)),
        seed=config.get("seed_everything"),
        seconds=seconds,
        model=type(model).__name__,
        features=features,
        benchmark=benchmark,
        annotations=annotations,
        weights=str(getattr(model, "note", "")),
        memory_mib=_peak_memory_mib(),
        git=_git_revision(),
        versions={"wtal": __version__, "python": platform.python_version(), **_versions()},
        methods=methods or {},
    )


def _peak_memory_mib() -> float:
    """Peak memory of the GPU if there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _git_revision() -> str:
    """The code's revision, with a plus sign if it was changed since; empty outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--abbrev=10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

"""Which weights ``validate``, ``test`` and ``predict`` measure, and where the numbers of a test are kept."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from wtal.branches.localization import LocalizationModule
from wtal.errors import CheckpointError, ConfigError
from wtal.io.bounds import read_checkpoint
from wtal.results.identity import Identity
from wtal.results.record import Record, read_about, read_record, write_record
from wtal.results.run_folder import RunFolder
from wtal.training.folders import earlier_runs, leaves_no_files
from wtal.training.outputs import part_of_videos
from wtal.training.runs import ReadIdentity, identity_of, make_record, say

__all__ = [
    "best_checkpoint",
    "chosen_on_held_out",
    "keep_results",
    "learn_of_training",
    "measured_checkpoint",
    "measured_part",
    "refuse_nothing",
    "refuse_untrained",
]

_WORDS = ("last", "best")
# Settings that do not tell apart the trainings of two checkpoints.
_MEASURING = ("processes", "trainer.limit_test_batches", "trainer.limit_predict_batches", "trainer.inference_mode")


# Before -------------------------------------------------------------------------------------------------------------


def refuse_nothing(trainer: Trainer, command: str) -> None:
    """Refuse to measure no video at all, which would end without a word.

    Args:
        trainer: The trainer, before it measures.
        command: The command that would measure.

    Raises:
        ConfigError: If the limit of the command is 0.
    """
    option = f"limit_{'val' if command == 'validate' else command}_batches"
    if getattr(trainer, option) == 0:
        raise ConfigError(f"`trainer.{option}` is 0, so `wtal {command}` would measure no video: leave it out.")


def refuse_untrained(trainer: Trainer, model: LightningModule, name: str, command: str) -> None:
    """Refuse to measure weights that were neither trained nor loaded; a rehearsal (``fast_dev_run``) may.

    Args:
        trainer: The trainer, before it measures.
        model: The model, before a checkpoint is loaded.
        name: Name of the run.
        command: The command that would measure.

    Raises:
        CheckpointError: If part of the model has random weights.
    """
    parts = _untrained(model)
    if not parts or leaves_no_files(trainer):
        return
    runs = earlier_runs(trainer, name)
    path = runs[-1].last if runs else Path(trainer.default_root_dir, name, "version_0", "checkpoints", "last.ckpt")
    raise CheckpointError(
        f"`wtal {command}` without a checkpoint would measure random weights ({', '.join(parts)}): give those of a "
        f"training by `--ckpt_path {path}`; a head or module that fills its weights itself sets `is_trained = True`."
    )


def _untrained(model: LightningModule) -> tuple[str, ...]:
    if getattr(model, "is_trained", False):
        return ()
    if isinstance(model, LocalizationModule):
        return model.untrained
    return (type(model).__name__,) if any(p.requires_grad for p in model.parameters()) else ()


def measured_checkpoint(
    trainer: Trainer, settings: Mapping[str, Any], name: str, word: str, read_identity: ReadIdentity
) -> str:
    """The checkpoint that ``last`` or ``best`` means in a new process: that of the only run of the same settings.

    Args:
        trainer: The trainer, before it measures.
        settings: All settings as plain values.
        name: Name of the run.
        word: What the user gave; a path stays as it is.
        read_identity: See :func:`~wtal.training.runs.begin`.

    Raises:
        CheckpointError: If there is no such run or checkpoint, or more than one.
    """
    if word not in _WORDS:
        return word
    runs = earlier_runs(trainer, name)
    if not runs:
        example = Path(trainer.default_root_dir, name, "version_0", "checkpoints", "last.ckpt")
        raise CheckpointError(
            f"`--ckpt_path {word}`: {example.parents[2]} has no run: give the path of a checkpoint, such as {example}."
        )
    here = _training_of(Identity.of(settings))
    same = [run for run in runs if _training_of(identity_of(run.last, read_identity)) == here]
    if len(same) != 1:
        has = f"{len(same)} runs of these settings" if same else f"{len(runs)} runs, all of other settings"
        raise CheckpointError(
            f"`--ckpt_path {word}` is ambiguous, as {runs[-1].path.parent} has {has}: give the path of a checkpoint, "
            f"such as {(same or runs)[-1].last}."
        )
    path = same[0].last if word == "last" else best_checkpoint(same[0])
    if path is None:
        raise CheckpointError(
            f"`--ckpt_path best`: {same[0]} has chosen no checkpoint on held-out videos: give {same[0].last}, or train "
            "with a ModelCheckpoint that monitors a metric of `val/`."
        )
    say(trainer, f"`--ckpt_path {word}` is {path}.")
    return str(path)


def _training_of(identity: Identity | None) -> Identity | None:
    """The identity without what matters only where something is measured."""
    if identity is None:
        return None
    return Identity({key: value for key, value in identity.settings.items() if key not in _MEASURING})


def best_checkpoint(run: RunFolder) -> Path | None:
    """The checkpoint that a run has chosen on held-out videos, as its last one states; None if it has chosen none."""
    content = read_checkpoint(run.last, mmap=True) if run.last.is_file() else None
    states = content.get("callbacks") if isinstance(content, dict) else None
    for state in states.values() if isinstance(states, dict) else ():
        if isinstance(state, dict) and str(state.get("monitor")).startswith("val/") and state.get("best_model_path"):
            path = run.checkpoints / Path(str(state["best_model_path"])).name
            if path.is_file():
                return path
    return None


def chosen_on_held_out(trainer: Trainer) -> str:
    """The checkpoint that a training has chosen by a metric of held-out videos; empty if it has chosen none."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and str(callback.monitor).startswith("val/"):
            score = callback.best_model_score
            if callback.best_model_path and score is not None and math.isfinite(score):
                return callback.best_model_path
    return ""


# After --------------------------------------------------------------------------------------------------------------


def measured_part(trainer: Trainer, model: LightningModule, split: Literal["val", "test"]) -> str:
    """How many of the videos of a split were measured at last, such as ``2 of 8 videos``; empty if all were.

    Where other processes have measured (``ddp_spawn``), this one knows what they have written, or the trainer's limit.
    """
    measured = getattr(model, "measured", {})
    if split in measured or not isinstance(model, LocalizationModule):
        return part_of_videos(*measured.get(split, (0, 0)))
    about = RunFolder.of(trainer).about
    if split == "test" and about.is_file():
        return read_about(about).part
    limit = trainer.limit_val_batches if split == "val" else trainer.limit_test_batches
    return "" if isinstance(limit, float) and limit == 1 else "some videos"


def learn_of_training(trainer: Trainer, model: LightningModule) -> None:
    """Take over what the last checkpoint states, where other processes have trained (``ddp_spawn``)."""
    last = RunFolder.of(trainer).last
    if trainer.world_size > 1 and last.is_file():
        model.on_load_checkpoint(read_checkpoint(last, mmap=True))


def keep_results(
    trainer: Trainer,
    model: LightningModule,
    data: LightningDataModule,
    settings: Mapping[str, Any],
    checkpoint: str | None,
) -> None:
    """Keep the numbers of ``wtal test`` in the record of the run that trained the checkpoint.

    If the test has other settings of model or data than the training, it gets a record of its own, with the training's
    seed. Numbers of only some videos, and those of a checkpoint that is neither the last nor the chosen one of its run,
    are kept out of every record.

    Args:
        trainer: The trainer, after the test.
        model: The model that was measured.
        data: The data that it was measured on.
        settings: All settings of the test as plain values.
        checkpoint: Path of the checkpoint; None if there was none.
    """
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}
    if not metrics or leaves_no_files(trainer) or not trainer.is_global_zero:
        return
    path, part = None if checkpoint is None else Path(checkpoint), measured_part(trainer, model, "test")
    role = _role(path)
    if part:
        say(trainer, f"Only {part} were measured, so the numbers are kept out of every record.")
    elif not role:
        say(trainer, f"{path} is neither the last nor the chosen checkpoint of its run: its numbers are in no record.")
    else:
        file, record = _record_of_test(trainer, model, data, settings, path)
        is_last = role == "last"
        record = replace(record, metrics={**record.metrics, **metrics} if is_last else record.metrics)
        write_record(file, record if is_last else replace(record, selected=metrics))
        say(trainer, f"Results written to {file}")


def _role(path: Path | None) -> str:
    """What a checkpoint is to its run, ``last`` or ``selected``; else empty. Without a run it is the last."""
    run = None if path is None else RunFolder.containing(path)
    if run is None or _is(path, run.last):
        return "last"
    return "selected" if _is(path, best_checkpoint(run)) else ""


def _record_of_test(
    trainer: Trainer,
    model: LightningModule,
    data: LightningDataModule,
    settings: Mapping[str, Any],
    checkpoint: Path | None,
) -> tuple[Path, Record]:
    """The record that takes the numbers of a test, and its file: that of the training, or one of the test's own."""
    trained = None if checkpoint is None else identity_of(checkpoint, lambda _: None)
    if trained is not None:
        settings = {**settings, "seed_everything": trained.settings.get("seed_everything")}
    here = Identity.of(settings)
    own = make_record(settings, here, model, data, {}, None, 0.0)
    run = None if checkpoint is None else RunFolder.containing(checkpoint)
    known = None if run is None or trained is None or _what(trained) != _what(here) else _read_record(run.record)
    if known is None or run is None:
        return RunFolder.of(trainer).record, own
    return run.record, replace(known, features=own.features, benchmark=own.benchmark, weights=own.weights)


def _is(path: Path | None, other: Path | None) -> bool:
    return path is not None and other is not None and path.resolve() == other.resolve()


def _read_record(file: Path) -> Record | None:
    try:
        return read_record(file) if file.is_file() else None
    except ConfigError:  # damaged: the test gets a record of its own
        return None


def _what(identity: Identity) -> dict[str, Any]:
    """The settings of model and data, of which a test takes all."""
    return {name: value for name, value in identity.settings.items() if name.startswith(("model.", "data."))}

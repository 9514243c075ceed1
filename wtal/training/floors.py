"""At the end of a training, the lowest scores that mean an action, kept in its checkpoints."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from wtal.branches.floors import learn_floors
from wtal.branches.localization import LocalizationModule
from wtal.data.datamodule import SnippetDataModule
from wtal.io.bounds import read_checkpoint

__all__ = ["KeepFloors"]


class KeepFloors(Callback):
    """Learns the floors of a trained model, see :func:`~wtal.branches.floors.learn_floors`.

    They are added to the checkpoint of the last epoch and to the one chosen on held-out videos, whose weights have
    floors of their own; nothing else in the files changes. They serve those who look at detections (``wtal detect``,
    ``wtal export``, pages), never a measure.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget those of a checkpoint that the training continues from: the weights are about to change."""
        if isinstance(pl_module, LocalizationModule):
            pl_module.floors = {}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Learn the floors in the first process, and add them to the checkpoints."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, LocalizationModule) or not isinstance(data, SnippetDataModule):
            return
        if not trainer.is_global_zero or trainer.interrupted or trainer.fast_dev_run or not trainer.global_step:  # type: ignore[attr-defined]
            return
        pl_module.floors = learn_floors(pl_module, data)
        last, best = _checkpoints(trainer)
        for path in last:
            _add(trainer, path, read_checkpoint(path), pl_module.floors)
        own = {name: value.clone() for name, value in pl_module.state_dict().items()} if best else {}
        for path in best:
            checkpoint = read_checkpoint(path)
            pl_module.load_state_dict(checkpoint["state_dict"])
            _add(trainer, path, checkpoint, learn_floors(pl_module, data))
        if best:
            pl_module.load_state_dict(own)


def _checkpoints(trainer: Trainer) -> tuple[list[Path], list[Path]]:
    """Existing checkpoints with the weights in memory, and those with other weights."""
    callbacks = [one for one in trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint)]
    chosen = {one.best_model_path for one in callbacks if one.monitor is not None}
    last = {path for one in callbacks for path in (one.last_model_path, one.best_model_path)} - chosen
    return _existing(last), _existing(chosen)


def _existing(paths: Iterable[str]) -> list[Path]:
    return [Path(path) for path in sorted(paths) if path and Path(path).is_file()]


def _add(trainer: Trainer, path: Path, checkpoint: dict[str, Any], floors: dict[str, dict[str, float]]) -> None:
    trainer.strategy.checkpoint_io.save_checkpoint({**checkpoint, "floors": floors}, path)

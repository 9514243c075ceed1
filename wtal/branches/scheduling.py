"""A branch's learning-rate scheduler as Lightning takes it: stepped after an epoch, or by what it has measured."""

from collections.abc import Iterator
from typing import Any, cast

from pytorch_lightning import Trainer
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from wtal.branches.localization import LocalizationModule
from wtal.branches.trainer_check import check_monitor
from wtal.data.contract import data_of
from wtal.errors import ConfigError

__all__ = ["due_plateaus", "scheduler_config"]


def scheduler_config(scheduler: LRScheduler | ReduceLROnPlateau, branch: LocalizationModule) -> dict[str, Any]:
    """Lightning's dictionary of a scheduler.

    Args:
        scheduler: The scheduler; one that waits for a plateau names the metric to watch in ``monitor``.
        branch: The branch, whose trainer may not validate in every epoch.

    Raises:
        ConfigError: If a scheduler that waits for a plateau names no metric, or one that will not be measured.
    """
    if not isinstance(scheduler, ReduceLROnPlateau):
        return {"scheduler": scheduler}
    monitor = getattr(scheduler, "monitor", None)
    if monitor is None:
        raise ConfigError(
            "torch's ReduceLROnPlateau does not name the metric to watch: use "
            "pytorch_lightning.cli.ReduceLROnPlateau with `monitor`, such as train/loss."
        )
    trainer = branch.trainer
    check_monitor(monitor, cast(LocalizationModule, trainer.lightning_module), data_of(trainer))
    every = (trainer.check_val_every_n_epoch or 1) if monitor.startswith("val/") else 1
    return {"scheduler": scheduler, "monitor": monitor, "reduce_on_plateau": True, "frequency": every}


def due_plateaus(trainer: Trainer) -> Iterator[tuple[Any, Tensor]]:
    """The schedulers that watch a metric and are due at the end of this epoch, each with the value of its metric.

    To be stepped in ``on_train_epoch_end``: Lightning steps them after the epoch's checkpoint, which would then lack
    the step, and so would a resumed run.

    Raises:
        ConfigError: If the metric has not been measured.
    """
    for config in trainer.lr_scheduler_configs:
        if not config.reduce_on_plateau or (trainer.current_epoch + 1) % config.frequency:
            continue
        metric = trainer.callback_metrics.get(str(config.monitor))
        if metric is not None:
            yield config.scheduler, metric
        elif config.strict:
            raise ConfigError(
                f"ReduceLROnPlateau waits for {config.monitor}, which is not measured; there are "
                f"{', '.join(sorted(trainer.callback_metrics))}."
            )

"""A branch's learning-rate scheduler as Lightning takes it: stepped after an epoch, or by what it has measured."""

from typing import Any, cast

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from wtal.branches.localization import LocalizationModule
from wtal.branches.trainer_check import check_monitor
from wtal.data.contract import data_of
from wtal.errors import ConfigError

__all__ = ["scheduler_config"]


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

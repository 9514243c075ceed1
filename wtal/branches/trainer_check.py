"""Settings of Lightning's trainer that would train something else than what is asked for: refused before training."""

import re

from pytorch_lightning import Callback, Trainer
from pytorch_lightning import callbacks as lightning_callbacks
from pytorch_lightning.callbacks import BatchSizeFinder, LearningRateFinder, StochasticWeightAveraging

from wtal.branches.localization import LocalizationModule
from wtal.errors import ConfigError
from wtal.nn.averaging import WeightAverage

__all__ = ["check_monitor", "check_trainer"]

# Lightning's own averages of the weights; the second is new in 2.6.
_AVERAGES = (StochasticWeightAveraging, getattr(lightning_callbacks, "WeightAveraging", StochasticWeightAveraging))


def check_trainer(trainer: Trainer, module: LocalizationModule, data: object) -> None:
    """Refuse what cannot work with a trainer, before it trains.

    Args:
        trainer: The trainer that is about to fit.
        module: The module that it trains.
        data: The data module that it trains on.

    Raises:
        ConfigError: For a setting or callback that cannot work; it says what to do instead.
    """
    if str(trainer.precision) in ("16-true", "bf16-true", "transformer-engine", "transformer-engine-float16"):
        raise ConfigError(
            f"trainer.precision: {trainer.precision} is too coarse for the losses; use bf16-mixed, 16-mixed or 32-true."
        )
    if trainer.limit_train_batches == 0:
        raise ConfigError("`trainer.limit_train_batches` is 0, so nothing would be trained: leave it out.")
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        _check_callback(callback, module)
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str):
            check_monitor(monitor, module, data)


def _check_callback(callback: Callback, module: LocalizationModule) -> None:
    name = type(callback).__name__
    if isinstance(callback, LearningRateFinder):
        raise ConfigError(
            f"{name} cannot set the learning rate, as each branch makes its own optimizer: give "
            "`optimizer.init_args.lr` of the branch, and compare several with `wtal sweep`."
        )
    if isinstance(callback, BatchSizeFinder):
        raise ConfigError(
            f"{name} would train with another batch size than the settings of the run say: give `data.batch_size`."
        )
    if isinstance(callback, _AVERAGES) and any(isinstance(part, WeightAverage) for part in module.modules()):
        raise ConfigError(
            f"{name} would average weights that inference does not use, as a branch already predicts with the running "
            "average of its weights: leave the callback out, or set `average` of each branch to 0."
        )


def check_monitor(monitor: str, module: LocalizationModule, data: object) -> None:
    """Refuse to wait for a validation metric that will not be there.

    Args:
        monitor: Name of a metric; those of the training are not checked.
        module: The module that is trained.
        data: The data module that it is trained on.

    Raises:
        ConfigError: If no video is held out, or validation measures something else.
    """
    known = [f"{prefix}video_mAP" for prefix in module.prefixes("val")]
    losses = [name.replace("val/", "train/").replace("video_mAP", "loss") for name in known[:2]]
    is_foreign = re.match(r"(val|train)[a-z]*_|(loss|mAP|video_mAP)$", monitor)  # as other programs name them
    if is_foreign or (re.match(r"train/(.+/)?loss$", monitor) and monitor not in losses):
        raise ConfigError(
            f"No metric is called {monitor}: training has {' or '.join(losses)}, validation (with "
            f"`data.held_out`) has {known[-1]}."
        )
    if not monitor.startswith("val/"):
        return
    if not getattr(data, "held_out", True):
        raise ConfigError(
            f"{monitor} is measured on held-out videos, and there are none: set `data.held_out` to 0.1, for example."
        )
    if getattr(data, "validate_on", "labels") == "labels" and monitor not in known:
        raise ConfigError(
            f"There will be no {monitor}: validation on labels measures {', '.join(known)}; with `data.validate_on` "
            "set to segments also the mAP of detections, such as "
            f"{module.prefixes('val')[-1]}mAP."
        )

"""Which of a constructor's arguments a checkpoint keeps."""

import inspect
import warnings
from dataclasses import is_dataclass
from types import FrameType
from typing import cast

from pytorch_lightning import LightningModule

from wtal.branches.labels import InstanceSource, LabelSource

__all__ = ["save_plain_hyperparameters"]


def save_plain_hyperparameters(module: LightningModule) -> None:
    """`save_hyperparameters` of the calling constructor, leaving out functions, classes and sources of labels.

    These cannot be loaded with ``weights_only=True``. On the command line, the arguments are not such objects but their
    configuration, which is kept, so that the checkpoint alone can rebuild its module.

    Args:
        module: The module whose constructor calls this function.
    """
    frame = cast(FrameType, cast(FrameType, inspect.currentframe()).f_back)
    with warnings.catch_warnings():  # an encoder that was made in Python is left out below
        warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module`")
        module.save_hyperparameters(frame=frame)
        if any(is_dataclass(value) for value in module.hparams.values()):  # made in Python: loggers cannot write these
            module.save_hyperparameters(frame=frame, logger=False)
    sources = (InstanceSource, LabelSource)
    for name in [name for name, value in module.hparams.items() if callable(value) or isinstance(value, sources)]:
        del module.hparams[name]

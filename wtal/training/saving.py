"""The configuration that a run leaves in its folder."""

from typing import Any

import yaml
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.loggers import WandbLogger

from wtal.io.files import write_text
from wtal.results.run_folder import RunFolder
from wtal.training.folders import leaves_no_files

__all__ = ["SaveConfig"]


class SaveConfig(SaveConfigCallback):
    """Writes the whole configuration into the run's own folder, and to wandb if it is used.

    Takes the arguments of Lightning's callback.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **{**kwargs, "save_to_log_dir": False})

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write ``config.yaml``, unless nothing is to be left; Lightning calls this on one process."""
        if leaves_no_files(trainer):
            return
        text = self.parser.dump(self.config, skip_none=False, skip_validation=True)  # checked when it was read
        write_text(RunFolder.of(trainer).config, text)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.config.update({"cli": yaml.safe_load(text)}, allow_val_change=True)

"""The folder of a run, and the configuration that made it."""

from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.loggers import WandbLogger

from wtal.io.files import write_text

__all__ = ["SaveConfig", "run_folder"]


def run_folder(trainer: Trainer) -> Path:
    """Where a run's checkpoints, metrics and configuration lie together: ``<root>/<name>/<version>``.

    Lightning has no word for it: ``trainer.log_dir`` is shared by all runs with some loggers, wandb's among them. This
    is the parent of the folder that ``ModelCheckpoint`` takes by default.
    """
    if not trainer.loggers:
        return Path(trainer.default_root_dir)
    logger = trainer.loggers[0]
    version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
    return Path(logger.save_dir or trainer.default_root_dir, str(logger.name), version)


class SaveConfig(SaveConfigCallback):
    """Writes the whole configuration into the run's own folder, and to wandb where it logs.

    Takes the arguments of Lightning's callback.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **{**kwargs, "save_to_log_dir": False})

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write ``config.yaml``; Lightning calls this on one process."""
        text = self.parser.dump(self.config, skip_none=False)
        folder = run_folder(trainer)
        write_text(folder / self.config_filename, text)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.config.update({"cli": yaml.safe_load(text)}, allow_val_change=True)

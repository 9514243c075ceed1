"""Lightning's command line for ``fit``, ``validate``, ``test`` and ``predict``, with this project's defaults."""

import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lightning_fabric.plugins import CheckpointIO
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

import wtal.branches
import wtal.collaboration  # noqa: F401
from wtal import __version__
from wtal.errors import ConfigError, WTALError
from wtal.io.options import with_underscores
from wtal.results.record import make_record, write_record
from wtal.training.atomic import AtomicCheckpoints
from wtal.training.lightning import LightningCommands, as_own_errors
from wtal.training.memory import KeepFreedMemory
from wtal.training.mistakes import origin
from wtal.training.outputs import ResultsTable, WritePredictions, WritePseudoLabels
from wtal.training.panels import LogPanels
from wtal.training.preemption import CheckpointOnTerm
from wtal.training.progress import FitProgress
from wtal.training.saving import SaveConfig, run_folder
from wtal.training.seeding import SeedSteps
from wtal.training.settings import SettingsParser

__all__ = ["TRAINER_DEFAULTS", "WTALCLI"]

TRAINER_DEFAULTS: dict[str, Any] = {
    "default_root_dir": "runs",
    "log_every_n_steps": 1,
    "max_epochs": 100,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # the data modules' samplers know the process themselves, and how to resume
}


class WTALCLI(LightningCommands):
    """Any model and data module, linked by the class names.

    A run's metrics, checkpoints and configuration lie in ``<trainer.default_root_dir>/<name>/version_<n>``.

    Args:
        args: What follows ``wtal`` on the command line; without ``run``, the options alone.
        run: Whether to run a command; else model, data module and trainer are made and kept as attributes.

    Raises:
        WTALError: For settings, files and checkpoints that the user can correct.
    """

    def __init__(self, args: list[str] | None = None, run: bool = True) -> None:
        # A checkpoint must not run code. Lightning 2.5 has no option for that, hence torch's own.
        os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
        with as_own_errors(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LightningCLI's args parameter")
            super().__init__(
                model_class=LightningModule,
                datamodule_class=LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                seed_everything_default=0,
                auto_configure_optimizers=False,
                save_config_callback=SaveConfig,
                parser_class=SettingsParser,
                parser_kwargs={"prog": "wtal", "version": f"wtal {__version__}"},
                trainer_defaults=TRAINER_DEFAULTS,
                args=None if args is None else with_underscores(args),
                run=run,
            )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link the class names of the data to the model, and add the options that are not the trainer's."""
        parser.link_arguments("data.class_names", "model.init_args.class_names", apply_on="instantiate")
        parser.add_argument(
            "--logger",
            type=Literal["csv", "tensorboard", "wandb"] | None,
            help="Where metrics go (default: csv, under wandb's agent wandb); `trainer.logger` takes loggers with "
            "options of their own.",
        )
        parser.add_argument(
            "--name",
            type=str | None,
            help="Name of the run, a folder of `trainer.default_root_dir` (default: the model's).",
        )

        parser.add_argument(
            "--then_test",
            type=bool,
            default=False,
            help="After a fit, measure the last checkpoint, and the one chosen on held-out videos, on the test videos.",
        )
        parser.add_argument(
            "--resume",
            type=bool,
            default=False,
            help="Let a fit go on from the newest last.ckpt of its name, or begin where there is none.",
        )

    def before_fit(self) -> None:
        """Start the clock of the record, and find where to go on."""
        self._began = time.monotonic()
        if self.setting("resume"):
            home = run_folder(self.trainer).parent
            found = sorted(home.rglob("last.ckpt"), key=lambda file: file.stat().st_mtime)
            if found:
                self.config_init[self.subcommand]["ckpt_path"] = str(found[-1])

    def after_fit(self) -> None:
        """Leave ``record.json`` in the run's folder."""
        seconds, trainer = time.monotonic() - self._began, self.trainer
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        selected: Mapping[str, float] | None = None
        if self.setting("then_test"):
            (tested,) = trainer.test(self.model, self.datamodule, verbose=False)
            metrics |= tested
            callback = trainer.checkpoint_callback
            if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
                (selected,) = trainer.test(self.model, self.datamodule, callback.best_model_path, verbose=False)
        if trainer.is_global_zero:
            text = (run_folder(trainer) / "config.yaml").read_text()
            record = make_record(text, self.model, self.datamodule, metrics, selected, seconds)
            write_record(record, run_folder(trainer))

    def instantiate_classes(self) -> None:
        """Make model, data module and trainer; a ``ValueError`` of their constructors is a wrong setting."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            cause = origin(error)
            if isinstance(cause, WTALError):
                raise cause from cause.__cause__
            raise ConfigError(str(cause)) from cause

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401
        """Make the trainer, with the chosen logger and with this project's callbacks."""
        settings = self.instance("trainer")
        precision = str(settings["precision"])
        if precision.startswith("transformer-engine") or precision in ("16-true", "bf16-true"):
            raise ConfigError(
                f"trainer.precision: {precision} is too coarse for the losses; take bf16-mixed, 16-mixed or 32-true."
            )
        if settings["logger"] in (None, True):
            kwargs["logger"] = self._logger(settings["default_root_dir"])
        self.trainer_defaults = {**self.trainer_defaults, "callbacks": self._callbacks(settings)}
        plugins = settings["plugins"] or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*plugins, AtomicCheckpoints()]
        return super().instantiate_trainer(**kwargs)

    def _logger(self, root: str) -> Logger:
        name = self.setting("name") or type(self.model).__name__
        kind = self.setting("logger") or ("wandb" if "WANDB_SWEEP_ID" in os.environ else "csv")
        if kind == "wandb":
            Path(root).mkdir(parents=True, exist_ok=True)  # wandb would take the system's temporary folder
            return WandbLogger(name=name, save_dir=root, project="wtal")
        if kind == "tensorboard":
            return TensorBoardLogger(root, name, default_hp_metric=False)
        return CSVLogger(root, name)

    def _callbacks(self, settings: dict[str, Any]) -> list[Callback]:
        callbacks: list[Callback] = [SeedSteps(), KeepFreedMemory(), WritePredictions(), WritePseudoLabels()]
        callbacks += [ResultsTable(), LogPanels()]
        if settings["enable_progress_bar"] is not False:
            callbacks.append(FitProgress())
        if settings["enable_checkpointing"] is not False:
            last = ModelCheckpoint(filename="last", enable_version_counter=False, save_on_train_epoch_end=True)
            callbacks += [last, CheckpointOnTerm()]
        return callbacks

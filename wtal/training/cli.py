"""Lightning's command line for ``fit``, ``validate``, ``test`` and ``predict``, with this project's defaults."""

import os
import shlex
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lightning_fabric.plugins import CheckpointIO
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

import wtal.branches
import wtal.collaboration
import wtal.student  # noqa: F401
from wtal._version import __version__
from wtal.branches import LocalizationModule
from wtal.branches.trainer_check import check_trainer
from wtal.collaboration import FollowStream
from wtal.collaboration.asynchronous import ExchangeSettings
from wtal.data import SnippetDataModule
from wtal.errors import ConfigError, WTALError
from wtal.io.extras import from_extra
from wtal.io.options import plain_options
from wtal.io.remote import is_remote_address
from wtal.io.shipped import without_home
from wtal.io.text import counted
from wtal.results.identity import Identity
from wtal.results.record import Record, write_record
from wtal.results.run_folder import RunFolder
from wtal.training.asynchronous import install_asynchronous
from wtal.training.atomic import AtomicCheckpoints
from wtal.training.floors import KeepFloors
from wtal.training.folders import claim, leaves_no_files
from wtal.training.lightning import LightningCommands, as_own_errors, plain_values
from wtal.training.measuring import (
    chosen_on_held_out,
    keep_results,
    learn_of_training,
    measured_checkpoint,
    measured_part,
    refuse_nothing,
    refuse_untrained,
)
from wtal.training.memory import KeepFreedMemory
from wtal.training.mistakes import origin
from wtal.training.outputs import ResultsTable, WritePredictions, WritePseudoLabels
from wtal.training.panels import LogPanels
from wtal.training.preemption import CheckpointOnTerm
from wtal.training.progress import FitProgress
from wtal.training.runs import KeepIdentity, begin, make_record, say
from wtal.training.saving import SaveConfig
from wtal.training.seeding import SeedSteps
from wtal.training.settings import SettingsParser
from wtal.training.text_weights import another_clip
from wtal.training.widths import take_widths

__all__ = ["TRAINER_DEFAULTS", "WTALCLI"]

TRAINER_DEFAULTS: dict[str, Any] = {
    "default_root_dir": "runs",
    "log_every_n_steps": 1,
    "max_epochs": 100,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # the data modules' samplers handle processes and resumption themselves
}

# What Lightning's mode for measuring its own overhead does not allow, although this project's defaults have it.
BAREBONES: dict[str, Any] = {"logger": False, "log_every_n_steps": None}

_SWITCHES = ("then_test", "resume", "asynchronous")


class WTALCLI(LightningCommands):
    """Any model and data module, linked by the class names.

    A run's metrics, checkpoints and configuration lie in ``<trainer.default_root_dir>/<name>/version_<n>``, see
    :class:`~wtal.results.run_folder.RunFolder`.

    Args:
        args: The words after ``wtal`` on the command line; without ``run``, the options alone.
        run: Whether to run a command; otherwise model, data module and trainer are made and kept as attributes.

    Raises:
        WTALError: For settings, files and checkpoints that the user can correct.
    """

    def __init__(self, args: list[str] | None = None, run: bool = True) -> None:
        # A checkpoint must not run code. Lightning 2.5 has no option for that, hence torch's own.
        os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
        self._words = args or []
        with as_own_errors(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LightningCLI's args parameter")
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")  # of a resumed run
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
                args=None if args is None else plain_options(args, _SWITCHES),
                run=run,
            )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link the class names of the data to the model, and add the options that are not the trainer's."""
        parser.link_arguments("data.class_names", "model.init_args.class_names", apply_on="instantiate")
        parser.add_argument(
            "--logger",
            type=Literal["csv", "tensorboard", "wandb"] | None,
            help="Where metrics go (default: csv, or wandb under its agent); `trainer.logger` takes loggers with "
            "options of their own.",
        )
        parser.add_argument(
            "--name",
            type=str | None,
            help="Name of the run and of its folder in `trainer.default_root_dir` (default: the model's class).",
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
            help="Continue the newest run of this name that has the same settings and seed, in its own folder; "
            "`trainer.max_epochs` may have grown. Begin a new run if there is none.",
        )
        parser.add_argument(
            "--asynchronous",
            type=bool,
            default=False,
            help="Train both branches of a collaboration at the same time, each in a process of its own.",
        )
        parser.add_class_arguments(ExchangeSettings, "exchange")

    # The run ---------------------------------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All settings as plain values, as in ``config.yaml``."""
        return self._as_plain_values(self.config.get(str(self.subcommand), self.config))

    def _as_plain_values(self, config: Any) -> dict[str, Any]:  # noqa: ANN401  a Namespace of jsonargparse
        # checked when they were read
        return plain_values(self.command_parser.dump(config, skip_none=False, skip_validation=True))

    @property
    def run_name(self) -> str:
        """Name of the run: the one given, else that of the model's class."""
        return self.setting("name") or type(self.model).__name__

    @cached_property
    def keeper(self) -> KeepIdentity:
        """The callback that keeps the run's identity."""
        return KeepIdentity(self.settings, self.run_name)

    def claim_folder(self) -> None:
        """Give the run a new folder of its own; ``fit``, ``validate``, ``test`` and ``predict`` do so themselves."""
        claim(self.trainer, self.run_name)

    def before_test(self) -> None:
        """Find the checkpoint to measure, and give the run a new folder.

        Raises:
            CheckpointError: If the weights would be random, or ``last`` or ``best`` is not clear.
            ConfigError: If no video would be measured.
        """
        command, given = str(self.subcommand), self.setting("ckpt_path")
        refuse_nothing(self.trainer, command)
        if given is None:
            refuse_untrained(self.trainer, self.model, self.run_name, command)
        else:
            found = measured_checkpoint(self.trainer, self.settings, self.run_name, str(given), self._identity_of_file)
            self.config[command]["ckpt_path"] = self.config_init[command]["ckpt_path"] = found
        self.claim_folder()

    before_validate = before_predict = before_test

    def after_test(self) -> None:
        """Keep the numbers for ``wtal table``."""
        checkpoint = self.config_init[self.subcommand]["ckpt_path"]
        keep_results(self.trainer, self.model, self.datamodule, self.settings, checkpoint)

    def before_fit(self) -> None:
        """Find the run to continue, or give a new one its folder.

        Raises:
            ConfigError: If nothing would be trained, or a setting cannot work.
        """
        if isinstance(self.model, LocalizationModule):
            check_trainer(self.trainer, self.model, self.datamodule)
        for option in ("max_epochs", "max_steps"):
            if getattr(self.trainer, option) == 0:
                raise ConfigError(f"`trainer.{option}` is 0, so nothing would be trained: give a higher number.")
        if self.setting("asynchronous"):
            install_asynchronous(self.trainer, self.model, self.instance("exchange"))
        if isinstance(self.datamodule, SnippetDataModule):
            for sentence in another_clip([self.settings], self.datamodule):
                rank_zero_warn(sentence)
        settings = self.config_init[self.subcommand]
        self._start = begin(
            self.trainer,
            self.keeper,
            settings["ckpt_path"],
            settings["resume"],
            settings["then_test"],
            self._identity_of_file,
        )
        settings["ckpt_path"] = self._start.checkpoint

    def fit(self, **kwargs: Any) -> None:  # noqa: ANN401  what Lightning's `fit` takes
        """Train, unless the run is finished; a training that is refused before its first step leaves no folder."""
        if not self._start.finished:
            began, folder = time.monotonic(), RunFolder.of(self.trainer)
            is_new = not folder.holds_a_run
            try:
                self.trainer.fit(**kwargs)
            except WTALError:
                if is_new and self.trainer.is_global_zero:
                    folder.discard_settings()
                raise
            # a process that `ddp_spawn` starts keeps its clock for itself
            self.keeper.seconds = self.keeper.seconds or time.monotonic() - began

    def after_fit(self) -> None:
        """Write ``record.json`` into the run's folder."""
        if self._start.finished or leaves_no_files(self.trainer):
            return
        trainer, known = self.trainer, self._start.record
        learn_of_training(trainer, self.model)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        metrics = self._whole(metrics, "val")
        metrics = {**known.metrics, **metrics} if known else metrics
        if self.setting("then_test"):
            self._name_weights()
            (tested,) = trainer.test(self.model, self.datamodule, verbose=False)
            metrics |= self._whole(tested, "test")
        identity, seconds = self.keeper.identity(trainer), known.seconds if known else self.keeper.seconds
        record = make_record(self.settings, identity, self.model, self.datamodule, metrics, None, seconds)
        record = replace(record, command=_command(self._words, known))
        best = chosen_on_held_out(trainer) if self.setting("then_test") else ""
        if best:  # its weights take the place of the last ones
            (tested,) = trainer.test(self.model, self.datamodule, best, verbose=False)
            record = replace(record, selected=self._whole(tested, "test") or None)
        if trainer.is_global_zero:
            write_record(RunFolder.of(trainer).record, record)

    def _name_weights(self) -> None:
        """Name the checkpoint that the trained weights are in, or the epochs that they were trained for."""
        last, epochs = RunFolder.of(self.trainer).last, self.trainer.current_epoch
        if epochs and isinstance(self.model, LocalizationModule):
            unsaved = f"none saved, {counted(epochs, 'epoch')} of training"
            self.model.checkpoint_name = last.name if last.is_file() else unsaved

    def _whole(self, metrics: Mapping[str, float], split: Literal["val", "test"]) -> dict[str, float]:
        """The metrics of a split if all its videos were measured with trained weights; otherwise none, with a word."""
        part, untrained = measured_part(self.trainer, self.model, split), getattr(self.model, "untrained", ())
        reason = f"Only {part} of {split} were measured" if part else ""
        reason = f"The weights of {', '.join(untrained)} were not trained" if untrained else reason
        say(self.trainer, f"{reason}, so their numbers are kept out of the record." if reason and metrics else "")
        return {} if reason else dict(metrics)

    def _identity_of_file(self, config: Path) -> Identity | None:
        """The identity of a ``config.yaml``, with defaults for what it lacks; None if it does not fit."""
        try:
            read = self.command_parser.parse_args([f"--config={config}"])
        except Exception:  # a file of an older version, or a damaged one, can raise anything
            return None
        return Identity.of(self._as_plain_values(read), self.trainer.world_size)

    def before_instantiate_classes(self) -> None:
        """Let heads be as wide as the features, so that RGB alone needs no option."""
        for remark in take_widths(self.setting("model"), self.setting("data")):
            rank_zero_info(remark)

    def instantiate_classes(self) -> None:
        """Make model, data module and trainer; a ``ValueError`` from a constructor means a wrong setting."""
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
        if is_remote_address(settings["default_root_dir"] or ""):
            raise ConfigError(
                f"trainer.default_root_dir: {settings['default_root_dir']} is an address: train into a folder, and "
                "`wtal push` the run there."
            )
        precision = str(settings["precision"])
        if precision.startswith("transformer-engine") or precision in ("16-true", "bf16-true"):
            raise ConfigError(
                f"trainer.precision: {precision} is too coarse for the losses; use bf16-mixed, 16-mixed or 32-true."
            )
        if settings["barebones"]:
            kwargs |= BAREBONES
        elif settings["logger"] in (None, True):
            kwargs["logger"] = self._logger(settings["default_root_dir"])
        self.trainer_defaults = {**self.trainer_defaults, "callbacks": self._callbacks(settings)}
        plugins = settings["plugins"] or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*plugins, AtomicCheckpoints()]
        return super().instantiate_trainer(**kwargs)

    def _logger(self, root: str) -> Logger:
        name = self.run_name
        kind = self.setting("logger") or ("wandb" if "WANDB_SWEEP_ID" in os.environ else "csv")
        if kind == "wandb":
            Path(root).mkdir(parents=True, exist_ok=True)  # otherwise wandb uses the system's temporary folder
            with from_extra("wandb"):
                return WandbLogger(name=name, save_dir=root, project="wtal")
        if kind == "tensorboard":
            with from_extra("tensorboard"):
                return TensorBoardLogger(root, name, default_hp_metric=False)
        return CSVLogger(root, name)

    def _callbacks(self, settings: dict[str, Any]) -> list[Callback]:
        callbacks: list[Callback] = [self.keeper, SeedSteps(), KeepFreedMemory()]
        callbacks += [WritePredictions(), WritePseudoLabels(), ResultsTable(), LogPanels(), KeepFloors()]
        if settings["barebones"]:
            return callbacks
        given = settings["callbacks"] or []
        given = given if isinstance(given, list) else [given]
        if not any(isinstance(callback, FollowStream) for callback in given):
            callbacks.append(FollowStream())
        if settings["enable_progress_bar"] is not False and not any(isinstance(c, ProgressBar) for c in given):
            callbacks.append(FitProgress())
        if settings["enable_checkpointing"] is not False:
            last = ModelCheckpoint(filename="last", enable_version_counter=False, save_on_train_epoch_end=True)
            callbacks += [last, CheckpointOnTerm()]
        return callbacks


def _command(words: Sequence[str], known: Record | None) -> str:
    """The command that trained a run: that of its record, or the present one as one types it."""
    if known:
        return known.command
    return shlex.join(["wtal", *map(without_home, words)]) if words else ""

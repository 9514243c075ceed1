"""The one adapter to Lightning: its private parts are used only here and in the collaboration's loop."""

import csv
import io
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter

from wtal.errors import CheckpointError, ConfigError, FeatureError, WTALError
from wtal.io.files import write_text
from wtal.io.tables import read_table
from wtal.training.given_checkpoint import given_checkpoint

__all__ = ["LightningCommands", "as_own_errors", "batches_trained", "chooses_version", "plain_values", "write_into"]


class LightningCommands(LightningCLI):
    """Lightning's command line without the parts that this project replaces.

    Takes the arguments of ``LightningCLI``.
    """

    _words: list[str]  # after `wtal`; those of the process are not known here

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Lightning's commands, each with the parameters that are not its options."""
        return {name: skipped | {"weights_only"} for name, skipped in LightningCLI.subcommands().items()}

    def setting(self, key: str) -> Any:  # noqa: ANN401
        """The value of an option, whichever command it was given to."""
        return self._get(self.config, key)

    def instance(self, key: str) -> Any:  # noqa: ANN401
        """The object made from the settings under a key; a plain setting as it is."""
        return self._get(self.config_init, key)

    @property
    def command_parser(self) -> LightningArgumentParser:
        """The parser of the command that runs."""
        parser: LightningArgumentParser = self._parser(self.subcommand)
        return parser

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:  # noqa: ANN401
        """Give options to the command that is called, as each takes a while, and leave the others by their names.

        Lightning's long table of results is off, as this project prints a short one.
        """
        if self._words and self._words[0] != subcommand and self._words[0] in self.subcommands():
            return self.init_parser(**kwargs)
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if "verbose" in self._subcommand_method_arguments[subcommand]:
            parser.set_defaults(verbose=False)
        return parser

    def _dump_config(self) -> None:
        """Keep the settings as Lightning does for checkpoints, without checking again what was checked when read."""
        if not hasattr(self, "config_dump"):
            text = self.parser.dump(
                self.config, skip_link_targets=False, skip_none=False, format="yaml", skip_validation=True
            )
            values = plain_values(text)
            self.config_dump = values[self.config.subcommand] if "subcommand" in self.config else values

    def _parse_ckpt_path(self) -> None:
        """Check the checkpoint, and keep the settings as given, where Lightning would take those of the checkpoint."""
        command = self.config.get("subcommand")
        settings = self.config[command] if command else {}
        if settings.get("ckpt_path"):
            settings["ckpt_path"] = given_checkpoint(str(settings["ckpt_path"]), command)


def plain_values(text: str) -> dict[str, Any]:
    """The settings in a text that jsonargparse has written, read by libyaml where it is there."""
    values: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return values


def batches_trained(trainer: Trainer) -> int:
    """Number of training batches since the first epoch, including those before a resumption."""
    return trainer.fit_loop.epoch_loop.total_batch_idx + 1


def chooses_version(logger: Logger) -> bool:
    """Whether a logger of files will choose the version of its run itself."""
    return isinstance(logger, CSVLogger | TensorBoardLogger) and logger._version is None


def write_into(trainer: Trainer, folder: Path, version: int | str, step: int | None) -> None:
    """Make a trainer and its first logger write into the folder of a run.

    Args:
        trainer: A trainer that has not begun.
        folder: Folder of the run.
        version: Version of the run, which the logger makes the folder of.
        step: The step from which the run in that folder continues; earlier log entries are kept. None for a new run.
    """
    logger = trainer.loggers[0] if trainer.loggers else None
    if logger is None:
        trainer._default_root_dir = str(folder)  # type: ignore[attr-defined]  # where Lightning keeps the rest
    elif isinstance(logger, WandbLogger):
        logger._id = logger._wandb_init["id"] = str(version)
    elif isinstance(logger, CSVLogger):
        logger._version = version
        if step is not None and trainer.is_global_zero:
            logger._experiment = _ContinuedMetrics(logger.log_dir, step)
    elif isinstance(logger, TensorBoardLogger):
        logger._version = version
        if step is not None:
            logger._kwargs["purge_step"] = step


class _ContinuedMetrics(ExperimentWriter):
    """Keeps the rows of ``metrics.csv``, where Lightning's class deletes the file.

    Rows of steps that are repeated, because the run ended after its last checkpoint, are left out.
    """

    def __init__(self, log_dir: str, step: int) -> None:
        self.first_step = step
        super().__init__(log_dir)

    def _check_log_dir_exists(self) -> None:
        file = Path(self.metrics_file_path)
        if not file.is_file():
            return
        table = read_table(file, CheckpointError)
        rows = [row for _, row in table.records() if not self._is_repeated(row)]
        self.metrics_keys = list(table.columns)
        kept = io.StringIO(newline="")
        writer = csv.DictWriter(kept, self.metrics_keys)
        writer.writeheader()
        writer.writerows(rows)
        write_text(file, kept.getvalue())

    def _is_repeated(self, row: dict[str, str]) -> bool:
        step = row.get("step", "")
        return step.isdecimal() and int(step) >= self.first_step


@contextmanager
def as_own_errors() -> Iterator[None]:
    """Turn the errors by which Lightning and torch refuse settings, checkpoints and features into this project's.

    Raises:
        WTALError: In place of such an error; any other passes.
    """
    try:
        yield
    except Exception as error:
        own = _own_error(error)
        if own is None:
            raise
        raise own from error


def _own_error(error: Exception) -> WTALError | None:
    message = str(error)
    if isinstance(error, MisconfigurationException):
        return ConfigError(" ".join(message.split()))
    if isinstance(error, ValueError | RuntimeError) and _is_raised_by_lightning(error):
        return ConfigError(" ".join(message.split()))
    if isinstance(error, FileNotFoundError):
        return CheckpointError(message) if "heckpoint" in message else None
    if isinstance(error, pickle.UnpicklingError):
        return CheckpointError(
            "The checkpoint was not loaded: it is damaged, or holds more than plain values and could run code."
        )
    if not isinstance(error, RuntimeError):
        return None
    if "PytorchStreamReader" in message:
        return CheckpointError(f"The checkpoint is damaged: {message}")
    if "loading state_dict" in message:
        return CheckpointError(_foreign_weights(message))
    return _wrong_width(message)


def _is_raised_by_lightning(error: Exception) -> bool:
    """Whether the innermost code is Lightning's: then it has refused a setting."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return str(module).startswith(("pytorch_lightning.", "lightning_fabric."))


def _foreign_weights(message: str) -> str:
    """One sentence in place of torch's list of all weights that do not fit."""
    shapes = re.findall(
        r"size mismatch for (\S+): .*?torch.Size\((.*?)\) from checkpoint.*?torch.Size\((.*?)\)", message
    )
    remedy = "give the configuration that it was trained with."
    if shapes:
        name, saved, here = shapes[0]
        return f"{len(shapes)} weights of the checkpoint have other shapes, {name} {saved} and not {here}: {remedy}"
    return f"The checkpoint belongs to another model, as it has other weights: {remedy}"


def _wrong_width(message: str) -> FeatureError | None:
    """The error for a head that, unlike those of this project, does not check the width of its features."""
    linear = re.search(r"mat1 and mat2 shapes cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", message)
    convolution = re.search(r"to have (?P<expects>\d+) channels, but got (?P<has>\d+) channels", message)
    if linear:
        has, expects = linear.groups()
    elif convolution:
        has, expects = convolution["has"], convolution["expects"]
    else:
        return None
    return FeatureError(
        f"A layer of the head expects {expects} channels and was given {has}: if the features have {has} channels, set "
        f"the head's `in_dim` to {has} (`--debug` shows the layer)."
    )

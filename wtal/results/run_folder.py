"""The folder of a run: where its configuration, record, checkpoints, predictions, scores and pseudo-labels lie."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wtal.errors import ConfigError, WTALError
from wtal.io.bounds import read_json, read_yaml
from wtal.io.files import write_text
from wtal.results.identity import Identity

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

__all__ = ["RunFolder", "newest_checkpoint", "records_below"]

_LAST = "last.ckpt"
_RECORD = "record.json"


@dataclass(frozen=True)
class RunFolder:
    """The one place that knows the names of a run's files.

    Args:
        path: The folder, ``<root>/<name>/<version>``.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    # Finding --------------------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, trainer: "Trainer") -> "RunFolder":
        """The folder that a trainer writes to; with wandb it is known once the run has begun.

        Lightning has no word for it: ``trainer.log_dir`` is shared by all runs with some loggers, wandb's among them.
        This is the parent of the folder that ``ModelCheckpoint`` takes by default.
        """
        if not trainer.loggers:
            return cls(Path(trainer.default_root_dir))
        logger = trainer.loggers[0]
        version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
        return cls(Path(logger.save_dir or trainer.default_root_dir, str(logger.name), version))

    @classmethod
    def claim(cls, home: Path) -> "RunFolder":
        """Make the next free ``version_<n>`` of a folder, which no other process then gets.

        Raises:
            OSError: If it cannot be made.
        """
        home.mkdir(parents=True, exist_ok=True)
        while True:
            numbers = [path.name.removeprefix("version_") for path in home.glob("version_*")]
            folder = home / f"version_{max((int(n) for n in numbers if n.isdecimal()), default=-1) + 1}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return cls(folder)

    @classmethod
    def containing(cls, path: Path) -> "RunFolder | None":
        """The run that a path belongs to: its folder, or a file or folder in it, such as a checkpoint."""
        candidates = map(cls, (path, path.parent, path.parent.parent))
        return next((folder for folder in candidates if folder.holds_a_run), None)

    @classmethod
    def below(cls, home: Path) -> "list[RunFolder]":
        """The runs directly in a folder that have a ``last.ckpt``, sorted by its age, the newest one last."""
        return [cls(file.parent.parent) for file in _by_age(home.glob(f"*/checkpoints/{_LAST}"))]

    def discard_settings(self) -> None:
        """Remove the settings of a training that was refused, and the folder, unless something else lies in it."""
        if self.metrics.exists() or any(self.checkpoints.glob("*")):
            return
        for file in (self.config, self.identity, self.path / "hparams.yaml"):
            file.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.path):
            with suppress(OSError):  # it does not exist or is not empty
                folder.rmdir()

    @property
    def holds_a_run(self) -> bool:
        """Whether a run has left something here."""
        marks = (self.config, self.identity, self.record, self.metrics, self.pseudo_labels, self.predictions)
        return any(path.exists() for path in marks)

    # Places ---------------------------------------------------------------------------------------------------------

    @property
    def config(self) -> Path:
        """The whole configuration."""
        return self.path / "config.yaml"

    @property
    def identity(self) -> Path:
        """Name, digest and settings of the training; see :class:`~wtal.results.identity.Identity`."""
        return self.path / "identity.json"

    @property
    def record(self) -> Path:
        """The run's settings and results; see :class:`~wtal.results.record.Record`."""
        return self.path / _RECORD

    @property
    def about(self) -> Path:
        """What the predictions were made on; see :class:`~wtal.results.record.About`."""
        return self.path / "about.json"

    @property
    def metrics(self) -> Path:
        """Lightning's table of all that was logged, one row per step or epoch."""
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch, from which a training continues."""
        return self.checkpoints / _LAST

    @property
    def selected(self) -> Path | None:
        """The checkpoint that was chosen on held-out videos: the newest one besides the last; None without any."""
        return next(reversed(_by_age(f for f in self.checkpoints.glob("*.ckpt") if f.name != _LAST)), None)

    @property
    def pseudo_labels(self) -> Path:
        """The pseudo-labels that each student last learned from."""
        return self.path / "pseudo_labels.npz"

    @property
    def asynchronous(self) -> Path:
        """What two branches that trained at the same time left: a run folder of each, its packets and its journal."""
        return self.path / "asynchronous"

    @property
    def stream(self) -> Path:
        """What a training on videos that kept coming has left, see :mod:`wtal.results.stream`."""
        return self.path / "stream"

    @property
    def predictions(self) -> Path:
        """The folder of the detections, one file per source, and of the ground truth."""
        return self.path / "predictions"

    @property
    def ground_truth(self) -> Path:
        """The segments that the predictions are measured against."""
        return self.predictions / "ground_truth.json"

    def predictions_of(self, source: str) -> Path:
        """The detections of a branch or of the fusion."""
        return self.predictions / f"{source}.json"

    @property
    def scores(self) -> Path:
        """Folder of the snippet scores."""
        return self.path / "scores"

    def scores_of(self, source: str) -> Path:
        """The snippet scores of a branch or of the fusion."""
        return self.scores / f"{source}.npz"

    @property
    def sources(self) -> list[str]:
        """Names of the branches, and of their fusion, that have predictions here."""
        return sorted(path.stem for path in self.predictions.glob("*.json") if path != self.ground_truth)

    # Name and identity ----------------------------------------------------------------------------------------------

    @property
    def run_name(self) -> str:
        """The run's name: the ``--name`` it was started with, or its model's; empty if unknown."""
        try:
            return str(read_json(self.identity, ConfigError)["name"])
        except (WTALError, KeyError, TypeError):
            pass
        try:  # before version 0.2
            config = read_yaml(self.config, ConfigError)
            return str(config.get("name") or config["model"]["class_path"].rpartition(".")[2])
        except (WTALError, KeyError, TypeError, AttributeError):
            return ""

    def write_identity(self, identity: Identity, name: str) -> None:
        """Write ``identity.json``."""
        content = {"name": name, "digest": identity.digest, "settings": dict(identity.settings)}
        write_text(self.identity, json.dumps(content, indent=1))


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest ``last.ckpt`` in a folder or below it; None without any."""
    return next(reversed(_by_age(folder.rglob(_LAST))), None)


def records_below(folder: Path) -> list[Path]:
    """Every ``record.json`` in a folder or below it, the newest one last."""
    return _by_age(folder.rglob(_RECORD))


def _by_age(files: Iterable[Path]) -> list[Path]:
    """Files sorted by the time of their last change, and those of the same time by their path."""
    return sorted(files, key=lambda file: (file.stat().st_mtime, str(file)))

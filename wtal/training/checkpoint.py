"""``wtal.load``: a checkpoint as a model, with all that it holds about its training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from wtal.branches.localization import LocalizationModule
from wtal.collaboration import CollaborationModule, Schedule
from wtal.data.datamodule import SnippetDataModule
from wtal.data.stream import StreamDataModule
from wtal.errors import CheckpointError, ConfigError, WTALError
from wtal.io.bounds import is_bounded, read_checkpoint, read_yaml
from wtal.io.given import one_or_more
from wtal.nn.text.prompts import PromptedText, nearest_words
from wtal.results.run_folder import RunFolder, newest_checkpoint
from wtal.training.mistakes import mistake, origin
from wtal.training.rebuilding import rebuild, refuse_untrusted
from wtal.training.settings import load_data, up_to_date
from wtal.training.sharing import local_path
from wtal.types import PseudoLabels

__all__ = ["Run", "load"]

_MOST_SETTINGS = 1_000_000


@dataclass
class Run:
    """A training, read from its checkpoint.

    Args:
        path: Path of the checkpoint.
        model: The trained model, in evaluation mode on the CPU.
        class_names: Names of the classes, in the order of the labels.
        hyperparameters: Settings that the model was made with; ``{}`` if the checkpoint holds none.
        epoch: The last epoch, counted from 0 as in :meth:`Schedule.step`.
        schedule: Schedule of a collaboration; None for a branch that was trained alone.
        config: Path of the run's ``config.yaml``; None if there is none.
        trust: Packages besides this one whose classes may be named, see :func:`load`.
        buffers: State of each student's :class:`PseudoLabelBuffer`.
    """

    path: Path
    model: LocalizationModule = field(repr=False)
    class_names: list[str]
    hyperparameters: dict[str, Any] = field(repr=False)
    epoch: int
    schedule: Schedule | None
    config: Path | None
    trust: tuple[str, ...] = ()
    buffers: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict, repr=False)

    @cached_property
    def data(self) -> SnippetDataModule:
        """The data module of the training, made from ``config.yaml`` at the first access.

        Raises:
            ConfigError: If there is no ``config.yaml``, or it describes no data.
            WTALError: If the data are no longer where they were.
        """
        if self.config is None:
            raise ConfigError(f"There is no config.yaml above {self.path}: make the data module and pass it as `data`.")
        data = _read_config(self.config).get("data")
        if not isinstance(data, dict):  # the name of another file would be read unchecked
            raise ConfigError(f"{self.config} has no `data` part: make the data module and pass it as `data`.")
        refuse_untrusted(data, self.config, self.trust)
        try:
            made = load_data([self.config])
        except WTALError:
            raise
        except Exception as error:  # wrong settings can raise anything
            cause = origin(error)
            if isinstance(cause, WTALError):
                raise cause from cause.__cause__
            raise ConfigError(mistake(str(error), [str(self.config)])) from error
        if isinstance(made, StreamDataModule):
            made.know(self.class_names, may_grow=True)
        for mark in self.model.marks:
            made.mark_benchmark(mark)
        return made

    @cached_property
    def pseudo_labels(self) -> dict[str, dict[str, PseudoLabels]]:
        """Each student's latest pseudo-labels by training video, ``(T,)`` on the video's grid.

        If the training data cannot be read, the videos are named ``0``, ``1`` and so on, in their order.
        """
        labels = {}
        for student, state in self.buffers.items():
            bounds = list(pairwise(state["offsets"].tolist()))
            names = self._training_videos([end - begin for begin, end in bounds])
            parts = [PseudoLabels(state["label"][begin:end], state["class_index"][begin:end]) for begin, end in bounds]
            labels[student] = dict(zip(names, parts, strict=True))
        return labels

    def _training_videos(self, lengths: Sequence[int]) -> list[str]:
        try:
            videos = self.data.videos("train")
        except WTALError:
            videos = []
        if [video.num_snippets for video in videos] == lengths:
            return [video.video_id for video in videos]
        return [str(row) for row in range(len(lengths))]

    def prompts(self, count: int = 3) -> pd.DataFrame:
        """The words nearest to each learned context vector: ``vector``, ``rank``, ``word``, ``distance``.

        Args:
            count: Number of words per vector.

        Returns:
            One row per vector and word; none where no prompts are learned.
        """
        texts = [module for module in self.model.modules() if isinstance(module, PromptedText)]
        words = nearest_words(texts[0], count) if texts else []
        rows = [(v, rank, *found) for v, near in enumerate(words) for rank, found in enumerate(near)]
        return pd.DataFrame(rows, columns=["vector", "rank", "word", "distance"])


def load(path: str | Path, model: LocalizationModule | None = None, trust: Sequence[str] | str = ()) -> Run:
    """Load any checkpoint of this project: of a branch that was trained alone, or of a collaboration.

    The checkpoint of a training on the command line holds all settings of its model, so neither data nor configuration
    is needed. Nothing in the file can run code.

    Args:
        path: The checkpoint, a folder whose newest ``last.ckpt`` is used, or an address of either, such as
            ``hf://user/repo`` or ``s3://bucket/run``.
        model: A module of the checkpoint's architecture; needed after a training in Python, as the functions that made
            its parts are not in the checkpoint.
        trust: Packages besides this one whose classes checkpoint and configuration may name, such as your own heads.

    Raises:
        CheckpointError: If the file is missing, damaged, hostile or not a checkpoint of this project, or lacks the
            settings of its model.

    For example ``run = wtal.load("runs/demo/seed_0/alternation")``; see :class:`Run`, and
    ``experiments/notebooks/inspect_checkpoint.ipynb``.
    """
    trust = one_or_more("trust", trust)
    path = _find(local_path(Path(path)))
    checkpoint = _read(path)
    folder = RunFolder.containing(path)
    config = folder.config if folder is not None and folder.config.is_file() else None
    saved = checkpoint["hyper_parameters"]
    hyperparameters = {n: value for n, value in saved.items() if not str(n).startswith("_") and n != "class_names"}
    if model is None:
        settings = {"class_path": saved.get("_class_path"), "init_args": hyperparameters}
        if settings["class_path"] is None and config is not None:  # trained in Python, beside a configuration
            settings = _part(_read_config(config), "model")
        if settings.get("class_path") is None:
            raise CheckpointError(
                f"{path} does not hold the settings of its model, as it was trained in Python: make the model as you "
                "did there, and pass it as `model`."
            )
        model = rebuild(settings, checkpoint["class_names"], checkpoint["state_dict"], path, trust)
    _fill(model, checkpoint, path)
    model.checkpoint_name = path.name
    return Run(
        path,
        model.eval(),
        list(model.class_names),
        hyperparameters,
        checkpoint["epoch"],
        model.schedule if isinstance(model, CollaborationModule) else None,
        config,
        tuple(trust),
        _buffers(checkpoint, path),
    )


# Reading ------------------------------------------------------------------------------------------------------------


def _find(path: Path) -> Path:
    if not path.is_dir():
        return path
    newest = newest_checkpoint(path)
    if newest is None:
        raise CheckpointError(f"There is no last.ckpt in {path} or below it: give the checkpoint itself.")
    return newest


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors and plain values, with classes under their present names."""
    try:
        checkpoint = read_checkpoint(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: give a checkpoint, or the folder of a run.") from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "class_names"} <= checkpoint.keys():
        raise CheckpointError(f"{path} is not a checkpoint of this project: it has no weights with class names.")
    parts = {"state_dict": {}, "class_names": [], "hyper_parameters": {}, "loops": {}, "epoch": 0, "marks": []}
    parts["floors"] = {}
    checkpoint = {name: checkpoint.get(name, empty) for name, empty in parts.items()}
    wrong = [name for name, empty in parts.items() if not isinstance(checkpoint[name], type(empty))]
    if wrong:
        raise CheckpointError(
            f"{path} is a damaged checkpoint: its {wrong[0]} are a {type(checkpoint[wrong[0]]).__name__}."
        )
    if not is_bounded([checkpoint[name] for name in ("class_names", "hyper_parameters", "marks")], _MOST_SETTINGS):
        raise CheckpointError(f"{path} is a damaged checkpoint: its settings hold too many values.")
    try:
        return {**checkpoint, "hyper_parameters": up_to_date(checkpoint["hyper_parameters"])}
    except RecursionError as error:
        raise CheckpointError(f"{path} is a damaged checkpoint: its settings are nested too deeply.") from error


def _part(content: object, *keys: str) -> dict[str, Any]:
    """The dictionary under nested keys; an empty one if there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def _buffers(checkpoint: Mapping[str, Any], path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The state of each student's pseudo-labels.

    Raises:
        CheckpointError: If its tensors do not fit together.
    """
    buffers = _part(checkpoint["loops"], "fit_loop", "state_dict", "pseudo_labels")
    buffers = {student: _with_class_index(state) for student, state in buffers.items()}
    for student, state in buffers.items():
        parts = [_part(state).get(name) for name in ("offsets", "label", "class_index")]
        tensors = [part for part in parts if isinstance(part, torch.Tensor) and part.dim() == 1]
        bounds = tensors[0].tolist() if len(tensors) == 3 else []
        if bounds[:1] != [0] or bounds != sorted(bounds) or {bounds[-1]} != {len(part) for part in tensors[1:]}:
            raise CheckpointError(
                f"{path} is a damaged checkpoint: its pseudo-labels of {student} do not fit together."
            )
    return buffers


def _with_class_index(state: object) -> object:
    """The state of a buffer, whose ``class_index`` was called ``klass`` before version 0.2."""
    if isinstance(state, dict) and "class_index" not in state and "klass" in state:
        return {**state, "class_index": state["klass"]}
    return state


def _read_config(path: Path) -> dict[str, Any]:
    content = up_to_date(read_yaml(path, ConfigError))
    return content if isinstance(content, dict) else {}


def _fill(model: LocalizationModule, checkpoint: dict[str, Any], path: Path) -> None:
    """Load the weights into the model.

    Raises:
        CheckpointError: If they belong to another model.
    """
    model.on_load_checkpoint(checkpoint)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except (RuntimeError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"The weights of {path} do not fit a {type(model).__name__} with these settings: pass the right `model`."
        ) from error

"""``wtal.load``: a checkpoint as a model, and what else of a training is in it."""

import importlib.util
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from jsonargparse import ArgumentParser
from torch.overrides import TorchFunctionMode

from wtal.branches.localization import LocalizationModule
from wtal.collaboration import CollaborationModule, Schedule
from wtal.data.check import load_data
from wtal.data.datamodule import SnippetDataModule
from wtal.errors import CheckpointError, ConfigError, WTALError
from wtal.io.bounds import is_bounded, read_checkpoint, read_yaml
from wtal.nn.text.prompts import PromptedText, nearest_words
from wtal.training.mistakes import mistake, origin
from wtal.types import PseudoLabels

__all__ = ["Run", "load"]

_TRUSTED = ("wtal", "torch.optim")
_MOST_SETTINGS = 1_000_000
_ROOM = 1 << 30  # numbers that a model may have beside those in its checkpoint, such as a frozen text tower's
_LEAST = 1 << 16  # numbers that a tensor counts for at least: to make very many small ones takes long, too
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


@dataclass
class Run:
    """A training as its checkpoint tells it.

    Args:
        path: The checkpoint.
        model: In evaluation mode, on the CPU.
        class_names: In the order of the labels.
        hyperparameters: What the model was made with; ``{}`` where the checkpoint does not say.
        epoch: The last one, counted from 0 as in :meth:`Schedule.step`.
        schedule: Of a collaboration, else None.
        config: ``config.yaml`` of the run's folder, None where there is none.
        trust: As for :func:`load`.
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
        """The data module that it was trained with, made from ``config.yaml`` when first asked for.

        Raises:
            ConfigError: If there is no ``config.yaml``, or none with data.
            WTALError: If the data are no longer where they were.
        """
        if self.config is None:
            raise ConfigError(f"No config.yaml lies above {self.path}: make the data module yourself, and give it.")
        data = _read_config(self.config).get("data")
        if not isinstance(data, dict):  # the name of another file would be read unseen
            raise ConfigError(f"{self.config} has no `data` part: make the data module yourself, and give it.")
        _refuse_strangers(data, self.config, self.trust)
        try:
            made = load_data([self.config])
        except WTALError:
            raise
        except Exception as error:  # what a data module makes of settings that are none
            cause = origin(error)
            if isinstance(cause, WTALError):
                raise cause from cause.__cause__
            raise ConfigError(mistake(str(error), [str(self.config)])) from error
        for mark in self.model.marks:
            made.mark_benchmark(mark)
        return made

    @cached_property
    def pseudo_labels(self) -> dict[str, dict[str, PseudoLabels]]:
        """What each student was last taught, by student and training video; ``(T,)`` each, on the video's grid.

        Where the training videos are not at hand they are called ``0``, ``1`` and so on, in their order.
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
            count: Words a vector.

        Returns:
            A table of no rows where no prompts are learned.
        """
        texts = [module for module in self.model.modules() if isinstance(module, PromptedText)]
        words = nearest_words(texts[0], count) if texts else []
        rows = [(v, rank, *found) for v, near in enumerate(words) for rank, found in enumerate(near)]
        return pd.DataFrame(rows, columns=["vector", "rank", "word", "distance"])


def load(path: str | Path, model: LocalizationModule | None = None, trust: Sequence[str] = ()) -> Run:
    """Load any checkpoint of this project: a branch that was trained alone, or a collaboration.

    Neither data nor the configuration are needed: the checkpoint of a training by the command line says how to make
    its model. Nothing in the file can run code.

    Args:
        path: The checkpoint, or a folder: its newest ``last.ckpt`` is taken.
        model: A module of the checkpoint's architecture, for a training in Python: functions that made its parts are in
            no checkpoint.
        trust: Packages beside this one whose classes checkpoint and configuration may name, such as your own heads.

    Raises:
        CheckpointError: If the file is missing, damaged, hostile or no checkpoint of this project, or if it does not
            say how to make its model.

    ``run = wtal.load("runs/demo/seed_0/alternation")`` is all; see :class:`Run`, and
    ``experiments/notebooks/inspect_checkpoint.ipynb``.
    """
    path = _find(Path(path))
    checkpoint = _read(path)
    config = next((p for p in (path.parent / "config.yaml", path.parent.parent / "config.yaml") if p.is_file()), None)
    said = checkpoint["hyper_parameters"]
    hyperparameters = {n: value for n, value in said.items() if not str(n).startswith("_") and n != "class_names"}
    if model is None:
        setting = {"class_path": said.get("_class_path"), "init_args": hyperparameters}
        if setting["class_path"] is None and config is not None:  # trained in Python, beside a configuration
            setting = _part(_read_config(config), "model")
        if setting.get("class_path") is None:
            raise CheckpointError(
                f"{path} does not say how to make its model, as it was trained in Python: make it as there, and give "
                "it as `model`."
            )
        model = _make(setting, path, checkpoint, trust)
    _fill(model, checkpoint, path)
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
    found = sorted(path.rglob("last.ckpt"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise CheckpointError(f"No last.ckpt is in {path} or below it: give the checkpoint itself.")
    return found[-1]


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors and plain values."""
    try:
        checkpoint = read_checkpoint(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: give a checkpoint, or the folder of a run.") from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "class_names"} <= checkpoint.keys():
        raise CheckpointError(f"{path} is no checkpoint of this project: it has no weights with class names.")
    parts = {"state_dict": {}, "class_names": [], "hyper_parameters": {}, "loops": {}, "epoch": 0, "marks": []}
    checkpoint = {name: checkpoint.get(name, empty) for name, empty in parts.items()}
    wrong = [name for name, empty in parts.items() if not isinstance(checkpoint[name], type(empty))]
    if wrong:
        raise CheckpointError(
            f"{path} is a damaged checkpoint: its {wrong[0]} are a {type(checkpoint[wrong[0]]).__name__}."
        )
    if not is_bounded([checkpoint[name] for name in ("class_names", "hyper_parameters", "marks")], _MOST_SETTINGS):
        raise CheckpointError(f"{path} is a damaged checkpoint: its settings have no end.")
    return checkpoint


def _part(content: object, *keys: str) -> dict[str, Any]:
    """What lies below some keys in nested dictionaries; empty where it is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def _buffers(checkpoint: Mapping[str, Any], path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The pseudo-labels of each student, if they fit together."""
    buffers = _part(checkpoint["loops"], "fit_loop", "state_dict", "pseudo_labels")
    buffers = {student: _with_present_names(state) for student, state in buffers.items()}
    for student, state in buffers.items():
        parts = [_part(state).get(name) for name in ("offsets", "label", "class_index")]
        tensors = [part for part in parts if isinstance(part, torch.Tensor) and part.dim() == 1]
        bounds = tensors[0].tolist() if len(tensors) == 3 else []
        if bounds[:1] != [0] or bounds != sorted(bounds) or {bounds[-1]} != {len(part) for part in tensors[1:]}:
            raise CheckpointError(
                f"{path} is a damaged checkpoint: its pseudo-labels of {student} do not fit together."
            )
    return buffers


def _with_present_names(state: object) -> object:
    """The state of a buffer, whose ``class_index`` was called ``klass`` before version 0.2."""
    if isinstance(state, dict) and "class_index" not in state and "klass" in state:
        return {**state, "class_index": state["klass"]}
    return state


def _read_config(path: Path) -> dict[str, Any]:
    content = read_yaml(path, ConfigError)
    return content if isinstance(content, dict) else {}


# Making the model ---------------------------------------------------------------------------------------------------


def _make(
    setting: dict[str, Any], path: Path, checkpoint: Mapping[str, Any], trust: Sequence[str]
) -> LocalizationModule:
    setting = deepcopy(
        {**setting, "init_args": {**_part(setting, "init_args"), "class_names": checkpoint["class_names"]}}
    )
    _take_texts_from(checkpoint["state_dict"], setting)
    _refuse_strangers(setting, path, trust)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LocalizationModule, "model", required=True)
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes  # renamed in jsonargparse 4.49
    tensors = [w for w in checkpoint["state_dict"].values() if isinstance(w, torch.Tensor)]
    try:
        with _Room(_ROOM + 2 * sum(max(w.numel(), _LEAST) for w in tensors)):
            made: LocalizationModule = instantiate(parser.parse_object({"model": setting})).model
    except Exception as error:  # what a model makes of settings that are none
        cause = origin(error)
        if isinstance(cause, WTALError):
            raise cause from cause.__cause__
        raise CheckpointError(
            f"The model of {path} cannot be made as it says ({mistake(str(error), ())}): make it, and give it as "
            "`model`."
        ) from error
    return made


class _Room(TorchFunctionMode):
    """Lets tensors of so many numbers be made, all together: settings may ask for more than any machine has."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.left = numbers

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  whatever torch's function returns
        """Count what is made before it is."""
        if func in _MAKERS:
            sizes = args if args and isinstance(args[0], int) else next(iter(args), (kwargs or {}).get("size", ()))
            self.left -= max(math.prod(sizes), _LEAST)
            if self.left < 0:
                raise ValueError("its settings ask for much larger weights than it has")
        return func(*args, **(kwargs or {}))


_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)


def _take_texts_from(weights: Mapping[str, torch.Tensor], setting: object) -> None:
    """Text features that were read from a file are in the checkpoint; the file may be gone."""
    if isinstance(setting, dict):
        found = (w for name, w in weights.items() if str(name).endswith("text.features"))
        width = next((w.shape[1] for w in found if isinstance(w, torch.Tensor) and w.dim() == 2), None)
        if str(setting.get("class_path")).endswith("FileText") and width:
            setting["init_args"] = {**_part(setting, "init_args"), "path": None, "dim": width}
        for value in setting.values():
            _take_texts_from(weights, value)


def _refuse_strangers(setting: object, path: Path, trust: Sequence[str]) -> None:
    """Refuse settings that name anything but classes of trusted packages: what is named there is called.

    A file's name such as ``weights.pt`` also looks like a Python name; it is let through unless a module of that name
    can be imported.
    """
    for name in filter(_NAME.fullmatch, _strings(setting)):
        if not _is_trusted(name, (*_TRUSTED, *trust)) and _can_be_imported(name.partition(".")[0]):
            raise CheckpointError(
                f"{path} names {name}, which is no class of this project: if you know it, give its package in `trust`."
            )


def _strings(setting: object) -> Iterator[str]:
    """All strings in nested settings but the names of the classes, and what jsonargparse would read in them as YAML."""
    if isinstance(setting, dict):
        setting = [value for key, value in setting.items() if key != "class_names"]
    if isinstance(setting, list | tuple):
        for value in setting:
            yield from _strings(value)
    elif isinstance(setting, str):
        yield setting.strip()
        with suppress(yaml.YAMLError):
            meant = yaml.safe_load(setting)
            if meant != setting:
                yield from _strings(meant)


def _is_trusted(name: str, trusted: Sequence[str]) -> bool:
    """Whether a name is that of a class which a trusted package has defined, not only imported."""
    if not _is_below(name, trusted):
        return False
    words = name.split(".")
    for count in range(len(words) - 1, 0, -1):
        try:
            found = attrgetter(".".join(words[count:]))(importlib.import_module(".".join(words[:count])))
        except (ImportError, AttributeError):
            continue
        return isinstance(found, type) and _is_below(found.__module__, trusted)
    return False


def _can_be_imported(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


def _is_below(name: str, packages: Sequence[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def _fill(model: LocalizationModule, checkpoint: dict[str, Any], path: Path) -> None:
    """Put in the weights.

    Raises:
        CheckpointError: If they belong to another model.
    """
    model.on_load_checkpoint(checkpoint)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except (RuntimeError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"The weights of {path} belong to another model than its settings make: a {type(model).__name__} was made; "
            "give the right one as `model`."
        ) from error

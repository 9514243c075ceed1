"""The model that a checkpoint's settings describe; they can neither run untrusted code nor exhaust the memory."""

import importlib.util
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.overrides import TorchFunctionMode

from wtal.branches.localization import LocalizationModule
from wtal.errors import CheckpointError, WTALError
from wtal.training.mistakes import mistake, origin
from wtal.training.settings import SettingsParser

__all__ = ["rebuild", "refuse_untrusted", "untrusted_names"]

_TRUSTED = ("wtal", "torch.optim")
_ALLOWANCE = 1 << 30  # numbers that a model may have besides those in its checkpoint, such as a frozen text tower's
_LEAST = 1 << 16  # least numbers that a tensor counts for, because making very many small ones takes long, too
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def rebuild(
    model: Mapping[str, Any],
    class_names: Sequence[str],
    weights: Mapping[str, torch.Tensor],
    path: Path,
    trust: Sequence[str] = (),
) -> LocalizationModule:
    """Make a checkpoint's model, without loading its weights.

    Args:
        model: ``class_path`` and ``init_args``.
        class_names: Class names, in the order of the labels.
        weights: Weights of the checkpoint, which bound the model's size and hold the text features of a file.
        path: Path of the checkpoint, for messages.
        trust: Packages besides this one whose classes the settings may name.

    Raises:
        CheckpointError: If the settings name an untrusted class, or no model can be made from them.
        WTALError: If the model itself refuses its settings.
    """
    arguments = model.get("init_args")
    arguments = {**(arguments if isinstance(arguments, dict) else {}), "class_names": list(class_names)}
    settings = _with_texts_of(weights, deepcopy({**model, "init_args": arguments}))
    refuse_untrusted(settings, path, trust)
    parser = SettingsParser()
    parser.add_subclass_arguments(LocalizationModule, "model", required=True)
    sizes = [max(w.numel(), _LEAST) for w in weights.values() if isinstance(w, torch.Tensor)]
    try:
        with _Allowance(_ALLOWANCE + 2 * sum(sizes)):
            made: LocalizationModule = parser.instantiate(parser.parse_object({"model": settings})).model
    except Exception as error:  # wrong settings can raise anything
        cause = origin(error)
        if isinstance(cause, WTALError):
            raise cause from cause.__cause__
        raise CheckpointError(
            f"The model of {path} cannot be made from its settings ({mistake(str(error), ())}): make it yourself, and "
            "pass it as `model`."
        ) from error
    return made


class _Allowance(TorchFunctionMode):
    """Bounds the total size of all tensors made inside it: settings may ask for more than any machine has."""

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
        """Count a tensor before it is made."""
        if func in _MAKERS:
            sizes = args if args and isinstance(args[0], int) else next(iter(args), (kwargs or {}).get("size", ()))
            self.left -= max(math.prod(sizes), _LEAST)
            if self.left < 0:
                raise ValueError("its settings ask for much larger weights than it has")
        return func(*args, **(kwargs or {}))


_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)


def _with_texts_of(weights: Mapping[str, torch.Tensor], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings in which no text features are read from a file: the checkpoint holds them, and the file may be gone."""
    found = (w for name, w in weights.items() if str(name).endswith("text.features"))
    width = next((w.shape[1] for w in found if isinstance(w, torch.Tensor) and w.dim() == 2), None)
    return _without_files(settings, width) if width else settings


def _without_files(settings: dict[str, Any], width: int) -> dict[str, Any]:
    if str(settings.get("class_path")).endswith("FileText"):
        arguments = settings.get("init_args")
        arguments = arguments if isinstance(arguments, dict) else {}
        settings = {**settings, "init_args": {**arguments, "path": None, "dim": width}}
    return {key: _without_files(value, width) if isinstance(value, dict) else value for key, value in settings.items()}


def refuse_untrusted(settings: object, path: Path, trust: Sequence[str]) -> None:
    """Refuse settings that name anything but classes of trusted packages, because whatever they name is called.

    A file's name such as ``weights.pt`` also looks like a Python name; it passes unless a module of that name can be
    imported.

    Args:
        settings: Nested plain values.
        path: The file that they come from.
        trust: Packages besides this one.

    Raises:
        CheckpointError: If they name anything else.
    """
    for name in untrusted_names(settings, trust):
        raise CheckpointError(
            f"{path} names {name}, not a class of this project: if you know it, name its package in `trust`."
        )


def untrusted_names(settings: object, trust: Sequence[str] = ()) -> Iterator[str]:
    """What settings name besides classes of trusted packages, as :func:`refuse_untrusted` finds it."""
    for name in filter(_NAME.fullmatch, _strings(settings)):
        if not _is_trusted(name, (*_TRUSTED, *trust)) and _can_be_imported(name.partition(".")[0]):
            yield name


def _strings(settings: object) -> Iterator[str]:
    """All strings in nested settings, also in what jsonargparse would read as YAML, except for the class names."""
    if isinstance(settings, dict):
        settings = [value for key, value in settings.items() if key != "class_names"]
    if isinstance(settings, list | tuple):
        for value in settings:
            yield from _strings(value)
    elif isinstance(settings, str):
        yield settings.strip()
        with suppress(yaml.YAMLError):
            read = yaml.safe_load(settings)
            if read != settings:
                yield from _strings(read)


def _is_trusted(name: str, trusted: Sequence[str]) -> bool:
    """Whether a name is that of a class that a trusted package defines, not only imports."""
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

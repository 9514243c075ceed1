"""A parser of settings that answers a question about a nested class once.

jsonargparse checks a class's arguments when it applies them, when it adds defaults and when it validates, and each
time begins again with the classes inside, so that its work grows with the power of their depth. A collaboration, whose
branches have heads that have texts, takes a second of processor time; again with other options, a seventh of that.
Settings are also written as text several times: for checkpoints, for the identity of a run and into its folder.
"""

import os
import re
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning.cli import LightningArgumentParser

__all__ = ["RememberingParser"]

_MOST_ANSWERS = 1000  # of a parser
_SCALARS = (type(None), bool, int, str)
_FILES = (".yaml", ".yml", ".json")  # of settings, whose content may change
_DATA = (".npy", ".npz", ".pt", ".pth", ".ckpt", ".csv", ".tsv")  # files that nobody takes for settings
_LASTING = ("wtal.", "torch.", "pytorch_lightning.")  # packages whose classes stay the same in a process


class RememberingParser(LightningArgumentParser):
    """Lightning's parser, which repeats its answer about equal settings of a class.

    jsonargparse keeps one parser for each nested class, so that answers last as long as the process. Settings that
    name a file of settings, or a class of the user's own, which a notebook may define again, are parsed each time.

    Takes the arguments of jsonargparse's ``ArgumentParser``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._answers: dict[Any, Any] = {}

    def parse_object(self, *args: Any, **kwargs: Any) -> Namespace:  # noqa: ANN401  what jsonargparse takes
        """Parse settings that are given as an object."""
        answer: Namespace = self._remembered(super().parse_object, args, kwargs)
        return answer.clone()  # the caller may change its own

    def dump(self, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401  what jsonargparse takes
        """Write settings as text."""
        text: str = self._remembered(super().dump, args, kwargs)
        return text

    def _remembered(self, ask: Callable[..., Any], args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        try:
            key = ask.__name__, _frozen(args), _frozen(kwargs), _surroundings()
        except _NotRememberedError:
            return ask(*args, **kwargs)
        if key not in self._answers:
            answer = ask(*args, **kwargs)
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[key] = answer
        return self._answers[key]


class _NotRememberedError(Exception):
    """Settings that may mean something else another time."""


def _frozen(value: Any) -> Any:  # noqa: ANN401
    """A key of settings: equal for those that are interchangeable, as 1, 1.0 and True are not."""
    if isinstance(value, Namespace | dict):
        parts = vars(value) if isinstance(value, Namespace) else value
        if not str(parts.get("class_path", _LASTING[0])).startswith(_LASTING):
            raise _NotRememberedError
        return type(value), tuple((name, _frozen(part)) for name, part in parts.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_frozen, value))
    if isinstance(value, float):
        return float, repr(value)  # 0.0 is not -0.0
    if not isinstance(value, (*_SCALARS, Path)) or str(value).endswith(_FILES) or _names_other_class(value):
        raise _NotRememberedError
    return type(value), value, _place(value)


def _place(value: Any) -> str | None:  # noqa: ANN401
    """Where the file of unknown kind lies that a text names, as the working directory may change; None without one."""
    is_file = isinstance(value, str) and not value.endswith(_DATA) and os.path.isfile(value)
    return os.path.abspath(value) if is_file else None


def _names_other_class(value: Any) -> bool:  # noqa: ANN401
    """Whether a text may be the name of a class that does not last."""
    return isinstance(value, str) and bool(re.fullmatch(r"\w+(\.\w+)+", value)) and not value.startswith(_LASTING)


def _surroundings() -> Any:  # noqa: ANN401
    """What else an answer may depend on: what jsonargparse tells nested calls."""
    return tuple(sorted((one.name, repr(v)) for one, v in copy_context().items() if isinstance(v, _SCALARS)))

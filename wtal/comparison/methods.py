"""The trainings of a comparison, and the methods that their results stand for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_args

from wtal.branches import LocalizationModule
from wtal.collaboration import CollaborationModule
from wtal.errors import ConfigError
from wtal.results.comparison import Method

__all__ = ["FIRST", "FUSED", "SECOND", "SINGLE", "Run", "is_pair", "runs_of", "teacher_of", "without_method"]

FIRST, SECOND, FUSED = 0, 1, -1  # places among the sources of a model
SINGLE = "there is a single branch"


@dataclass(frozen=True)
class Run:
    """One training, or none, and the methods that its results stand for.

    Args:
        name: Name of its folder.
        pattern: Pattern of the schedule after the warm-up; None for the configuration's own, empty to train nothing.
        answers: The place of the source whose results stand for a method, by method.
        continues: Whether it trains after the warm-up, each branch for as many epochs as in an alternation.
        vanilla: Whether the second branch, or the only one, is tested as it was before any learning.
        fits_fusion: Whether the weights of the fusion are those that suit held-out training videos best, after a
            warm-up without them.
        overlay: A file that is merged over the configuration.
        learns_from: What a student learns from: ``run``, the configuration's own method, or ``segments``; empty for any
            other model.
    """

    name: str
    pattern: str | None
    answers: Mapping[str, int]
    continues: bool = True
    vanilla: bool = False
    fits_fusion: bool = False
    overlay: Path | None = None
    learns_from: str = ""

    @property
    def variant(self) -> str:
        """What the configuration does not say about the run: that its VLP is untrained; otherwise empty."""
        return self.name if self.vanilla else ""


_VANILLA = Run("vanilla", "", {"vlp_vanilla": SECOND}, vanilla=True)
_STUDENTS = (
    Run("student", None, {"student": FIRST}, learns_from="run"),
    Run("supervised", None, {"supervised": FIRST}, learns_from="segments"),
)
_PAIR = (
    _VANILLA,
    Run("warm_up", "W", {"cbp_warm_up": FIRST, "late_fusion_warm_up": FUSED}, continues=False),
    Run("warm_up_vanilla", "W", {"late_fusion_vanilla": FUSED}, continues=False, vanilla=True),
    Run("warm_up_best", "W", {"late_fusion_best": FUSED}, continues=False, fits_fusion=True),
    Run(
        "warm_up_vanilla_best",
        "W",
        {"late_fusion_vanilla_best": FUSED},
        continues=False,
        vanilla=True,
        fits_fusion=True,
    ),
    Run("apart", "W", {"cbp": FIRST, "vlp": SECOND, "late_fusion": FUSED}),
    Run("b_only", "B", {"b_only": FUSED}),
    Run("f_only", "F", {"f_only": FUSED}),
    Run("joint", "J", {"joint": FUSED}),
    Run("alternation", None, {"alternation": FUSED}),
    Run("alternation_best", None, {"alternation_best": FUSED}, fits_fusion=True),
    *_STUDENTS,
)


def _class_of(settings: Any) -> Any:  # noqa: ANN401
    """The class or function that settings name."""
    return resolve_name(settings["class_path"] if isinstance(settings, Mapping) else str(settings))


def is_pair(settings: Mapping[str, Any], path: Path) -> bool:
    """Whether a configuration describes two branches; otherwise it describes one.

    Args:
        settings: The whole configuration as plain values.
        path: Its first file, for the message.

    Raises:
        ConfigError: If it describes another model.
    """
    model = _class_of(settings["model"])
    if isinstance(model, type) and issubclass(model, CollaborationModule):
        return True
    if isinstance(model, type) and issubclass(model, LocalizationModule):
        return False
    name = str(settings["model"]["class_path"]).rpartition(".")[2]
    raise ConfigError(f"{path}: `model` must be a CollaborationModule or a branch to be compared, not {name}.")


def runs_of(settings: Mapping[str, Any], path: Path) -> tuple[Run, ...]:
    """The runs that a configuration allows, in the order in which they train; arguments as for :func:`is_pair`."""
    if is_pair(settings, path):
        second = _class_of(settings["model"]["init_args"]["vlp"])
        return tuple(run for run in _PAIR if hasattr(second, "vanilla") or not run.vanilla)
    has_texts = hasattr(_class_of(settings["model"]), "vanilla")
    alone = Run("alone", None, {"vlp" if has_texts else "cbp": FIRST})
    return (_VANILLA, alone, *_STUDENTS) if has_texts else (alone, *_STUDENTS)


def teacher_of(settings: Mapping[str, Any], path: Path) -> Run:
    """The run whose student is compared: the alternation, or the only branch; arguments as for :func:`is_pair`."""
    return next(run for run in runs_of(settings, path) if run.name in ("alternation", "alone"))


def without_method(settings: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Why a configuration has no results of some methods, by method; arguments as for :func:`is_pair`."""
    known = {method for run in runs_of(settings, path) for method in run.answers}
    reason = "the second branch has no texts to start from" if is_pair(settings, path) else SINGLE
    return {method: reason for method in get_args(Method) if method not in known}

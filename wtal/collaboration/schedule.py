"""Which branch teaches and which learns, epoch by epoch."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from wtal.errors import ConfigError
from wtal.views import CBP, VLP, View

__all__ = ["BACKGROUND", "FOREGROUND", "Lesson", "Schedule", "Step"]

BACKGROUND, FOREGROUND = 0, 1
_KINDS = {"background": (BACKGROUND,), "foreground": (FOREGROUND,), "both": (BACKGROUND, FOREGROUND)}


class Lesson(NamedTuple):
    """One direction of distillation, between branches by name."""

    teacher: str
    student: str
    keep: tuple[int, ...]  # which confident labels are handed over: background 0, foreground 1
    agreed: bool = False  # whether the fused scores of both branches make the labels, not the teacher's alone


class Step(NamedTuple):
    """What one epoch does: the students train, and every other branch is frozen."""

    name: str
    students: tuple[str, ...]
    lessons: tuple[Lesson, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Warm-up of both branches on video labels, then steps in turn.

    A *turn* is ``period`` epochs of one step. At the start of each turn the teachers label the training videos again.
    The first branch of the pair is CBP and the second is VLP, unless the branches are given other names.

    Args:
        warm_up: Number of epochs in which both branches train on video labels alone.
        pattern: The steps after that, repeated: ``B`` hands confident background from the first branch to the second,
            ``F`` confident foreground from the second to the first, ``J`` both at once (no alternation), and ``W``
            continues without distillation.
        period: Number of epochs in a turn.
        exchange: Exchange the roles (ablation): ``B`` hands background from the second branch to the first, ``F`` the
            reverse.
        from_cbp: Labels that the first branch (CBP) hands over; only background in the paper.
        from_vlp: Labels that the second branch (VLP) hands over; only foreground in the paper.
        agree: Make the labels from the fused scores of both branches instead of the teacher's alone, so that they
            contradict the student less: in lessons of both directions (True), or only in those of ``B`` or of ``F``.
            With ``auto``, the loop measures before the first lesson which branch is the better one, see
            :mod:`~wtal.collaboration.better_branch`, and that one learns from both: fused labels spare it most mistakes
            of the other one, and would add them to what it teaches. If neither is better, or the branches train
            asynchronously and are never side by side, each teaches alone.

    Raises:
        ConfigError: If a letter is unknown, or a number is out of range.

    Source:
        arXiv:2212.09335, section 3.3. The lengths are our choice.

    >>> [Schedule(warm_up=1, pattern="BF").step(epoch).name for epoch in range(4)]
    ['warm-up', 'B: CBP teaches VLP', 'F: VLP teaches CBP', 'B: CBP teaches VLP']
    """

    warm_up: int = 10
    pattern: str = "BF"
    period: int = 1
    exchange: bool = False
    from_cbp: Literal["background", "foreground", "both"] = "background"
    from_vlp: Literal["background", "foreground", "both"] = "foreground"
    agree: bool | Literal["B", "F", "auto"] = False

    def __post_init__(self) -> None:
        if not self.pattern or set(self.pattern) - set("BFJW"):
            raise ConfigError(f"`schedule.pattern` may contain only the letters B, F, J and W, got {self.pattern!r}.")
        if self.agree not in (True, False, "B", "F", "auto"):
            raise ConfigError(f"`schedule.agree` is true, false, B, F or auto, not {self.agree!r}.")
        if self.warm_up < 0 or self.period < 1:
            raise ConfigError(f"`schedule` needs warm_up >= 0 and period >= 1, got {self.warm_up} and {self.period}.")

    @property
    def teaches(self) -> bool:
        """Whether a branch teaches the other at some time after the warm-up."""
        return set(self.pattern) != {"W"}

    @property
    def first_lesson(self) -> int:
        """Number of the first epoch in which a branch teaches the other, if any does."""
        return self.warm_up + self.period * next((n for n, letter in enumerate(self.pattern) if letter != "W"), 0)

    def turn(self, epoch: int) -> int:
        """Number of the turn of an epoch; -1 in the warm-up."""
        return -1 if epoch < self.warm_up else (epoch - self.warm_up) // self.period

    def step(self, epoch: int, pair: tuple[View, View] = (CBP, VLP)) -> Step:
        """The step of an epoch.

        Args:
            epoch: Number of the epoch, counted from 0.
            pair: The two branches.
        """
        turn = self.turn(epoch)
        return self._step("W" if turn < 0 else self.pattern[turn % len(self.pattern)], *pair)

    def lessons(self, first: View, second: View) -> tuple[Lesson, Lesson]:
        """The lessons of a B and of an F step."""
        forth, back = (first.name, second.name), (second.name, first.name)
        if self.exchange:
            forth, back = back, forth
        return (
            Lesson(*forth, _KINDS[self.from_cbp], self.agree in (True, "B")),
            Lesson(*back, _KINDS[self.from_vlp], self.agree in (True, "F")),
        )

    def settled(self, measured: bool | Literal["B", "F"] | None) -> "Schedule":
        """The schedule with what was measured in the place of ``agree: auto``; None before it was."""
        return replace(self, agree=measured) if self.agree == "auto" and measured is not None else self

    def _step(self, letter: str, first: View, second: View) -> Step:
        background, foreground = self.lessons(first, second)
        title, both = {view.name: view.title for view in (first, second)}, (first.name, second.name)
        b, f = (f"{title[lesson.teacher]} teaches {title[lesson.student]}" for lesson in (background, foreground))
        return {
            "W": Step("warm-up", both),
            "B": Step(f"B: {b}", (background.student,), (background,)),
            "F": Step(f"F: {f}", (foreground.student,), (foreground,)),
            "J": Step("J: each teaches the other", both, (background, foreground)),
        }[letter]

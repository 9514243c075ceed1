"""Which branch teaches and which learns, epoch by epoch."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from wtal.errors import ConfigError

__all__ = ["BACKGROUND", "FOREGROUND", "BranchName", "Lesson", "Schedule", "Step"]

BACKGROUND, FOREGROUND = 0, 1
BranchName = Literal["cbp", "vlp"]


class Lesson(NamedTuple):
    """One direction of distillation."""

    teacher: BranchName
    student: BranchName
    keep: tuple[int, ...]  # which confident labels are handed over: background 0, foreground 1


class Step(NamedTuple):
    """What one epoch does: the students train, every other branch is frozen."""

    name: str
    students: tuple[BranchName, ...]
    lessons: tuple[Lesson, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Warm-up of each branch on video labels, then steps in turn.

    A *turn* is ``period`` epochs of one step. At the start of each turn the teachers label the training videos anew.

    Args:
        warm_up: Epochs in which both branches train on video labels alone.
        pattern: The steps after that, repeated: ``B`` hands confident background from CBP to VLP, ``F`` confident
            foreground from VLP to CBP, ``J`` both at once (no alternation), ``W`` goes on without distillation.
        period: Epochs of a turn.
        exchange: Exchange the roles (ablation): ``B`` hands background from VLP to CBP, ``F`` the reverse.
        from_cbp: Labels that CBP hands to VLP; the paper's are background alone.
        from_vlp: Labels that VLP hands to CBP; the paper's are foreground alone.
        agree: Label by the fused scores of both branches instead of the teacher's alone: it hands over what the student
            does not contradict.

    Raises:
        ConfigError: For an unknown letter or a number out of range.

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
    agree: bool = False

    def __post_init__(self) -> None:
        if not self.pattern or set(self.pattern) - set("BFJW"):
            raise ConfigError(f"`schedule.pattern` is made of the letters B, F, J and W, got {self.pattern!r}.")
        if self.warm_up < 0 or self.period < 1:
            raise ConfigError(f"`schedule` needs warm_up >= 0 and period >= 1, got {self.warm_up} and {self.period}.")

    def turn(self, epoch: int) -> int:
        """Number of the turn that ``epoch`` belongs to; -1 in the warm-up."""
        return -1 if epoch < self.warm_up else (epoch - self.warm_up) // self.period

    def step(self, epoch: int) -> Step:
        """What is done in ``epoch``, counted from 0."""
        turn = self.turn(epoch)
        return self._step("W" if turn < 0 else self.pattern[turn % len(self.pattern)])

    def _step(self, letter: str) -> Step:
        kinds: dict[str, tuple[int, ...]] = {
            "background": (BACKGROUND,),
            "foreground": (FOREGROUND,),
            "both": (BACKGROUND, FOREGROUND),
        }
        background = Lesson("cbp", "vlp", kinds[self.from_cbp])
        foreground = Lesson("vlp", "cbp", kinds[self.from_vlp])
        if self.exchange:
            background, foreground = (
                Lesson("vlp", "cbp", background.keep),
                Lesson("cbp", "vlp", foreground.keep),
            )

        def named(letter: str, lesson: Lesson) -> str:
            return f"{letter}: {lesson.teacher.upper()} teaches {lesson.student.upper()}"

        return {
            "W": Step("warm-up", ("cbp", "vlp")),
            "B": Step(named("B", background), (background.student,), (background,)),
            "F": Step(named("F", foreground), (foreground.student,), (foreground,)),
            "J": Step("J: each teaches the other", ("cbp", "vlp"), (background, foreground)),
        }[letter]

"""What a schedule of turns means for branches that do not take turns."""

from wtal.collaboration.schedule import Lesson, Schedule
from wtal.errors import ConfigError
from wtal.views import View

__all__ = ["lesson_of_teacher", "own_lessons"]


def own_lessons(schedule: Schedule, pair: tuple[View, View], student: str, max_epochs: int) -> list[Lesson | None]:
    """The epochs in which a branch trains under a schedule, each with its lesson.

    Both branches train as many epochs as they would in turns, but at the same time.

    Args:
        schedule: The schedule.
        pair: The two branches.
        student: Name of one of them.
        max_epochs: Number of epochs of the whole schedule.

    Returns:
        For each epoch of the branch the lesson, None where it learns from video labels alone.

    Raises:
        ConfigError: If the branch would not train at all.

    >>> from wtal.views import CBP, VLP
    >>> [lesson and lesson.teacher for lesson in own_lessons(Schedule(warm_up=1, pattern="BF"), (CBP, VLP), "cbp", 5)]
    [None, 'vlp', 'vlp']
    """
    steps = [schedule.step(epoch, pair) for epoch in range(max_epochs)]
    own = [step for step in steps if student in step.students]
    if not own:
        raise ConfigError(
            f"In {max_epochs} epochs of this schedule {student} never trains: raise `trainer.max_epochs`."
        )
    return [next((lesson for lesson in step.lessons if lesson.student == student), None) for step in own]


def lesson_of_teacher(schedule: Schedule, pair: tuple[View, View], teacher: str) -> Lesson:
    """The lesson that a branch gives."""
    return next(lesson for lesson in schedule.lessons(*pair) if lesson.teacher == teacher)

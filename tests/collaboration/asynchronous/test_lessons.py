import pytest

from wtal.collaboration import Schedule
from wtal.collaboration.asynchronous import lesson_of_teacher, own_lessons
from wtal.errors import ConfigError
from wtal.views import CBP, VLP


@pytest.mark.parametrize(
    ("pattern", "cbp", "vlp"),
    [
        ("BF", [None, "vlp", "vlp"], [None, "cbp", "cbp"]),
        ("B", [None], [None, *["cbp"] * 4]),
        ("W", [None] * 5, [None] * 5),
    ],
)
def test_a_branch_trains_as_many_epochs_as_in_turns(pattern, cbp, vlp):
    schedule = Schedule(warm_up=1, pattern=pattern)
    for name, expected in (("cbp", cbp), ("vlp", vlp)):
        lessons = own_lessons(schedule, (CBP, VLP), name, 5)
        assert [lesson and lesson.teacher for lesson in lessons] == expected


def test_a_branch_that_never_trains_is_refused():
    with pytest.raises(ConfigError, match="cbp never trains"):
        own_lessons(Schedule(warm_up=0, pattern="B"), (CBP, VLP), "cbp", 3)


def test_a_teacher_hands_over_what_the_schedule_says():
    schedule = Schedule(from_cbp="both", agree="F")
    assert lesson_of_teacher(schedule, (CBP, VLP), "cbp")[2:] == ((0, 1), False)
    assert lesson_of_teacher(schedule, (CBP, VLP), "vlp")[2:] == ((1,), True)

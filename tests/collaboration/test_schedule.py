import pytest

from wtal.collaboration.schedule import BACKGROUND, FOREGROUND, Lesson, Schedule
from wtal.errors import ConfigError


def letters(schedule, epochs):
    return "".join(schedule.step(epoch).name[0] for epoch in range(epochs))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(warm_up=2, pattern="BF"), "wwBFBFB"),
        (Schedule(warm_up=1, pattern="BF", period=2), "wBBFFBB"),
        (Schedule(warm_up=0, pattern="B"), "BBBBBBB"),
        (Schedule(warm_up=1, pattern="FFB"), "wFFBFFB"),
        (Schedule(warm_up=3, pattern="W"), "wwwwwww"),
    ],
)
def test_steps_follow_the_pattern_after_the_warm_up(schedule, expected):
    assert letters(schedule, 7) == expected


def test_a_turn_lasts_a_period():
    schedule = Schedule(warm_up=2, pattern="BF", period=3)
    assert [schedule.turn(epoch) for epoch in range(9)] == [-1, -1, 0, 0, 0, 1, 1, 1, 2]


def test_background_goes_to_vlp_and_foreground_to_cbp():
    schedule = Schedule(warm_up=0, pattern="BF")
    b, f = schedule.step(0), schedule.step(1)
    assert (b.students, b.lessons) == (("vlp",), (Lesson("cbp", "vlp", (BACKGROUND,)),))
    assert (f.students, f.lessons) == (("cbp",), (Lesson("vlp", "cbp", (FOREGROUND,)),))


def test_joint_steps_train_both_and_warm_up_teaches_none():
    joint, warm_up = Schedule(warm_up=0, pattern="J").step(0), Schedule().step(0)
    assert set(joint.students) == set(warm_up.students) == {"cbp", "vlp"}
    assert {lesson.student for lesson in joint.lessons} == {"cbp", "vlp"}
    assert warm_up.lessons == ()


def test_exchanged_roles_keep_the_kind_of_label_and_swap_the_branches():
    schedule = Schedule(warm_up=0, pattern="BF", exchange=True)
    assert schedule.step(0).lessons == (Lesson("vlp", "cbp", (BACKGROUND,)),)
    assert schedule.step(1).lessons == (Lesson("cbp", "vlp", (FOREGROUND,)),)


@pytest.mark.parametrize(
    ("agree", "expected"),
    [
        (False, (False, False)),
        (True, (True, True)),
        ("F", (False, True)),
        ("B", (True, False)),
        ("auto", (False, False)),
    ],
)
def test_fused_labels_are_for_both_directions_or_one(agree, expected):
    joint = Schedule(warm_up=0, pattern="J", agree=agree).step(0)
    assert tuple(lesson.agreed for lesson in joint.lessons) == expected


@pytest.mark.parametrize("wrong", [{"agree": "J"}, {"pattern": "BX"}, {"pattern": ""}, {"warm_up": -1}, {"period": 0}])
def test_refuses_what_makes_no_schedule(wrong):
    with pytest.raises(ConfigError, match=r"schedule"):
        Schedule(**wrong)

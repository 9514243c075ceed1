"""The clock alone; ``test_decode`` runs it on files."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from wtal.video.clock import Clock, StatedTime, stated_time

MS = Fraction(1, 1000)


def stream(duration=None, start=0, rate=Fraction(25), frames=0):
    return SimpleNamespace(
        time_base=MS, start_time=start, duration=duration, average_rate=rate, guessed_rate=None, frames=frames
    )


def container(duration=0, name="mp4", start=0):
    return SimpleNamespace(duration=duration, start_time=start, format=SimpleNamespace(name=name))


def ticks(clock, *pictures):
    """Milliseconds at which pictures appear, given their time stamps and durations."""
    shown = [SimpleNamespace(time_base=MS, pts=pts, dts=None, duration=duration) for pts, duration in pictures]
    return [round(clock.tick(picture) * 1000) for picture in shown]


def test_time_is_counted_from_the_first_picture_and_never_decreases():
    clock = Clock(container(), stream())
    assert ticks(clock, (500, 40), (580, 40), (570, 40)) == [0, 80, 80]
    assert (clock.end * 1000, clock.jump) == (120, None)


@pytest.mark.parametrize(
    ("name", "start", "begins_s"),
    [("mov,mp4", 0, 4.0), ("mov,mp4", 4_000_000, 4.0), ("mov,mp4", -500_000, 4.5), ("mpegts", 1_500_000, 2.5)],
)
def test_the_picture_may_begin_later_than_the_clock_of_a_player(name, start, begins_s):
    clock = Clock(container(14_000_000, name, start), stream(duration=10_000, start=4000))
    assert ticks(clock, (4000, 40), (4040, 40)) == [0, 40]
    assert clock.start_s == begins_s


def test_a_start_beyond_the_end_is_not_believed():
    clock = Clock(container(5_000_000), stream(duration=5000))
    ticks(clock, (50_000, 40))
    assert clock.start_s == 0


@pytest.mark.parametrize("rate", [Fraction(25), None, Fraction(-1)])
def test_a_missing_time_stamp_is_one_period_later(rate):
    assert ticks(Clock(container(), stream(rate=rate)), (None, 0), (None, 0)) == [0, 40]


def test_a_jump_is_left_out_and_reported():
    clock = Clock(container(), stream())
    assert ticks(clock, (0, 40), (20_000, 40), (20_040, 40)) == [0, 40, 80]
    assert clock.jump == "20.0 s at 0.0 s"


def test_the_stated_duration_covers_a_long_step():
    clock = Clock(container(), stream(duration=30_000))
    assert ticks(clock, (0, 40), (20_000, 40)) == [0, 20_000]
    assert clock.jump is None


def test_the_last_picture_ends_with_the_stream():
    clock = Clock(container(), stream(duration=100))
    ticks(clock, (0, 40), (60, 1000))
    assert round(clock.end * 1000) == 100


def test_stated_time_is_that_of_the_stream_or_else_of_the_container():
    assert stated_time(container(5_000_000), stream(duration=4000, start=500)) == StatedTime(0.5, 4.0, of_stream=True)
    assert stated_time(container(5_000_000), stream()) == StatedTime(0.0, 5.0, of_stream=False)
    assert stated_time(container(0, "avi"), stream(duration=400, frames=50)).duration_s == 2.0
    assert StatedTime(0.5, 4.0, of_stream=True).end_s == 4.5

"""The classes of THUMOS14, and the lists of its test videos that are in use."""

from collections.abc import Collection
from typing import Literal

__all__ = ["LEFT_OUT", "THUMOS14_CLASSES", "WITHOUT_CLASS", "TestList", "lacking_videos"]

THUMOS14_CLASSES = (
    "BaseballPitch",
    "BasketballDunk",
    "Billiards",
    "CleanAndJerk",
    "CliffDiving",
    "CricketBowling",
    "CricketShot",
    "Diving",
    "FrisbeeCatch",
    "GolfSwing",
    "HammerThrow",
    "HighJump",
    "JavelinThrow",
    "LongJump",
    "PoleVault",
    "Shotput",
    "SoccerPenalty",
    "TennisSwing",
    "ThrowDiscus",
    "VolleyballSpiking",
)

TestList = Literal["213", "212", "211", "210"]

WITHOUT_CLASS = "video_test_0001292"  # has only Ambiguous segments
_WRONG_TIMES = "video_test_0000270"  # annotated on another, longer file
_WRONG_LABEL = "video_test_0001496"  # FrisbeeCatch in some lists, CricketShot in others

LEFT_OUT: dict[TestList, frozenset[str]] = {
    "213": frozenset(),
    "212": frozenset({WITHOUT_CLASS}),
    "211": frozenset({WITHOUT_CLASS, _WRONG_TIMES}),
    "210": frozenset({WITHOUT_CLASS, _WRONG_TIMES, _WRONG_LABEL}),
}


def lacking_videos(test_list: TestList, names: Collection[str]) -> list[str]:
    """Videos of a list that are missing from the names, among those that differ between the lists.

    The video without a class does not count: most files do not name it.

    >>> lacking_videos("211", ["video_test_0000004"])
    ['video_test_0001496']
    """
    disputed = LEFT_OUT["210"] - LEFT_OUT[test_list] - {WITHOUT_CLASS}
    return sorted(disputed - set(names))

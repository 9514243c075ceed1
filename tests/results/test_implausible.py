import math

import pandas as pd
import pytest

from wtal.results.implausible import time_notes


def found(*rows):
    return pd.DataFrame(rows, columns=["video_id", "start_s", "end_s"])


@pytest.mark.parametrize(
    ("factor", "cause"), [(30, "are they frames?"), (1000, "are they milliseconds?"), (25 / 16, "are they snippets")]
)
def test_times_in_another_unit_end_after_their_videos(factor, cause):
    detections = found(("a", 10 * factor, 20 * factor), ("b", 0, 55 * factor))
    (note,) = time_notes(detections, {"a": 18.0, "b": 60.0}, {})
    assert note.startswith("2 of 2 detections end after the end of their video, up to ")
    assert cause in note


def test_the_worst_detection_is_named():
    (note,) = time_notes(found(("a", 0, 50), ("b", 100, 500)), {"a": 60.0, "b": 60.0}, {})
    assert note.startswith("1 of 2 detections end after the end of their video, up to 500 s of 60 s: are they frames?")


def test_a_last_snippet_may_reach_a_little_beyond_its_video():
    assert time_notes(found(("a", 50, 60.6), ("b", 500, 1010)), {"a": 60.0, "b": 1000.0}, {}) == []


def test_shares_of_a_video_lie_in_its_first_second():
    (note,) = time_notes(found(("a", 0.1, 0.9), ("b", 0.0, 1.0)), {"a": 60.0, "b": math.nan}, {"b": 90.0})
    assert note.startswith("All 2 detections lie in the first second of their video, though the videos last up to 90 s")
    assert "Multiply them by its duration" in note


def test_short_videos_may_end_within_a_second():
    assert time_notes(found(("a", 0.1, 0.9)), {"a": 2.0}, {}) == []


def test_without_durations_the_instances_tell():
    (note,) = time_notes(found(("a", 100, 500), ("b", 0, 900)), {"a": math.nan}, {"a": 20.0, "b": 40.0})
    assert note.startswith(
        "The detections reach 23 times as far into their videos as the annotated instances: are they"
    )
    assert time_notes(found(("a", 100, 110)), {}, {"a": 20.0}) == []


def test_a_start_before_the_video_is_noted():
    assert time_notes(found(("a", -5, 3), ("a", -0.1, 2)), {"a": 9.0}, {}) == [
        "1 of 2 detections start before their video."
    ]
    assert time_notes(found(), {}, {}) == []


def test_shares_of_videos_of_which_nothing_is_known():
    three = found(("a", 0.1, 0.9), ("b", 0.0, 1.0), ("c", 0.2, 0.3))
    (note,) = time_notes(three, {}, {})
    assert note.startswith("All 3 detections lie in the first second of their video: are they shares of the video")
    assert time_notes(found(("a", 0.1, 0.9), ("b", 0.0, 1.0)), {}, {}) == []


def test_times_before_the_video_are_no_shares_of_it():
    assert time_notes(found(("a", -4, -2)), {"a": 60.0}, {}) == ["1 of 1 detections start before their video."]

import pandas as pd
import pytest

from wtal.errors import PredictionError
from wtal.results.cues import Cue, cues_of, shown


def table(*rows):
    return pd.DataFrame(rows, columns=["label", "start_s", "end_s", "score"])


RUNS = table(
    ("run", 3661.0, 3663.0, 0.9),
    ("run", 0.0, 2.0, 0.8),
    ("jump", 1.5, 7.7, 0.75),
    ("run", 1.0, 3.0, 0.7),
    ("run", 1.9, 4.0, 0.6),
    ("run", 2.0, 2.5, 0.1),
)


def test_the_best_of_overlapping_detections_of_a_class_is_chosen():
    assert shown(RUNS)["score"].tolist() == [0.9, 0.8, 0.75]  # 0.1 is also below 0.3 times the best score
    assert shown(RUNS, minimum=0.85)["score"].tolist() == [0.9]
    assert shown(RUNS, minimum=0)["score"].tolist() == [0.9, 0.8, 0.75, 0.1]  # the last one only touches the others
    assert len(shown(RUNS, minimum=0, overlapping=True)) == 6
    assert shown(RUNS[:0]).empty


def test_a_class_that_stays_below_its_floor_is_not_shown():
    assert shown(RUNS, floors={"run": 0.85})["score"].tolist() == [0.9, 0.8, 0.75]  # its best one reaches it
    assert shown(RUNS, floors={"run": 1.0})["score"].tolist() == [0.75]  # nothing is known of jumps
    assert shown(RUNS, floors={"run": 1.0, "jump": 1.0}).empty
    assert shown(RUNS, minimum=0.85, floors={"run": 1.0})["score"].tolist() == [0.9]


def test_the_best_detection_stays_even_if_all_scores_are_negative():
    assert shown(RUNS.assign(score=RUNS["score"] - 2))["score"].tolist() == [0.9 - 2]


def test_cues_are_ordered_by_time_cut_at_zero_and_never_empty():
    found = table(("b\nc", 2.0, 2.0, 0.5), ("a", -1.0, 0.5, 0.25), ("a", -3.0, -1.0, 0.9))
    assert list(cues_of("v", found)) == [Cue(0, 500, "a", "a 0.25"), Cue(2000, 2001, "b c", "b c 0.5")]
    with pytest.raises(PredictionError, match=r"video v is \[0.0, 1e\+300\] s: no video is that long"):
        list(cues_of("v", table(("a", 0.0, 1e300, 0.5))))

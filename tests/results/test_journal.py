import pytest

from wtal.errors import PredictionError
from wtal.results import Given, Journal, Taken

EVENTS = [Given(4, 1, 0, "aa", 0.0), Taken(4, 1, 0, 1.0), Given(8, 2, 1, "bb", 2.0), Taken(8, 2, 1, 3.0)]


def journal(path):
    made = Journal(path)
    for event in EVENTS:
        made.add(event)
    return made


def test_events_are_read_back_in_order(tmp_path):
    journal(tmp_path / "j")
    assert Journal(tmp_path / "j").events == EVENTS
    assert [taken.version for taken in Journal(tmp_path / "j").taken()] == [1, 2]


def test_a_line_that_a_kill_has_cut_does_not_count(tmp_path):
    journal(tmp_path / "j")
    text = (tmp_path / "j").read_text()
    (tmp_path / "j").write_text(text[:-5])
    assert Journal(tmp_path / "j").events == EVENTS[:-1]


def test_a_damaged_line_inside_is_refused(tmp_path):
    (tmp_path / "j").write_text('{"step": 1}\n{}\n')
    with pytest.raises(PredictionError, match="line 1 is damaged"):
        Journal(tmp_path / "j")


def test_a_rewound_journal_keeps_the_packet_of_the_checkpoint_and_forgets_what_comes_again(tmp_path):
    journal(tmp_path / "j").rewind(8)
    assert Journal(tmp_path / "j").events == EVENTS[:-1]  # the labels of step 8 are chosen again
    Journal(tmp_path / "j").rewind(5)
    assert Journal(tmp_path / "j").events == EVENTS[:2]

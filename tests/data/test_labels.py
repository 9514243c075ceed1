import pytest

from wtal.data.labels import label_key, tidy_labels
from wtal.data.records import Record, Segment


def tidied(*labels, names=()):
    """Labels of one video per argument, and the notes."""
    records, _, notes = tidy_labels([Record(str(row), (), [label]) for row, label in enumerate(labels)], names)
    return [list(record.labels) for record in records], notes


def test_spellings_of_one_class_are_one_class():
    labels, (note,) = tidied("Run", "run", "RUN", "run ", "run")
    assert labels == [["run"]] * 5
    assert note.startswith("The labels 'Run', 'RUN', 'run ' are read as 'run', as they differ only in case")
    labels, notes = tidied("high_jump", "High Jump", "high-jump", "HighJump", "long jump")
    assert labels == [["high_jump"]] * 4 + [["long jump"]]
    assert len(notes) == 1


def test_given_classes_decide_the_spelling():
    assert tidied("run", "run", names=["Run"])[0] == [["Run"], ["Run"]]
    assert tidied("run", "Run", names=["Run", "run"]) == ([["run"], ["Run"]], [])


def test_numbers_stay_apart():
    labels = ["1", "-1", "11", "1 1", "step 1-2", "step 12"]
    assert tidied(*labels) == ([[label] for label in labels], [])


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        ("walk|run", ["walk", "run"]),
        ("walk;run", ["walk", "run"]),
        ("run, jump", ["run", "jump"]),
        ("Run/jump", ["run", "jump"]),
        ("run|none", ["run"]),
    ],
)
def test_lists(label, classes):
    labels, notes = tidied("run", "run", "jump", label)
    assert labels[-1] == classes
    assert any(f"The labels {label!r} are read as lists of classes" in note for note in notes)


def test_what_may_be_a_list_is_named():
    labels, (note,) = tidied("walk, sit", "run", "carry/hold")
    assert labels == [["walk, sit"], ["run"], ["carry/hold"]]
    assert "'walk, sit' look like lists" in note
    assert "write `walk;sit`" in note
    assert tidied("walk, sit", names=["walk, sit"]) == ([["walk, sit"]], [])


def test_words_for_no_action():
    labels, (note,) = tidied("none", "-", "Background", "N/A", "no action", "", "run")
    assert labels == [[], [], [], [], [], [], ["run"]]
    assert note == "The labels 'none', '-', 'Background' and 2 more are read as no action."
    assert tidied("background", names=["background"]) == ([["background"]], [])


def test_segments_follow_their_labels():
    video = Record("a", [Segment("background", 0, 5), Segment("walk|run", 5, 6)])
    (record,), _, _ = tidy_labels([video], ())
    assert record.segments == [Segment("walk", 5, 6), Segment("run", 5, 6)]
    assert record.video_labels() == {"walk", "run"}


def test_decomposed_unicode_is_no_other_spelling():
    assert tidied("caf\u00e9", "cafe\u0301") == ([["caf\u00e9"]] * 2, [])
    assert label_key("Cafe\u0301") == "caf\u00e9"


def test_classes_joined_by_and_are_several_if_all_are_known():
    labels, notes = tidied("run", "jump", "run and jump", "jump & run", "run & hide", "rise and shine")
    assert labels == [["run"], ["jump"], ["run", "jump"], ["jump", "run"], ["run & hide"], ["rise and shine"]]
    assert "The labels 'run and jump', 'jump & run' are read as lists of classes" in notes[0]

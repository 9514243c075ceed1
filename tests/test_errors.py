import pickle

import pytest

from wtal.errors import AnnotationError, WTALError, brief, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("video a has NaN.", "video a has NaN."),
        ("video a\r\n  has\u2028NaN.\n", "video a has NaN."),
        ("\x1b[2J\0\u202e\ud800é", r"\x1b[2J\x00\u202e\ud800é"),
        ("", ""),
    ],
)
def test_a_message_is_one_printable_line(text, line):
    assert one_line(text) == str(WTALError(text)) == line


@pytest.mark.parametrize("name", ["x" * 10**6, "\0" * 10**6])
def test_a_long_name_does_not_make_a_long_message(name):
    text = str(AnnotationError(f"a.json: video {name} has no label: add one."))
    assert len(text) < 1100
    assert text.startswith("a.json: video ")
    assert text.endswith("has no label: add one.")


def test_a_message_travels_between_processes_as_it_was():
    error = pickle.loads(pickle.dumps(AnnotationError("a\nb")))
    assert (type(error), error.args, str(error)) == (AnnotationError, ("a\nb",), "a b")


def test_values_without_end_are_quoted_in_brief():
    nested = [0]
    for _ in range(100):
        nested = [nested] * 10
    itself = {}
    itself["a"] = itself
    for value in (nested, itself, 10**100_000, "x" * 10**6, [[]] * 10**6):
        assert len(brief(value)) < 10_000

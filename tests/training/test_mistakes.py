from itertools import pairwise
from pathlib import Path

import pytest

from wtal.errors import FeatureError
from wtal.training.mistakes import mistake, origin


def chain(*errors: Exception) -> Exception:
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


def test_origin_is_the_first_error_of_this_project_else_the_very_first():
    ours, bottom = FeatureError("ours"), OSError("disk")
    assert origin(chain(ValueError("wrapped"), ValueError("again"), ours, bottom)) is ours
    assert origin(chain(ValueError("wrapped"), bottom)) is bottom
    assert origin(bottom) is bottom


def test_the_last_file_with_the_key_is_named(tmp_path: Path):
    files = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml")]
    for file, text in zip(files, ("data: {pathh: x}", "data: {pathh: y}", "data: {path: z}"), strict=True):
        file.write_text(text)
    message = "Subcommand 'fit' does not accept option 'data.pathh'"
    text = mistake(message, ["fit", "-c", str(files[0]), f"--config={files[1]}", "-c", str(files[2])])
    assert text == f"{files[1]}: there is no option 'data.pathh'; look for a misspelling."


def test_a_file_that_is_not_valid_yaml_is_named(tmp_path: Path):
    (tmp_path / "bad.yaml").write_text("model: [")
    text = mistake("Problems parsing config: ...", ["fit", f"--config={tmp_path}/bad.yaml"])
    assert text.startswith(f"{tmp_path}/bad.yaml is not valid YAML: ")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            'Parser key "a.b":\n  Does not validate against any of the Union subtypes\n  Errors:\n'
            "    - Expected a <class 'int'>\n    - Expected a <class 'NoneType'>\n  Given value: many",
            "a.b: expected int, not 'many'.",
        ),
        ("Parser key \"config\": File does not exist: 'x.yaml'", "config: File does not exist: 'x.yaml'"),
        (
            "Parser key \"protocol\":\n  Expected a typing.Literal['a', 'b']. Got value: c",
            "protocol: expected one of 'a', 'b', not 'c'.",
        ),
        (
            "Parser key \"tious\":\n  Expected a <class 'float'>. Got value: 0.3:0.7",
            "tious: expected float, not '0.3:0.7'.",
        ),
        (
            'Parser key "data":\n  Errors:\n    - Problem with given class_path \'Y\':\n        Parser key "i3d":\n'
            "          - Problem with given class_path 'X':\n            Parser key \"layout\":\n"
            "              Expected a typing.Literal['a', 'b']. Got value: c\n    - Expected a <class 'NoneType'>\n"
            "  Given value: NestedArg(key='layout', val='c')",
            "data.i3d.layout: expected one of 'a', 'b', not 'c'.",
        ),
        (
            'Parser key "data":\n  - Problem with given class_path \'X\':\n    Parser key "i3d":\n'
            "      - Expected a path but feats either not accessible or invalid\n  Given value: feats",
            "data.i3d: 'feats' is no file of settings; give each setting by its name, such as `path: feats`.",
        ),
        ("the following arguments are required:\n   data, model", "the following arguments are required: data, model"),
    ],
)
def test_a_message_of_many_lines_becomes_one_sentence(message: str, sentence: str):
    assert mistake(message, []) == sentence

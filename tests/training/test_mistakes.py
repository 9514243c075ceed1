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
    said = mistake("Subcommand 'fit' does not accept option 'data.pathh'", ["fit", "-c", *map(str, files)])
    assert said == f"{files[1]}: there is no option 'data.pathh'; look for a misspelling."


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            'Parser key "a.b":\n  Does not validate against any of the Union subtypes\n  Errors:\n'
            "    - Expected a <class 'int'>\n    - Expected a <class 'NoneType'>\n  Given value: many",
            "a.b: expected int, not 'many'.",
        ),
        ("Parser key \"config\": File does not exist: 'x.yaml'", "config: File does not exist: 'x.yaml'"),
        ("the following arguments are required:\n   data, model", "the following arguments are required: data, model"),
    ],
)
def test_one_line(message: str, said: str):
    assert mistake(message, []) == said

import pytest

from wtal.errors import PredictionError
from wtal.results.class_list import read_class_list


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.txt", "Run\nHigh Jump\n"),
        ("c.txt", "\ufeff0 Run\r\n1 High Jump\r\n"),
        ("c.csv", "1,High Jump\n0,Run\n"),
        ("c.csv", "id,class\n1,High Jump\n0,Run\n"),
        ("c.csv", "action\nRun\nHigh Jump\n"),
        ("c.json", '["Run", "High Jump"]'),
        ("c.json", '{"Run": 0, "High Jump": 1}'),
        ("c.json", '{"1": "High Jump", "0": "Run"}'),
    ],
)
def test_names_by_number(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_class_list(tmp_path / name) == {0: "Run", 1: "High Jump"}


@pytest.mark.parametrize(
    ("name", "text"), [("c.txt", ""), ("c.csv", "\n"), ("c.txt", "1 a\n1 b\n"), ("c.json", "[1]"), ("c.json", "3")]
)
def test_anything_else_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(PredictionError, match=name):
        read_class_list(tmp_path / name)

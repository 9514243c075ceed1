from pathlib import Path

import pytest

from wtal.data.points import read_points
from wtal.errors import AnnotationError


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text("label,start_frame,video,time\nrun,7, a ,1.5\njump,9,b,2\n")
    assert read_points(file).to_dict("list") == {
        "video_id": ["a", "b"],
        "label": ["run", "jump"],
        "time_s": [1.5, 2.0],
        "line": [2, 3],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,label\na,run\n", "has no column 'time'"),
        ("video,label,time\na,run,soon\n", "line 2: the time 'soon' is not a number"),
        ("video,label,time\na,run,nan\n", "line 2: the time 'nan' is not a number"),
        ("video,label,time\na,run\n", "line 2: 3 columns expected, 2 found"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "points.csv"
    file.write_text(text)
    with pytest.raises(AnnotationError, match=message):
        read_points(file)


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"none.csv cannot be read"):
        read_points(tmp_path / "none.csv")

import json
from pathlib import Path

import pandas as pd
import pytest

from wtal.data.points import frame_rates, read_points, write_points
from wtal.errors import AnnotationError

LACP = "class,class_index,start_frame,stop_frame,video_id,point\nDiving,7,339,423,v_1,379\nDiving,7,600,660,v_2,630\n"
HR_PRO = "class,start_frame,stop_frame,video_id,point\ntake,18.0,77.000001,S3_C1,48\nopen,109.0,137.0,S3_C1,123\n"
SF_NET = "S1_C1,1.5,take\n\nS1_C1,7.25,open\n\nS2_C1,13,take"


def rows(points) -> list[tuple]:
    return list(points.table.itertuples(index=False, name=None))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    file = write(tmp_path / "points.csv", "label,start_frame,video,time\nrun,7, a ,1.5\njump,9,b,2\n")
    assert rows(read_points(file)) == [("a", "run", 1.5, 2), ("b", "jump", 2.0, 3)]


def test_points_of_lacp_and_hr_pro_are_frames(tmp_path: Path) -> None:
    rates = {"v_1": 30.0, "v_2": 25.0}
    assert rows(read_points(write(tmp_path / "a.csv", LACP), rates)) == [
        ("v_1", "Diving", pytest.approx(379 / 30), 2),
        ("v_2", "Diving", pytest.approx(630 / 25), 3),
    ]
    assert [time_s for *_, time_s, _ in rows(read_points(write(tmp_path / "b.csv", HR_PRO), 15))] == [48 / 15, 123 / 15]


@pytest.mark.parametrize("text", [LACP, HR_PRO])
def test_the_true_bounds_of_a_file_of_points_never_leave_the_reader(tmp_path: Path, text: str) -> None:
    """The same points come back whatever stands in the columns of the bounds, and no other columns."""
    file = write(tmp_path / "points.csv", text)
    known = read_points(file, 30)
    table = pd.read_csv(file)
    for poison in (0, "nothing", ""):
        table["start_frame"] = table["stop_frame"] = poison
        table.to_csv(tmp_path / "poisoned.csv", index=False)
        found = read_points(tmp_path / "poisoned.csv", 30)
        assert found.table.equals(known.table)
    assert list(known.table.columns) == ["video_id", "label", "time_s", "line"]
    assert vars(known).keys() == {"table", "origin"}


def test_points_of_sf_net_have_no_header(tmp_path: Path) -> None:
    file = write(tmp_path / "GTEA1.txt", SF_NET)
    assert rows(read_points(file)) == [
        ("S1_C1", "take", 1.5, 1),
        ("S1_C1", "open", 7.25, 3),
        ("S2_C1", "take", 13.0, 5),
    ]


def test_of_a_folder_one_annotator_is_drawn_for_each_video(tmp_path: Path) -> None:
    names = [f"v{i}" for i in range(12)]
    for annotator in range(3):
        text = "".join(f"{name},{annotator + 0.5},take\n\n{name},{annotator + 10},put\n\n" for name in names)
        write(tmp_path / f"GTEA{annotator}.txt", text)
    write(tmp_path / "notes.md", "not points")
    found = read_points(tmp_path, seed=1)
    assert found.origin == "of 3 annotators, one drawn for each video"
    who = {name: {int(t) % 10 for t in of["time_s"]} for name, of in found.table.groupby("video_id")}
    assert all(len(one) == 1 for one in who.values())
    assert set.union(*who.values()) == {0, 1, 2}
    assert found.table.equals(read_points(tmp_path, seed=1).table)
    assert not found.table.equals(read_points(tmp_path, seed=2).table)


def test_what_is_written_is_read_with_its_origin(tmp_path: Path) -> None:
    table = pd.DataFrame([("a, b", "run", 1.25), ("c", 'say "no"', 3.0)], columns=["video_id", "label", "time_s"])
    write_points(tmp_path / "points.csv", table, "drawn from the segments of gt.json (uniform, seed 0)")
    found = read_points(tmp_path / "points.csv")
    assert found.table[["video_id", "label", "time_s"]].equals(table)
    assert found.origin == "drawn from the segments of gt.json (uniform, seed 0)"
    write_points(tmp_path / "points.csv", table)
    assert read_points(tmp_path / "points.csv").origin == ""


def test_frame_rates_are_a_number_or_in_a_file_of_lacp_or_of_annotations(tmp_path: Path) -> None:
    lacp = write(tmp_path / "fps_dict.json", json.dumps({"v_1": 30.0, "v_2": 25}))
    annotations = {"database": {"v_1": {"fps": 30, "duration": 9}, "v_2": {"fps": 25.0}, "v_3": {"duration": 1}}}
    full = write(tmp_path / "gt_full.json", json.dumps(annotations))
    assert frame_rates(29.97) == 29.97
    assert frame_rates(lacp) == frame_rates(full) == {"v_1": 30.0, "v_2": 25.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "has no frame rates"), ('{"v_1": 0}', "the frame rate of v_1 is 0: it must be above 0")],
)
def test_wrong_frame_rates_are_refused_in_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        frame_rates(write(tmp_path / "fps.json", content))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,label\na,run\n", "has no column 'time'"),
        ("video,label,time\na,run,soon\n", "line 2: the time 'soon' is not a number"),
        ("video,label,time\na,run,nan\n", "line 2: the time 'nan' is not a number"),
        ("video,label,time\na,run\n", "line 2: 3 columns expected, 2 found"),
        (SF_NET + "\nS2_C1,9\n", "line 6: 3 cells expected, 2 found"),
        (LACP, "line 2: the points are frames, and the frame rate is not known: give `fps`"),
        ("", "has no column 'video'"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_points(write(tmp_path / "points.csv", text))


def test_a_video_without_a_frame_rate_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="line 3: the points are frames, and the frame rate of video v_2 is not"):
        read_points(write(tmp_path / "points.csv", LACP), {"v_1": 30.0})


def test_a_missing_table_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"none.csv cannot be read"):
        read_points(tmp_path / "none.csv")
    with pytest.raises(AnnotationError, match="has no file of points"):
        read_points(tmp_path)

import json
import unicodedata

import pytest

from wtal.data.annotations import read_annotations, with_subsets
from wtal.errors import AnnotationError


def read(tmp_path, content, name="own.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_annotations(path, **options)


def rows(annotations):
    return annotations.segments.to_numpy().tolist()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.csv", "label,youtube_id,time_start,time_end,split\nrun,a,1.5,63.14,train\n"),
        ("own.csv", "video,label,start_time,end_time,subset\na,run,00:01.5,01:03.14,train\n"),
        ("own.csv", 'video,label,start,end,subset\na,run,"00:01,5","00:01:03,140",train\n'),
        ("own.csv", '"video-id";"label";"t-start";"t-end";"Subset"\n"a.mp4";"run";"1,5";"63,14";"train"\n'),
        ("own.csv", "video,label,start_ms,end_ms,subset\na,run,1500,63140,train\n"),
        (
            "own.txt",
            "Tier\tBegin Time - ss.msec\tEnd Time - ss.msec\tAnnotation\tFile Path\tSubset\n"
            "act\t1.500\t63.140\trun\t/home/a.eaf\ttrain\n",
        ),
        ("own.csv", "video_id,label,start_timestamp,stop_timestamp,subset\na,run,00:00:01.5,00:01:03.14,train\n"),
        ("own.csv", "video,label,start_frame,end_frame,fps,subset\na,run,150,6314,100,train\n"),
        ("own.tsv", "filename\tonset\tduration\tevent_label\tset\na.mp4\t1.5\t61.64\trun\ttrain\n"),
        ("own.txt", "video\tlabel\tbegin\tend\tsubset\na\trun\t1.5 s\t63140 ms\ttrain\n"),
        (
            "own.json",
            json.dumps(
                [{"file_name": "a.mov", "label": "run", "start_time": 1.5, "end_time": 63.14, "split": "train"}]
            ),
        ),
        ("own.json", json.dumps([{"video": "a", "label": "run", "segment": ["1.5", "01:03.14"], "subset": "train"}])),
    ],
)
def test_times_under_other_names_and_in_other_forms(tmp_path, name, text):
    found = read(tmp_path, text, name)
    assert rows(found) == [["a", "run", 1.5, pytest.approx(63.14)]]
    assert found.videos.loc["a", ["subset", "labels"]].tolist() == ["train", ("run",)]


def test_columns_that_are_not_understood_are_named(tmp_path):
    found = read(tmp_path, ",video,label,t0,t1\n0,a,run,1,2\n")
    assert found.notes == (
        f"The columns t0, t1 of {tmp_path}/own.csv are not read; if there are times in seconds among them, call them "
        "`start` and `end`.",
    )
    with pytest.raises(AnnotationError, match="of which `start` is only one end of a segment"):
        read(tmp_path, "video,label,start,fin\na,run,1,2\n")


def test_frames_without_a_frame_rate_leave_the_labels(tmp_path):
    text = "video,label,start_frame,end_frame\na,run,10,20\n"
    found = read(tmp_path, text)
    assert rows(found) == []
    assert found.videos.loc["a", "labels"] == ("run",)
    assert "The times of 1 instances" in found.notes[0]
    assert "give it in `fps`" in found.notes[0]
    assert rows(read(tmp_path, text, fps=10)) == [["a", "run", 1, 2]]
    with pytest.raises(AnnotationError, match="frame rate of video a is 0"):
        read(tmp_path, text.replace("frame\n", "frame,fps\n").replace("20\n", "20,0\n"))


def test_durations_of_segments_are_not_those_of_videos(tmp_path):
    found = read(tmp_path, "video,start,end,duration,label\na,1,3,2,run\na,5,6,1,run\n")
    assert rows(found) == [["a", "run", 1, 3], ["a", "run", 5, 6]]
    assert found.videos["duration_s"].isna().all()
    assert "`duration`" in found.notes[0]
    whole = read(tmp_path, "video,start,end,duration,label\na,0,3,3,run\n")
    assert whole.videos.loc["a", "duration_s"] == 3
    with pytest.raises(AnnotationError, match="2 different values of `duration`"):
        read(tmp_path, "video,start,end,duration,label\na,1,3,9,run\na,5,6,8,run\n")


def test_a_table_of_one_video_is_named_like_it(tmp_path):
    (tmp_path / "set").mkdir()
    for name in ("b", "a"):
        (tmp_path / "set" / f"{name}.csv").write_text("start,end,label\n1,2,run\n")
    found = read_annotations(tmp_path / "set")
    assert rows(found) == [["a", "run", 1, 2], ["b", "run", 1, 2]]
    assert "its rows are read as those of the video 'a'" in found.notes[0]


def test_decomposed_names_are_composed(tmp_path):
    found = read(tmp_path, unicodedata.normalize("NFD", "video,label\ncafé,Kür\n") + "café,Kür\n")
    assert found.videos["labels"].to_dict() == {"café": ("Kür",)}
    assert found.notes == ()


def test_labels_of_pandas(tmp_path):
    found = read(tmp_path, "video,label\na,1.0\nb,0.0\nc,\nd,\"['0', '1']\"\n")
    assert found.videos["labels"].to_dict() == {"a": ("1",), "b": ("0",), "c": (), "d": ("0", "1")}


def test_videos_without_action_have_no_label(tmp_path):
    found = read(tmp_path, "video,label,start,end\na,background,0,5\na,run,5,6\nb,background,0,9\nc,none,,\n")
    assert found.videos["labels"].to_dict() == {"a": ("run",), "b": (), "c": ()}
    assert rows(found) == [["a", "run", 5, 6]]
    assert found.class_names == ("run",)


def test_a_video_that_json_names_twice_keeps_all(tmp_path):
    def video(label, subset="train"):
        return json.dumps({"subset": subset, "annotations": [{"label": label, "segment": [1, 2]}]})

    found = read(
        tmp_path, f'{{"database": {{"a": {video("run")}, "a": {video("jump")}, "a": {video("run")}}}}}', "a.json"
    )
    assert rows(found) == [["a", "run", 1, 2], ["a", "jump", 1, 2]]
    with pytest.raises(AnnotationError, match="'subset' is given twice, as 'train' and as 'test'"):
        read(tmp_path, f'{{"database": {{"a": {video("run")}, "a": {video("run", "test")}}}}}', "a.json")


def test_json_of_labels_and_numbers(tmp_path):
    assert read(tmp_path, '{"a": ["run", "jump"], "b": []}', "a.json").videos["labels"].to_dict() == {
        "a": ("jump", "run"),
        "b": (),
    }
    video = {"subset": "train", "annotations": [{"label": 0, "label_id": 0, "segment": ["00:01.5", 2]}]}
    found = read(tmp_path, json.dumps({"a.mp4": video}).encode("utf-16"), "a.json")
    assert rows(found) == [["a", "0", 1.5, 2]]


def test_numbers_of_classes_in_json(tmp_path):
    annotations = [{"label": "Run", "label_id": 4, "segment": [1, 2]}]
    found = read(tmp_path, json.dumps({"a": {"subset": "test", "annotations": annotations}}), "a.json")
    assert found.class_ids == {4: "Run"}


def test_a_workbook_is_refused_with_a_way_out(tmp_path):
    for name, match in (("own.xlsx", "a workbook is not read"), ("own.csv", "cannot be read as text")):
        with pytest.raises(AnnotationError, match=rf'{name}.*{match}.*"CSV UTF-8"'):
            read(tmp_path, b"PK\x03\x04\0\0", name)


def test_linked_folders_are_searched(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "Diving_test.txt").write_text("video_test_0000001 1.0 2.0\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "test").symlink_to("../real")
    assert len(read_annotations(tmp_path / "set").segments) == 1


@pytest.mark.parametrize(
    "content",
    [
        {"version": "1", "clips": [{"video": "a.mp4", "label": "run", "start": 1, "end": 2}]},
        {"a": [{"label": "run", "segment": [1, 2]}], "b": []},
    ],
)
def test_other_objects_of_rows(tmp_path, content):
    assert rows(read(tmp_path, json.dumps(content), "a.json")) == [["a", "run", 1, 2]]


def test_subsets_with_and_without_a_prefix(tmp_path):
    annotations = read(tmp_path, "video,label\nv_a,run\nb,run\n")
    (tmp_path / "subsets.csv").write_text("Video,Split\na,train\nv_b.mp4,test\n")
    assert with_subsets(annotations, tmp_path / "subsets.csv").videos["subset"].to_dict() == {
        "v_a": "train",
        "b": "test",
    }


@pytest.mark.parametrize("nothing", ["NaN", "#N/A", "None", "null", "-", ""])
def test_a_cell_that_says_there_is_no_time_is_empty(tmp_path, nothing):
    found = read(tmp_path, f"video,label,start,end,duration\na,run,1,2,9\nb,run,{nothing},{nothing},{nothing}\n")
    assert rows(found) == [["a", "run", 1, 2]]
    assert found.videos.loc["b", "labels"] == ("run",)
    assert found.videos["duration_s"].isna().tolist() == [False, True]


def test_a_line_break_in_a_cell_separates_labels(tmp_path):
    found = read(tmp_path, 'video,label\na,"run\njump"\nb,run\n')
    assert found.videos["labels"].tolist() == [("jump", "run"), ("run",)]


def test_a_row_without_its_video_says_how_to_correct_it(tmp_path):
    with pytest.raises(AnnotationError, match=r"line 3: the video has no name; write it into every row, also where"):
        read(tmp_path, "video,label,start,end\na,run,1,2\n,jump,3,4\n")

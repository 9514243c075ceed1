"""Lists of videos of the public repositories: labels come from labels and names, never from the place in the list."""

import random
from pathlib import Path

import pytest

from wtal.data.anomaly_lists import ListedVideo, read_video_list
from wtal.data.anomaly_names import classes_named, feature_file, kinds_of
from wtal.errors import AnnotationError

RTFM = "\n".join(
    [r"G:\UCF_Train_ten_crop_i3d\Abuse001_x264_i3d.npy", r"G:\UCF_Train_ten_crop_i3d\Normal_Videos316_x264_i3d.npy"]
)


def written(folder: Path, text: str, name: str = "a.list") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_a_line_of_rtfm_is_one_video(tmp_path: Path):
    videos = read_video_list(written(tmp_path, RTFM + "\n\n"))
    assert [(v.video_id, v.kinds) for v in videos] == [("Abuse001_x264", ("Abuse",)), ("Normal_Videos316_x264", ())]


@pytest.mark.parametrize("crops", [5, 10])
def test_the_crops_of_ur_dmu_are_one_video_in_any_order(tmp_path: Path, crops: int):
    names = [f"v=a-{k}__#1_label_{label}" for k, label in enumerate(["B2-G-0", "A", "B1-0-0"])]
    lines = [f"{name}__{crop}.npy" for name in names for crop in range(crops)]
    expected = {names[0]: ("shooting", "explosion"), names[1]: (), names[2]: ("fighting",)}
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        videos = read_video_list(written(tmp_path, "\n".join(lines)))
        assert {video.video_id: video.kinds for video in videos} == expected
        assert [len(video.files) for video in videos] == [crops] * 3


def test_a_table_of_vadclip_has_labels(tmp_path: Path):
    text = "path,label\n/x/Abuse/Abuse028_x264__0.npy,Abuse\n/x/Normal/Normal_Videos_003_x264__0.npy,Normal\n"
    videos = read_video_list(written(tmp_path, text, "ucf.csv"))
    assert videos[0] == ListedVideo("Abuse028_x264", ("Abuse",), ["/x/Abuse/Abuse028_x264__0.npy"])
    assert videos[1].kinds == ()


def test_a_table_may_say_how_many_frames_there_are(tmp_path: Path):
    videos = read_video_list(written(tmp_path, "video,label,frames\nfilm,fighting,320\nother,A,160\n", "own.csv"))
    assert [(v.video_id, v.kinds, v.frames) for v in videos] == [("film", ("fighting",), 320), ("other", (), 160)]


def test_shanghaitech_says_it_by_the_number_of_digits(tmp_path: Path):
    text = "SH_Test_ten_crop_i3d/01_001_i3d.npy\nSH_Test_ten_crop_i3d/01_0015_i3d.npy\n"
    assert [v.kinds for v in read_video_list(written(tmp_path, text))] == [(), ("anomaly",)]


def test_a_path_may_have_spaces_and_a_label_behind_it(tmp_path: Path):
    videos = read_video_list(written(tmp_path, "/my data/Arson001_x264.npy 1\n/my data/01_001.npy 0\n"))
    assert [(v.video_id, v.kinds) for v in videos] == [("Arson001_x264", ("Arson",)), ("01_001", ())]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "a.list", "names no video"),
        ("holiday.npy\n", "a.list", "line 1: the name holiday does not say whether the video is abnormal"),
        ("Abuse001_x264.npy\nAbuse001_x264.npy\n", "a.list", "line 2: the video Abuse001_x264 is listed twice"),
        ("Abuse001_x264__0.npy\nAbuse001_x264__0.npy\n", "a.list", "listed twice"),
        ("path,label\nAbuse001_x264.npy,Normal\n", "a.csv", "by its label Normal the video Abuse001_x264 is normal"),
        ("path,label\nNormal_Videos_003_x264.npy,Abuse\n", "a.csv", "is abnormal, by its name it is not"),
        ("path,label\nfilm.npy,running\n", "a.csv", "'running' is neither a class"),
        ("label\nAbuse\n", "a.csv", "no column `path`"),
        ("path,label,frames\nfilm.npy,A,many\n", "a.csv", "'many' is not a number of frames"),
        ("path,label\nfilm__0.npy,A\nfilm__1.npy,G\n", "a.csv", "the crops of film have different labels"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, name: str, message: str):
    with pytest.raises(AnnotationError, match=message):
        read_video_list(written(tmp_path, text, name))


def test_endings_are_no_part_of_a_name():
    assert feature_file("a/b/Arson011_x264_c3d.npy") == ("Arson011_x264", None)
    assert feature_file("A.Film.2001__#00-01_00-02_label_A__3.npy") == ("A.Film.2001__#00-01_00-02_label_A", 3)


def test_what_a_label_or_a_name_does_not_say_is_unknown():
    assert classes_named("B3") is None
    assert classes_named("B6-B2-0") == ("car accident", "shooting")
    assert kinds_of("Running001_x264") is None
    assert kinds_of("NormalPlace") == ()

"""Annotation files of the three sets of anomalies."""

from pathlib import Path

import numpy as np
import pytest

from wtal.data.anomaly_truth import Interval, intervals_of, read_frame_annotations
from wtal.errors import AnnotationError

UCF = """Arson011_x264  Arson  150  420  680  1267
Abuse028_x264  Abuse  165  240  -1  -1
Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1
"""
XD = "v=a__#1_label_B4-0-0 0 1517 1970 3038\nFilm.1995__#0_label_G-B2-0 157 180 185 244\n"
XD_KINDS = (
    "v=a__#1_label_B4-0-0.mp4 B4 0 1517 B4 1970  3038\nFilm.1995__#0_label_G-B2-0 B2 157 180 G 185 244 B2 250 282\n"
)


def read(folder: Path, text: str):
    (folder / "truth.txt").write_text(text)
    return read_frame_annotations(folder / "truth.txt")


def test_ucf_crime_has_up_to_two_anomalies(tmp_path: Path):
    arson, abuse, normal = read(tmp_path, UCF)
    assert arson.intervals == (Interval("Arson", 150, 420), Interval("Arson", 680, 1267))
    assert abuse.intervals == (Interval("Abuse", 165, 240),)
    assert (normal.video_id, normal.kinds, normal.intervals) == ("Normal_Videos_003_x264", (), ())


def test_xd_violence_without_kinds_takes_the_first_one_of_the_name_and_says_so(tmp_path: Path):
    riot, film = read(tmp_path, XD)
    assert riot.intervals == (Interval("riot", 0, 1517), Interval("riot", 1970, 3038))
    assert not riot.guessed
    assert film.kinds == ("explosion", "shooting")
    assert film.intervals[0] == Interval("explosion", 157, 180)
    assert film.guessed


def test_xd_violence_with_kinds_says_which_is_which(tmp_path: Path):
    riot, film = read(tmp_path, XD_KINDS)
    assert riot.video_id == "v=a__#1_label_B4-0-0"
    assert riot.intervals == (Interval("riot", 0, 1517), Interval("riot", 1970, 3038))
    assert [one.kind for one in film.intervals] == ["shooting", "explosion", "shooting"]
    assert not film.guessed


def test_a_mask_says_when_and_how_long(tmp_path: Path):
    np.save(tmp_path / "01_0015.npy", np.array([0, 1, 1, 0, 1], np.int8))
    (video,) = read_frame_annotations(tmp_path)
    assert (video.video_id, video.kinds, video.frames) == ("01_0015", ("anomaly",), 5)
    assert [(one.first, one.last) for one in video.intervals] == [(1, 2), (4, 4)]


def test_intervals_make_the_mask_again():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random(30) < 0.5
        again = np.zeros(30, bool)
        for first, last in intervals_of(mask):
            again[first : last + 1] = True
        assert (again == mask).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "annotates no video"),
        ("a  Abuse  1\n", "line 1: .*a frame is missing"),
        ("a  Abuse  9  3  -1  -1\n", "9 to 3 is no interval"),
        ("a  Running  9  30\n", "'Running' is no kind of anomaly"),
        ("a B1 1 2 B2 3\n", "a code or a frame is missing"),
        ("a B1 1 2 B1-B2 3 4\n", "'B1-B2' is not one kind"),
        ("a 1 2\na 3 4\n", "annotates the video a twice"),
        ("a 1 999999999999999999999\n", "no interval"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str):
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path, text)


def test_masks_must_be_masks(tmp_path: Path):
    np.save(tmp_path / "01_0015.npy", np.array([0, 2]))
    with pytest.raises(AnnotationError, match="no mask of frames"):
        read_frame_annotations(tmp_path)

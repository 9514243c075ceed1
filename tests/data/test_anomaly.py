"""UCF-Crime, XD-Violence and ShanghaiTech as data sets to train and test on."""

import random
from pathlib import Path

import numpy as np
import pytest

from wtal.data import AnomalyDataModule, FeatureSource, SyntheticAnomalyDataModule, SyntheticAnomalyParams
from wtal.data.synthetic_anomaly import write_synthetic_anomalies
from wtal.errors import AnnotationError

TRAIN = ["Abuse001_x264", "Arson001_x264", "Normal_Videos316_x264", "Normal_Videos001_x264"]
TEST = {
    "Abuse028_x264": "Abuse  40  79  -1  -1",
    "Arson011_x264": "Arson  10  20  100  127",
    "Normal_Videos_003_x264": "Normal  -1  -1  -1  -1",
}


def written(folder: Path, shuffled: int | None = None, crops: int = 10) -> dict[str, Path]:
    """Lists, annotation and features as on the disk of a user of RTFM and VadCLIP."""
    train, test = list(TRAIN), list(TEST)
    if shuffled is not None:
        random.Random(shuffled).shuffle(train)
        random.Random(shuffled).shuffle(test)
    paths = {"train_list": folder / "train.list", "test_list": folder / "test.list", "annotations": folder / "gt.txt"}
    paths["train_list"].write_text("".join(f"/x/{name}_i3d.npy\n" for name in train))
    paths["test_list"].write_text("".join(f"/x/{name}_i3d.npy\n" for name in test))
    paths["annotations"].write_text("".join(f"{name}  {TEST[name]}  \n" for name in test))
    for stream in ("i3d", "clip"):
        (folder / stream).mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for length, name in enumerate((*TRAIN, *TEST), 8):
        np.save(folder / "i3d" / f"{name}_i3d.npy", rng.standard_normal((length, crops, 6)).astype(np.float32))
        for crop in range(crops):
            np.save(folder / "clip" / f"{name}__{crop}.npy", rng.standard_normal((length, 4)).astype(np.float32))
    return paths


def module(folder: Path, paths: dict[str, Path], **options) -> AnomalyDataModule:
    return AnomalyDataModule(
        "ucf-crime", i3d=FeatureSource(folder / "i3d"), clip=FeatureSource(folder / "clip"), **paths, **options
    )


@pytest.mark.parametrize("shuffled", [None, 1, 2])
def test_the_order_of_a_list_changes_no_label(tmp_path: Path, shuffled: int | None):
    data = module(tmp_path, written(tmp_path, shuffled))
    labels = data.annotations.videos["labels"].to_dict()
    assert labels == {
        "Abuse001_x264": ("Abuse",),
        "Arson001_x264": ("Arson",),
        "Normal_Videos316_x264": (),
        "Normal_Videos001_x264": (),
        "Abuse028_x264": ("Abuse",),
        "Arson011_x264": ("Arson",),
        "Normal_Videos_003_x264": (),
    }
    assert len(data.class_names) == 13


def test_training_sees_kinds_and_never_times(tmp_path: Path):
    data = module(tmp_path, written(tmp_path))
    assert data.ground_truth("train") is None
    batch = next(iter(data.pseudo_label_dataloader()))
    assert (batch.streams["i3d"].shape[2], batch.streams["clip"].shape[2]) == (6, 4)
    assert data.train_lengths == [8, 9, 10, 11]


def test_truth_lies_on_the_grid_of_sixteen_frames_whatever_the_frame_rate(tmp_path: Path):
    paths = written(tmp_path)
    for fps in (24.0, 30.0):
        data = module(tmp_path, paths, fps=fps)
        videos = data.videos("test")
        row = [video.video_id for video in videos].index("Arson011_x264")
        truth = data.ground_truth("test")
        spans = truth[truth["video"] == row][["start_s", "end_s"]].to_numpy()
        frames = [[16 * videos[row].grid.index_of(time) for time in span] for span in spans]
        assert frames == [pytest.approx([10, 21]), pytest.approx([100, 128])]


def test_all_annotated_videos_are_tested_without_a_list(tmp_path: Path):
    paths = written(tmp_path)
    del paths["test_list"]
    assert set(module(tmp_path, paths).test_table().index) == set(TEST)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train_list", "Abuse028_x264.npy\n", "1 videos are in the list of training and in that of test videos"),
        ("test_list", "Abuse030_x264.npy\n", "says nothing about 1 abnormal test videos, such as Abuse030_x264"),
        ("annotations", "Normal_Videos_003_x264  Abuse  1  2\n", "such as Abuse028_x264"),
        ("train_list", "v=a__#1_label_B1-0-0.npy\n", "the kind 'fighting' of video v=a__#1_label_B1-0-0 is not among"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, file: str, text: str, message: str):
    paths = written(tmp_path)
    paths[file].write_text(text)
    with pytest.raises(AnnotationError, match=message):
        module(tmp_path, paths)


def test_xd_violence_says_where_kinds_are_guessed(tmp_path: Path):
    (tmp_path / "train.list").write_text("v=a__#1_label_B1-0-0__0.npy\nv=b__#1_label_A__0.npy\n")
    (tmp_path / "gt.txt").write_text("v=c__#1_label_B2-G-0 10 20\n")
    data = AnomalyDataModule("xd-violence", tmp_path / "train.list", tmp_path / "gt.txt")
    assert "the first kind of the name is taken" in data.annotations.notes[0]
    assert data.annotations.segments["label"].tolist() == ["shooting"]
    assert data.annotations.videos.loc["v=c__#1_label_B2-G-0", "labels"] == ("shooting", "explosion")


def test_the_embedded_benchmark_has_bursts_and_normal_videos_of_the_same_scenes(tmp_path: Path):
    params = SyntheticAnomalyParams(train_videos=40, test_videos=10)
    data = SyntheticAnomalyDataModule(tmp_path / "a", params)
    train, test = data.train_table(), data.test_table()
    assert (len(train), len(test)) == (40, 10)
    assert 8 <= (train["labels"].map(len) == 0).sum() <= 32
    segments, videos = data.annotations.segments, data.annotations.videos
    share = (segments["end_s"] - segments["start_s"]).groupby(segments["video_id"]).sum() / videos["duration_s"]
    assert share.dropna().max() < 0.5
    texts = np.load(tmp_path / "a" / "text" / "text.npy")
    likeness = {
        name: np.sort(data.split("train").features.read(name, slice(None))["clip"] @ texts.T, axis=0)
        for name in train.index
    }
    best = {name: rows[-5:].mean(axis=0).max() for name, rows in likeness.items()}
    normal = [best[name] for name, labels in train["labels"].items() if not labels]
    abnormal = [best[name] for name, labels in train["labels"].items() if labels]
    assert np.mean(normal) > 0.8 * np.mean(abnormal)  # the scene alone looks nearly as much like a kind of anomaly


def test_equal_parameters_make_equal_files(tmp_path: Path):
    params = SyntheticAnomalyParams(train_videos=3, test_videos=2)
    for name in "ab":
        write_synthetic_anomalies(tmp_path / name, params)
    for file in ("i3d/video_0001.npy", "clip/video_0004.npy", "annotations.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()

from pathlib import Path

import numpy as np
import pytest

from wtal.data import CustomDataModule, FeatureSource
from wtal.errors import AnnotationError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clip").mkdir()
    for name in "abc":
        np.save(tmp_path / "clip" / f"{name}.npy", np.zeros((10, 4), np.float32))
    return tmp_path


def module(folder: Path, table: str, test: str | None = None) -> CustomDataModule:
    (folder / "own.csv").write_text(table)
    if test is not None:
        (folder / "test.csv").write_text(test)
    clip = FeatureSource(folder / "clip", layout="clip_snippet")
    return CustomDataModule(folder / "own.csv", None if test is None else folder / "test.csv", clip=clip)


def test_labels_alone_are_enough(folder: Path) -> None:
    data = module(folder, "video,label\na,run\nb,jump\nb,run\n")
    data.setup("fit")
    data.setup("test")
    batch = next(iter(data.train_dataloader()))
    assert {name: rows.shape for name, rows in batch.streams.items()} == {"clip": (2, 10, 4)}
    assert [video.video_id for video in data.videos("test")] == ["a", "b"]
    assert data.ground_truth("test") is None
    assert data.benchmark.name == "custom (the training videos)"


def test_a_second_file_has_the_test_videos(folder: Path) -> None:
    data = module(folder, "video,label\na,run\nb,jump\n", "video,start,end,label\nc,1,2,jump\n")
    assert [video.video_id for video in data.videos("train")] == ["a", "b"]
    assert [video.video_id for video in data.videos("test")] == ["c"]
    truth = data.ground_truth("test")
    assert truth is not None
    assert truth.to_numpy().tolist() == [[0, 0, 1, 2]]
    assert data.benchmark.name == "custom"


def test_unlabelled_videos_can_be_tested(folder: Path) -> None:
    data = module(folder, "video,label,subset\na,run,train\nb,,test\n")
    assert [batch.labels.tolist() for batch in data.predict_dataloader()] == [[[0]]]
    assert data.ground_truth("test") is None


def test_refuses_a_video_in_both_files(folder: Path) -> None:
    with pytest.raises(AnnotationError, match=r"1 videos are in .*own.csv and in .*test.csv, for example a"):
        module(folder, "video,label\na,run\n", "video,label\na,run\n")
    with pytest.raises(AnnotationError, match="class 'swim' of video c"):
        module(folder, "video,label\na,run\n", "video,label\nc,swim\n")


def test_subsets_may_come_from_a_table(folder: Path) -> None:
    (folder / "own.csv").write_text("video,label\na,run\nb,jump\n")
    (folder / "subsets.csv").write_text("video,fps,subset\na,25,train\nb,25,test\n")
    data = CustomDataModule(folder / "own.csv", subsets=folder / "subsets.csv")
    assert data.train_table().index.tolist() == ["a"]
    assert data.test_table().index.tolist() == ["b"]

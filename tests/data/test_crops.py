"""Features of ten or five crops, in one file a video or in a file a crop."""

from pathlib import Path

import numpy as np
import pytest

from wtal.data import FeatureSource, open_features
from wtal.errors import FeatureError

VIDEO = "Abuse001_x264"


def crops(count, length=7, dim=4):
    return np.random.default_rng(0).standard_normal((length, count, dim)).astype(np.float32)


def test_rtfm_has_the_crops_in_one_file(tmp_path: Path):
    rows = crops(10)
    np.save(tmp_path / f"{VIDEO}_i3d.npy", rows)
    store = open_features(FeatureSource(tmp_path), [VIDEO])
    assert store[VIDEO] == pytest.approx(rows.mean(axis=1), abs=1e-6)


@pytest.mark.parametrize("count", [5, 10])
def test_ur_dmu_and_vadclip_have_a_file_a_crop(tmp_path: Path, count: int):
    rows = crops(count)
    for crop in range(count):
        np.save(tmp_path / f"{VIDEO}__{crop}.npy", rows[:, crop])
    assert open_features(FeatureSource(tmp_path), [VIDEO])[VIDEO] == pytest.approx(rows.mean(axis=1), abs=1e-6)
    chosen = open_features(FeatureSource(tmp_path, crop=3), [VIDEO])
    assert (chosen[VIDEO] == rows[:, 3]).all()
    assert chosen.length(VIDEO) == len(rows)


def test_a_single_crop_is_the_video(tmp_path: Path):
    rows = crops(1)[:, 0]
    np.save(tmp_path / f"{VIDEO}__0.npy", rows)
    assert (open_features(FeatureSource(tmp_path), [VIDEO])[VIDEO] == rows).all()


def test_a_name_of_a_video_that_looks_like_a_crop_is_a_video(tmp_path: Path):
    for number in range(10):
        np.save(tmp_path / f"clip__{number}.npy", np.full((3, 4), float(number)))
    store = open_features(FeatureSource(tmp_path), [f"clip__{number}" for number in range(10)])
    assert store["clip__7"][0, 0] == 7.0


def test_crops_of_different_lengths_are_refused(tmp_path: Path):
    for crop in range(10):
        np.save(tmp_path / f"{VIDEO}__{crop}.npy", np.zeros((7 + (crop == 4), 4)))
    with pytest.raises(FeatureError, match=f"The crops of video {VIDEO} have different shapes"):
        open_features(FeatureSource(tmp_path), [VIDEO])[VIDEO]

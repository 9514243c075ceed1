from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wtal.data import ActivityNet12DataModule, ActivityNet13DataModule, FeatureSource
from wtal.errors import AnnotationError


@pytest.mark.parametrize("form", ["activity_net.v1-2.min.json", "ActivityNet1.2-Annotations"])
def test_subsets_and_classes(shared: Path, form: str) -> None:
    data = ActivityNet12DataModule(shared / "data/activitynet1.2" / form)
    assert (len(data.train_table()), len(data.test_table())) == (4819, 2383)
    assert len(data.class_names) == 100
    assert data.class_names[0] == "Archery"
    assert data.benchmark.name == "activitynet1.2"


def test_a_later_version_takes_its_subsets_from_another_table(shared: Path) -> None:
    folder = shared / "data/activitynet1.3"
    data = ActivityNet13DataModule(folder / "anet_anno_action.json", subsets=folder / "video_info_new.csv")
    counts = Counter(pd.read_csv(folder / "video_info_new.csv").subset)
    assert (len(data.train_table()), len(data.test_table())) == (counts["training"], counts["validation"])
    assert (len(data.class_names), data.benchmark.name) == (200, "activitynet1.3")
    assert data.benchmark.tious[0] == 0.5


def test_thresholds_are_the_decimal_numbers(shared: Path) -> None:
    benchmark = ActivityNet12DataModule(shared / "data/activitynet1.2/ActivityNet1.2-Annotations").benchmark
    assert benchmark.tious == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    assert benchmark.averages == ((0.5, 0.95),)


def test_a_smaller_file_needs_a_class_list(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("video,label,subset\na,Archery,training\n")
    with pytest.raises(AnnotationError, match=r"some.csv has 1 classes, but ActivityNet 1.2 has 100"):
        ActivityNet12DataModule(path)
    assert ActivityNet12DataModule(path, class_names=["Zumba", "Archery"]).class_names == ["Zumba", "Archery"]


@pytest.mark.parametrize(("named", "stored"), [("v_abc", "abc"), ("abc", "v_abc")])
def test_finds_features_with_and_without_prefix(tmp_path: Path, named: str, stored: str) -> None:
    (tmp_path / "own.csv").write_text(f"video,label,subset\n{named},Archery,training\n")
    (tmp_path / "clip").mkdir()
    np.save(tmp_path / "clip" / f"{stored}.npy", np.zeros((11, 4), np.float32))
    clip = FeatureSource(tmp_path / "clip", layout="clip_snippet")
    data = ActivityNet12DataModule(tmp_path / "own.csv", class_names=["Archery"], clip=clip, drop_up_to=10)
    assert [video.video_id for video in data.videos("train")] == [named]
    assert data.benchmark.name == "activitynet1.2-more-than-10-snippets"


def test_finds_features_by_the_name_in_the_url(tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    labels = np.empty(2, object)
    labels[:] = [["Archery"], ["Zumba"]]
    arrays = {
        "videoname": np.array([b"video_1", b"video_2"]),
        "url": np.array([b"https://www.youtube.com/watch?v=-abc", b"https://www.youtube.com/watch?v=xyz"]),
        "subset": np.array([b"training", b"validation"]),
        "classlist": np.array([b"Archery", b"Zumba"]),
        "labels_all": labels,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
    (tmp_path / "clip").mkdir()
    for name, length in (("v_-abc", 3), ("xyz", 5)):
        np.save(tmp_path / "clip" / f"{name}.npy", np.full((length, 4), length, np.float32))
    clip = FeatureSource(tmp_path / "clip", layout="clip_snippet")
    data = ActivityNet12DataModule(folder, class_names=["Archery", "Zumba"], clip=clip)
    assert [(video.video_id, video.num_snippets) for video in data.videos("train")] == [("video_1", 3)]
    (batch,) = data.test_dataloader()
    assert batch.streams["clip"].shape == (1, 5, 4)
    assert (batch.streams["clip"] == 5).all()

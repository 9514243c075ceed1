import json

import numpy as np
import pytest

from wtal.data import BEOIDDataModule, GTEADataModule
from wtal.data.egocentric import _BEOID, _GTEA
from wtal.data.features import FeatureSource
from wtal.data.store import StoreWriter
from wtal.errors import AnnotationError
from wtal.types import TimeGrid


def annotations(path, names):
    """In the form of SF-Net's files, whose test videos are called validation."""
    entry = {"duration": 20.0, "fps": 15, "annotations": [{"segment": [1.0, 3.0], "label": "take"}]}
    path.write_text(json.dumps({"database": {name: {**entry, "subset": subset} for name, subset in names.items()}}))
    return path


@pytest.mark.parametrize(
    ("module", "listed", "count", "name"),
    [(GTEADataModule, _GTEA, 7, "gtea-7"), (BEOIDDataModule, _BEOID, 12, "beoid-12")],
)
def test_the_list_decides_whatever_the_subsets_are_called(tmp_path, module, listed, count, name):
    names = {"S9_Other": "validation", **dict.fromkeys(listed, "validation"), "S8_More": "training"}
    with StoreWriter(tmp_path / "i3d", TimeGrid()) as store:
        for video in names:
            store.add(video, np.zeros((30, 4), np.float32))
    data = module(annotations(tmp_path / "gt.json", names), i3d=FeatureSource(tmp_path / "i3d"))
    assert len({*listed}) == count
    assert [video.video_id for video in data.videos("test")] == list(listed)
    assert [video.video_id for video in data.videos("train")] == ["S9_Other", "S8_More"]
    assert data.benchmark.name == name
    assert data.benchmark.averages[-1] == (0.1, 0.7)


def test_a_missing_test_video_is_named(tmp_path):
    names = dict.fromkeys(_GTEA[1:], "validation")
    with pytest.raises(AnnotationError, match="lacks 1 of the 7 test videos of gtea-7: S1_Peanut_C1"):
        GTEADataModule(annotations(tmp_path / "gt.json", names))

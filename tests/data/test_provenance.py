from pathlib import Path

import pandas as pd
import pytest

from wtal.data.features import FeatureSource
from wtal.data.manifest import Manifest
from wtal.data.provenance import described, trained_on
from wtal.types import TimeGrid

GRID = TimeGrid(25.0, 16.0, 16.0)
WEIGHTS = {"rgb": "rgb.pt (sha256 12ab)", "flow": "flow.pt (sha256 34cd)", "optical flow": "tvl1"}


@pytest.fixture
def streams(tmp_path: Path):
    def make(**manifests: Manifest) -> dict[str, FeatureSource]:
        for name, manifest in manifests.items():
            (tmp_path / name).mkdir(exist_ok=True)
            manifest.write(tmp_path / name)
        return {name: FeatureSource(tmp_path) for name in ("i3d", "clip")}  # the folder of all streams

    return make


def test_the_manifest_says_what_the_configuration_does_not(streams):
    sources = streams(i3d=Manifest(GRID, 2048, "float16", {}, origin=WEIGHTS))
    assert described("not stated", sources) == "i3d: rgb.pt, flow.pt, tvl1"
    assert described("I3D of my own", sources) == "I3D of my own"


def test_random_weights_win_over_the_configuration(streams):
    random = Manifest(GRID, 512, "float16", {}, notes="random weights: the features mean nothing")
    sources = streams(i3d=Manifest(GRID, 2048, "float16", {}, origin=WEIGHTS), clip=random)
    assert described("I3D + CLIP ViT-B/16, own videos", sources) == "clip of random weights, which mean nothing"


def test_without_a_manifest_the_configuration_counts(streams):
    assert described("TSP", streams()) == "TSP"
    assert described("not stated", streams()) == "not stated"


def test_a_benchmark_names_test_videos_that_were_trained_on():
    train, test = (pd.DataFrame(index=list(names)) for names in ("abc", "cd"))
    assert trained_on(lambda: train, test) == "1 of 2 videos trained on"
    assert trained_on(lambda: train, test.loc[["d"]]) == ""

"""The rendered benchmark: real files, the same for equal parameters, and features that its encoders make."""

import json

import numpy as np
import pytest
import torch

from wtal.data import open_store
from wtal.errors import ConfigError
from wtal.nn.encoders import TinyImageEncoder, TinyMotionEncoder
from wtal.simulation import RenderedDataModule, RenderedParams
from wtal.simulation.rendering import RENDERED_CLASSES, frames_of, storyboard
from wtal.video import Film, probe

PARAMS = RenderedParams(train_videos=2, test_videos=1, min_length=9, max_length=10)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "rendered"
    RenderedDataModule(folder, PARAMS)
    return folder


def test_videos_annotations_and_features_fit_together(root):
    data = RenderedDataModule(root, PARAMS)
    assert set(data.class_names) <= set(RENDERED_CLASSES)
    for video in data.videos("train"):
        info = probe(root / "videos" / f"{video.video_id}.mp4")
        assert (info.width, info.height, info.fps) == (24, 24, 10)
        assert info.duration_s == pytest.approx(video.duration_s)
        assert video.num_snippets * 0.8 == pytest.approx(video.duration_s)
    assert data.features_note == "random networks on rendered videos, seed 0"
    segments = data.annotations.segments
    assert (segments["end_s"] <= [data.annotations.videos["duration_s"][v] for v in segments["video_id"]]).all()


@pytest.mark.parametrize(("stream", "encoder"), [("i3d", TinyMotionEncoder), ("clip", TinyImageEncoder)])
def test_its_features_are_those_of_the_default_encoders(root, stream, encoder):
    made = encoder()
    film = Film("video_0001", root / "videos" / "video_0001.mp4", made.look)
    with torch.no_grad():
        rows = torch.cat([made(part) for part in film.parts(8)])
    assert np.array_equal(open_store(root / stream)["video_0001"], rows.numpy())


def test_chosen_snippets_are_those_of_the_whole_film(root):
    look = TinyMotionEncoder().look
    film = Film("video_0000", root / "videos" / "video_0000.mp4", look)
    whole = torch.cat([part.rgb for part in film.parts(4)])
    found = film.snippets([1, 2, 7])
    assert all(np.array_equal(np.stack(snippet.rgb), whole[i]) for i, snippet in zip([1, 2, 7], found, strict=True))


def test_equal_parameters_give_equal_pictures_and_other_seeds_others():
    def pictures(seed):
        rng = np.random.default_rng(seed)
        return np.stack(list(frames_of(storyboard(PARAMS, rng), PARAMS, rng))[:9])

    assert np.array_equal(pictures(1), pictures(1))
    assert not np.array_equal(pictures(1), pictures(2))


def test_a_folder_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        RenderedDataModule(tmp_path, PARAMS)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_an_existing_benchmark_is_used_as_it_is(root):
    before = (root / "annotations.json").stat().st_mtime_ns
    RenderedDataModule(root, PARAMS)
    assert (root / "annotations.json").stat().st_mtime_ns == before
    assert json.loads((root / "params.json").read_text())["size"] == 24

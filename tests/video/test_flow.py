import sys
import types

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wtal.errors import ConfigError
from wtal.video.crops import mirror
from wtal.video.flow import flow_stream, quantize, to_network_range

METHODS = ["tvl1", "tvl1_fast", "dis"]
HALF_STEP = 20 / 255


@pytest.fixture(scope="module")
def world():
    """A texture larger than a frame, RGB."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)


def film(world, motions, shape=(72, 96)):
    """Frames of a scene that moves by some pixels (x, y) from each frame to the next."""
    x, y = 30, 24
    frames = []
    for dx, dy in [(0, 0), *motions]:
        x, y = x - dx, y - dy  # the window moves against the scene
        frames.append(np.ascontiguousarray(world[y : y + shape[0], x : x + shape[1]]))
    return frames


def pixels(image):
    return image / 255 * 40 - 20


@pytest.mark.parametrize("method", METHODS)
def test_finds_a_translation_x_first(world, method):
    flow = pixels(next(flow_stream(film(world, [(3, -2)]), method)))
    inner = flow[12:-12, 12:-12]
    assert np.abs(inner - [3, -2]).max() < 0.3
    assert np.abs(inner.mean(axis=(0, 1)) - [3, -2]).max() < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_each_frame_has_the_flow_to_the_next_and_the_last_repeats(world, method):
    motions = [(3, -2), (-1, 2), (0, 0)]
    frames = film(world, motions)
    images = list(flow_stream(iter(frames), method))
    assert len(images) == len(frames)
    for image, motion in zip(images, motions, strict=False):
        assert image.shape == (72, 96, 2)
        assert image.dtype == np.uint8
        assert np.abs(np.median(pixels(image), axis=(0, 1)) - motion).max() < 0.2
    assert np.array_equal(images[-1], images[-2])
    alone = [next(flow_stream(frames[i : i + 2], method)) for i in range(3)]
    assert all(np.array_equal(a, b) for a, b in zip(images, alone, strict=False))


def test_flow_is_yielded_as_soon_as_the_next_frame_is_read(world):
    taken = []
    frames = film(world, [(1, 0)] * 3)
    stream = flow_stream((taken.append(i) or frame for i, frame in enumerate(frames)), "dis")
    next(stream)
    assert taken == [0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_few_frames(world, method):
    assert list(flow_stream([], method)) == []
    (image,) = flow_stream(film(world, []), method)
    assert image.shape == (72, 96, 2)
    assert (image == 128).all()
    assert (np.stack(list(flow_stream([np.zeros((64, 64, 3), np.uint8)] * 2, method))) == 128).all()


def test_grey_is_computed_from_rgb(world, monkeypatch):
    seen = []
    monkeypatch.setattr(cv2, "cvtColor", lambda frame, code: seen.append(code) or frame[..., 0].copy())
    list(flow_stream(film(world, []), "dis"))
    assert seen == [cv2.COLOR_RGB2GRAY]


def test_opencv_works_in_one_thread(world):
    cv2.setNumThreads(2)
    list(flow_stream(film(world, [(1, 0)]), "dis"))
    assert cv2.getNumThreads() == 1


def test_opencv_without_its_contributed_modules_is_reported(monkeypatch):
    poor = types.ModuleType("cv2")
    poor.setNumThreads = lambda count: None
    monkeypatch.setitem(sys.modules, "cv2", poor)
    with pytest.raises(ConfigError, match="install opencv-contrib-python-headless again"):
        next(flow_stream([np.zeros((8, 8, 3), np.uint8)], "tvl1"))


@given(st.floats(-100, 100, width=32))
def test_quantization_loses_half_a_step(value):
    image = quantize(np.array([value], np.float32))
    assert abs(pixels(image.astype(float))[0] - np.clip(value, -20, 20)) <= HALF_STEP + 1e-5
    network = to_network_range(torch.from_numpy(image))
    assert network.item() == pytest.approx(pixels(image.astype(float))[0] / 20, abs=1e-6)


def test_network_range_is_exact_at_its_ends():
    assert to_network_range(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]


def test_mirrored_flow_is_that_of_mirrored_frames(world):
    frames = film(world, [(3, -2)])
    image = next(flow_stream(frames, "tvl1"))
    expected = next(flow_stream([np.ascontiguousarray(frame[:, ::-1]) for frame in frames], "tvl1"))
    got = mirror(torch.from_numpy(image), flow=True).numpy()
    difference = np.abs(pixels(got) - pixels(expected))[12:-12, 12:-12]
    assert difference.mean() < 0.05
    assert difference.max() < 0.5

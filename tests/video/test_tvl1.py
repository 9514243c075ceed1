from itertools import islice

import cv2
import numpy as np
import pytest
import torch

from wtal.video.decode import FrameReader
from wtal.video.flow import flow_stream
from wtal.video.tvl1 import FAST, TVL1, _Descent, _median, _settle, _warp, tvl1_flow

HEIGHT, WIDTH = 72, 96
needs_contrib = pytest.mark.skipif(not hasattr(cv2, "optflow"), reason="OpenCV lacks its contributed modules")


def seen_by(matrix):
    """A texture as a frame shows it after a motion: the pixel ``matrix @ (x, y, 1)`` shows what ``(x, y)`` showed."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT + 80, WIDTH + 80), dtype=np.uint8)
    world = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    away = np.array([[1, 0, -40.0], [0, 1, -40], [0, 0, 1]])
    full = np.vstack([matrix, [0, 0, 1]]) @ away
    return cv2.warpAffine(world, full[:2], (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)


def about_the_middle(angle=0.0, scale=1.0):
    return cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), angle, scale)


STILL = np.eye(2, 3)
MOTIONS = {
    "translation": np.array([[1, 0, 2.5], [0, 1, -1.5]]),
    "rotation": about_the_middle(angle=3),
    "zoom": about_the_middle(scale=1.05),
}


def flow_between(first, second, **options):
    """Flow ``(H, W, 2)`` of a pair of grey frames of 8 bits."""
    pair = (torch.from_numpy(np.ascontiguousarray(frame))[None] for frame in (first, second))
    return tvl1_flow(*pair, **options)[0].permute(1, 2, 0).numpy()


def opencv_flow(first, second):
    cv2.setNumThreads(1)
    return cv2.optflow.DualTVL1OpticalFlow.create().calc(first, second, None)


def error_between(one, other):
    """Endpoint errors: mean, and the one that 95 % of the pixels stay below, in pixels."""
    error = np.linalg.norm(one - other, axis=-1)
    return error.mean(), np.quantile(error, 0.95)


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("settings", [TVL1(), FAST])
def test_finds_a_known_motion(name, settings):
    found = flow_between(seen_by(STILL), seen_by(MOTIONS[name]), settings=settings)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    known = np.stack([x, y, np.ones_like(x)], axis=-1) @ MOTIONS[name].T - np.stack([x, y], axis=-1)
    mean, most = error_between(found[10:-10, 10:-10], known[10:-10, 10:-10])
    assert mean < 0.1
    assert most < 0.25


@needs_contrib
@pytest.mark.parametrize("name", MOTIONS)
def test_is_that_of_opencv(name):
    first, second = seen_by(STILL), seen_by(MOTIONS[name])
    mean, most = error_between(flow_between(first, second), opencv_flow(first, second))
    assert mean < 0.02  # OpenCV before 5 rounds places to a 32nd of a pixel
    assert most < 0.05


@needs_contrib
@pytest.mark.slow
@pytest.mark.parametrize("name", ["plastering.avi", "v_GGSY1Qvo990.mp4", "v_ZNVhz7ctTq0.mp4"])
def test_is_that_of_opencv_on_real_frames(name, shared):
    reader = FrameReader(shared / "data" / "videos" / name)
    frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in islice(reader, 40, 42)]
    mean, most = error_between(flow_between(*frames), opencv_flow(*frames))
    assert mean < 0.03
    assert most < 0.06


def test_pairs_do_not_change_each_other():
    """Pairs that converge after different numbers of iterations, together and alone."""
    frames = [seen_by(matrix) for matrix in (STILL, STILL, *MOTIONS.values())]
    first, second = (torch.from_numpy(np.stack(some)) for some in (frames[:-1], frames[1:]))
    quick = TVL1(warps=1, scales=2)
    together = tvl1_flow(first, second, quick, together=len(first))
    alone = tvl1_flow(first, second, quick)
    assert not together[0].any()
    assert (together - alone).norm(dim=1).mean() < 1e-3
    assert together.shape == (4, 2, HEIGHT, WIDTH)
    assert tvl1_flow(first[:0], second[:0]).shape == (0, 2, HEIGHT, WIDTH)


def test_a_converged_pair_stays_as_it_is():
    """Of two pairs the first needs one iteration; it ends with the flow of that one."""
    settings = TVL1(median=False, outer=1, inner=9)
    generator = torch.Generator().manual_seed(0)
    gradient, constant = (torch.rand(2, n, 8, 8, generator=generator) for n in (2, 1))
    gradient[0] *= 1e-3
    constant[0] *= 1e-3

    def settled(chosen):
        flow, along_x, along_y = torch.zeros(3, len(chosen), 2, 8, 8)
        inverse = torch.ones(len(chosen), 1, 8, 8)
        descent = _Descent(flow, (along_x, along_y), settings)
        descent.aim(gradient[chosen], inverse, constant[chosen])
        _settle(descent)
        return flow, along_x, along_y

    for both, first, second in zip(settled([0, 1]), settled([0]), settled([1]), strict=True):
        torch.testing.assert_close(both, torch.cat([first, second]))
    assert settled([1])[0].abs().max() > 0.05 > 1e-4 > settled([0])[0].abs().max() > 0


def test_transposed_frames_have_the_transposed_flow():
    first, second = seen_by(STILL), seen_by(MOTIONS["rotation"])
    turned = flow_between(first.T, second.T).transpose(1, 0, 2)[..., ::-1]
    mean, most = error_between(turned, flow_between(first, second))
    assert mean < 0.01
    assert most < 0.03


def test_a_shifted_window_sees_the_same_flow():
    first, second = seen_by(STILL), seen_by(MOTIONS["zoom"])
    whole, part = flow_between(first, second), flow_between(first[8:], second[8:])
    mean, most = error_between(whole[20:-12, 12:-12], part[12:-12, 12:-12])
    assert mean < 0.02
    assert most < 0.06


def test_torch_warps_and_filters_as_opencv():
    """What a GPU does, on a CPU."""
    generator = torch.Generator().manual_seed(0)
    images, flow = torch.rand(2, 3, 20, 30, generator=generator), torch.randn(2, 2, 20, 30, generator=generator) * 3

    class Elsewhere(torch.Tensor):
        device = torch.device("cuda")

    by_torch = _warp(images.as_subclass(Elsewhere), flow).as_subclass(torch.Tensor)
    difference = (by_torch - _warp(images, flow)).abs()
    assert difference.mean() < 0.02  # OpenCV before 5 rounds places to a 32nd of a pixel
    assert torch.equal(_median(flow.as_subclass(Elsewhere)).as_subclass(torch.Tensor), _median(flow))


def test_the_stream_takes_it():
    frames = [np.repeat(seen_by(matrix)[..., None], 3, axis=2) for matrix in (STILL, MOTIONS["translation"])]
    for method in ("tvl1_torch", "tvl1_fast"):
        image = next(flow_stream(frames, method))
        assert (np.median(image, axis=(0, 1)) / 255 * 40 - 20) == pytest.approx([2.5, -1.5], abs=0.1)


def test_frames_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"both \(N, H, W\), got \(1, 8, 9\) and \(1, 8, 8\)"):
        tvl1_flow(torch.zeros(1, 8, 9), torch.zeros(1, 8, 8))

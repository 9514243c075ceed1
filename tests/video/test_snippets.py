"""Which frames, flows and images a snippet is made of."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from wtal.types import TimeGrid
from wtal.video.flow import flow_stream
from wtal.video.snippets import Cut, Job, SnippetBatches, Snippets, cut_snippets

ALL = frozenset({"rgb", "flow", "clip"})


class Painted:
    """A frame that shows its number: as brightness at full size, and a texture that moves, when small."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.looked_at: list[int | None] = []

    def rgb(self, short_side: int | None = None) -> np.ndarray:
        self.looked_at.append(short_side)
        if short_side is None:
            return np.full((8, 10, 3), self.number, np.uint8)
        texture = np.random.default_rng(0).integers(0, 255, (32, 200, 3)).astype(np.uint8)
        frame = texture[:, self.number % 150 : self.number % 150 + 40].copy()
        frame[0, 0] = self.number
        return frame


def to_image(frame: np.ndarray) -> Tensor:
    assert frame.shape == (8, 10, 3)
    return torch.full((3, 2, 2), float(frame[0, 0, 0]))


def numbers(snippet) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in snippet.rgb]


def images(snippet) -> list[int]:
    return [int(image[0, 0, 0]) for image in snippet.images]


@pytest.mark.parametrize("stride", [8, 16, 24])
@pytest.mark.parametrize("count", [16, 17, 40, 63, 64, 65])
def test_windows_lie_on_the_grid(count: int, stride: int) -> None:
    cut = Cut(TimeGrid(25, stride, 16), "dis", images=2)
    found = list(cut_snippets([Painted(n) for n in range(count)], cut, ALL, to_image))
    assert [numbers(one) for one in found] == [list(range(start, start + 16)) for start in range(0, count - 15, stride)]
    assert [images(one) for one in found] == [[start + 4, start + 12] for start in range(0, count - 15, stride)]


@pytest.mark.parametrize("count", [1, 2, 9, 15])
def test_a_short_video_makes_one_snippet(count: int) -> None:
    (only,) = cut_snippets([Painted(n) for n in range(count)], Cut(flow="dis"), ALL, to_image)
    assert numbers(only) == [min(n, count - 1) for n in range(16)]
    assert images(only) == [min(8, count - 1)]
    assert len(only.flow) == 16


def test_flow_leads_to_the_next_frame_also_into_the_next_snippet() -> None:
    frames = [Painted(n) for n in range(32)]
    first, second = cut_snippets(frames, Cut(flow="dis"), ALL, to_image)
    expected = list(flow_stream((frame.rgb(256) for frame in frames), "dis"))
    np.testing.assert_array_equal(first.flow, expected[:16])
    np.testing.assert_array_equal(second.flow, expected[16:])
    np.testing.assert_array_equal(expected[31], expected[30])


def test_only_requested_streams_are_computed() -> None:
    frames = [Painted(n) for n in range(33)]
    found = list(cut_snippets(frames, Cut(), frozenset({"clip"}), to_image))
    assert [images(one) for one in found] == [[8], [24]]
    assert not any(one.rgb or one.flow for one in found)
    looked_at = [n for n, frame in enumerate(frames) if frame.looked_at]
    assert looked_at == [8, 24, 32]  # the last frame is needed if the video is shorter than a window
    (rgb_only,) = cut_snippets(frames[:16], Cut(), frozenset({"rgb"}))
    assert (len(rgb_only.rgb), rgb_only.flow, rgb_only.images) == (16, [], [])


@pytest.mark.parametrize("streams", [{"rgb"}, {"rgb", "flow"}, {"flow", "clip"}])
def test_a_long_video_is_never_held_whole(streams: set) -> None:
    alive: set[int] = set()

    class Counted(np.ndarray):
        def __del__(self) -> None:
            alive.discard(id(self))

    class Heavy(Painted):
        def rgb(self, short_side: int | None = None) -> np.ndarray:
            frame = super().rgb(short_side).view(Counted)
            alive.add(id(frame))
            return frame

    most = 0
    for _ in cut_snippets(
        (Heavy(n) for n in range(250)), Cut(flow="dis"), frozenset(streams), lambda _: torch.zeros(1)
    ):
        most = max(most, len(alive))
    assert most <= 5 * 16


def collected(found: list[Snippets], job: int, stream: str) -> Tensor:
    return torch.cat([getattr(one, stream) for one in found if one.job == job and getattr(one, stream) is not None])


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_of_several_videos(tmp_path: Path, workers: int, painted_video) -> None:
    paths = [painted_video(tmp_path / f"{count}.mp4", count) for count in (70, 5, 33)]
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    jobs = [Job(path.stem, path, frozenset({"rgb", "clip"})) for path in [*paths, bad]]
    batches = SnippetBatches(jobs, range(4), Cut(), lambda frame: torch.tensor(frame[:2, :2].copy()), 3)
    found = list(DataLoader(batches, batch_size=None, num_workers=workers))
    assert sorted(one.job for one in found if one.ended) == [0, 1, 2, 3]
    assert [one.problem for one in found if one.ended == "failed"] != [""]
    assert [len(collected(found, job, "rgb")) for job in range(3)] == [4, 1, 2]
    assert [max(one.frames for one in found if one.job == job) for job in range(3)] == [70, 5, 33]
    sizes = [len(one.rgb) for one in found if one.job == 0 and one.rgb is not None]
    assert sizes == [3, 1]
    assert collected(found, 0, "images").shape[:2] == (4, 1)

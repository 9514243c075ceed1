"""Snippets of a video: the frames, flow and images that its features are computed from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat, tee
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from wtal.errors import WTALError
from wtal.types import TimeGrid
from wtal.video.decode import Frame, FrameReader
from wtal.video.flow import flow_stream
from wtal.video.flow_methods import FlowMethod

__all__ = ["Cut", "Job", "Snippet", "SnippetBatches", "Snippets", "Stream", "cut_snippets"]

Stream = Literal["rgb", "flow", "clip"]
ToImage = Callable[[np.ndarray], Tensor]  # from an RGB frame (H, W, 3) uint8 to the input of CLIP, (3, h, w)
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Cut:
    """How videos are cut into snippets.

    Args:
        grid: Time grid of the snippets; stride and window are whole frames.
        flow: Method of optical flow.
        images: Number of frames per snippet that CLIP sees, spread evenly; a single one is the middle frame.
        short_side: Short side of the frames for I3D and the flow, in pixels.
    """

    grid: TimeGrid = TimeGrid()  # noqa: RUF009  frozen
    flow: FlowMethod = "tvl1"
    images: int = 1
    short_side: int = 256

    @property
    def image_places(self) -> list[int]:
        """Indices of the frames in a window that CLIP sees.

        >>> Cut(images=2).image_places
        [4, 12]
        """
        return [int((place + 0.5) * self.grid.window / self.images) for place in range(self.images)]


class Snippet(NamedTuple):
    """Input of the networks for one snippet; empty for a stream that is not requested."""

    rgb: list[np.ndarray]  # each frame, (H, W, 3) uint8
    flow: list[np.ndarray]  # from each frame to the next, (H, W, 2) uint8
    images: list[Tensor]  # (3, h, w)


class _Seen(NamedTuple):
    """The requested data of one frame."""

    rgb: np.ndarray | None = None
    flow: np.ndarray | None = None
    image: Tensor | None = None


def cut_snippets(
    frames: Iterable[Frame], cut: Cut, streams: frozenset[Stream], to_image: ToImage | None = None
) -> Iterator[Snippet]:
    """Cut a video into snippets, with only a few windows of it in memory.

    Snippet ``i`` has the frames ``[i * stride, i * stride + window)``, and the flow from each of them to the next one;
    the last frame of the video repeats the flow of the one before. Frames at the end that do not fill a window are
    dropped, but a video shorter than one window makes one snippet, in which its last frame is repeated.

    Args:
        frames: Frames of the video at the rate of the grid, at least one.
        cut: Settings of the snippets.
        streams: The requested streams.
        to_image: Preprocessing of CLIP, if its stream is requested.
    """
    window, stride = int(cut.grid.window), int(cut.grid.stride)
    for seen in _windows(_look(frames, cut, streams, to_image), window, stride):
        yield Snippet(
            [one.rgb for one in seen if one.rgb is not None],
            [one.flow for one in seen if one.flow is not None],
            [image for place in cut.image_places if (image := seen[place].image) is not None],
        )


def _look(frames: Iterable[Frame], cut: Cut, streams: frozenset[Stream], to_image: ToImage | None) -> Iterator[_Seen]:
    """The requested data of each frame, in order."""
    seen = _pictures(frames, cut, bool(streams & {"rgb", "flow"}), to_image)
    flows: Iterator[np.ndarray | None] = repeat(None)
    if "flow" in streams:
        seen, ahead = tee(seen)  # the flow reads one frame ahead
        flows = flow_stream((one.rgb for one in ahead if one.rgb is not None), cut.flow)
    for one, flow in zip(seen, flows, strict=False):
        yield _Seen(one.rgb if "rgb" in streams else None, flow, one.image)


def _pictures(frames: Iterable[Frame], cut: Cut, small: bool, to_image: ToImage | None) -> Iterator[_Seen]:
    stride = int(cut.grid.stride)
    for place, (frame, last) in enumerate(_mark_last(frames)):
        wanted = any(place >= first and (place - first) % stride == 0 for first in cut.image_places)
        yield _Seen(
            frame.rgb(cut.short_side) if small else None,
            None,
            # a short video repeats its last frame
            to_image(frame.rgb()) if to_image and (wanted or last) else None,
        )


def _mark_last(items: Iterable[_Item]) -> Iterator[tuple[_Item, bool]]:
    """Yield each item and whether it is the last.

    >>> [*_mark_last("abc")]
    [('a', False), ('b', False), ('c', True)]
    """
    held: list[_Item] = []
    for item in items:
        if held:
            yield held.pop(), False
        held.append(item)
    for item in held:
        yield item, True


def _windows(items: Iterable[_Item], window: int, stride: int) -> Iterator[list[_Item]]:
    """Yield windows of consecutive items; fewer than ``window`` items give one window, with the last item repeated.

    >>> [*_windows("abcdefg", 3, 2)]
    [['a', 'b', 'c'], ['c', 'd', 'e'], ['e', 'f', 'g']]
    >>> [*_windows("abcdefg", 2, 3)], [*_windows("ab", 3, 3)]
    ([['a', 'b'], ['d', 'e']], [['a', 'b', 'b']])
    """
    kept: list[_Item] = []
    skip, made = 0, False
    for item in items:
        if skip:
            skip -= 1
            continue
        kept.append(item)
        if len(kept) == window:
            yield kept
            kept, skip, made = kept[stride:], max(0, stride - window), True
    if kept and not made:
        yield kept + kept[-1:] * (window - len(kept))


# Many videos --------------------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """A video and the streams that are requested of it."""

    video_id: str
    path: Path
    streams: frozenset[Stream]


class Snippets(NamedTuple):
    """Consecutive snippets of one video, or, without snippets, the notice that the video has ended."""

    job: int
    rgb: Tensor | None = None  # (N, window, H, W, 3) uint8
    flow: Tensor | None = None  # (N, window, H, W, 2) uint8
    images: Tensor | None = None  # (N, images, 3, h, w)
    frames: int = 0  # frames of this video decoded so far
    ended: Literal["", "whole", "damaged", "failed"] = ""
    problem: str = ""  # one sentence, if the video is damaged or has failed
    start_s: float = 0.0  # of the first frame, on the clock that players show; known when the video has ended


class SnippetBatches(IterableDataset[Snippets]):
    """Batches of snippets, video after video; each of a loader's ``n`` workers reads every ``n``-th video.

    A video that cannot be read ends as ``failed``, and the others continue.

    Args:
        jobs: All videos.
        mine: Indices in ``jobs`` of the videos of this process.
        cut: Settings of the snippets.
        to_image: Preprocessing of CLIP, if its stream is requested.
        batch_size: Snippets per batch.
    """

    def __init__(
        self, jobs: Sequence[Job], mine: Sequence[int], cut: Cut, to_image: ToImage | None, batch_size: int
    ) -> None:
        self.jobs, self.mine, self.cut, self.to_image, self.batch_size = jobs, mine, cut, to_image, batch_size

    def __iter__(self) -> Iterator[Snippets]:
        """Read the videos of this worker."""
        worker = get_worker_info()
        for job in self.mine if worker is None else self.mine[worker.id :: worker.num_workers]:
            yield from self._read(job)

    def _read(self, job: int) -> Iterator[Snippets]:
        _, path, streams = self.jobs[job]
        reader = FrameReader(path, self.cut.grid.fps)
        to_image = self.to_image if "clip" in streams else None
        batch: list[Snippet] = []
        try:
            for snippet in cut_snippets(reader.frames(), self.cut, streams, to_image):
                batch.append(snippet)
                if len(batch) == self.batch_size:
                    yield _collate(job, batch, reader.count)
                    batch = []
            if batch:
                yield _collate(job, batch, reader.count)
        except WTALError as error:
            yield Snippets(job, ended="failed", problem=str(error))
        except Exception as error:  # one video must not stop a thousand others
            yield Snippets(job, ended="failed", problem=f"{path}: {type(error).__name__}: {error}.")
        else:
            ended: Literal["whole", "damaged"] = "damaged" if reader.damage else "whole"
            yield Snippets(job, frames=reader.count, ended=ended, problem=reader.damage or "", start_s=reader.start_s)


def _collate(job: int, snippets: Sequence[Snippet], frames: int) -> Snippets:
    def joined(columns: list[list[np.ndarray]]) -> Tensor | None:
        return torch.from_numpy(np.stack([np.stack(column) for column in columns])) if columns[0] else None

    rgb, flow, images = zip(*snippets, strict=True)
    return Snippets(
        job,
        joined(rgb),
        joined(flow),
        torch.stack([torch.stack(column) for column in images]) if images[0] else None,
        frames,
    )

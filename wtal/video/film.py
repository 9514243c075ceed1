"""A video as an encoder sees it: chosen snippets of it, or all of them, decoded when they are asked for."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wtal.errors import VideoError
from wtal.types import Pixels
from wtal.video.crops import mirror
from wtal.video.decode import FrameReader
from wtal.video.seeking import frames_at
from wtal.video.snippets import Cut, Snippet, Stream, ToImage, cut_snippets

__all__ = ["Film", "Look", "SnippetCache", "mirrored", "runs_of", "stacked"]


@dataclass(frozen=True)
class Look:
    """What an encoder wants to see of a snippet.

    Args:
        cut: How videos are cut into snippets.
        streams: Which of frames, flow and images.
        to_image: Preprocessing of images, if they are wanted.
    """

    cut: Cut
    streams: frozenset[Stream]
    to_image: ToImage | None = None


class Film:
    """One video file. It is no dataclass, into which Lightning would look for tensors.

    Args:
        video_id: Name of the video.
        path: Path of its file.
        look: What is seen of a snippet.
    """

    def __init__(self, video_id: str, path: Path, look: Look) -> None:
        self.video_id, self.path, self.look = video_id, path, look

    def parts(self, size: int) -> Iterator[Pixels]:
        """All snippets in one pass, ``size`` at a time, as ``wtal extract`` reads them.

        Raises:
            VideoError: If the video cannot be read.
        """
        look = self.look
        reader = FrameReader(self.path, look.cut.grid.fps)
        held: list[Snippet] = []
        for snippet in cut_snippets(reader.frames(), look.cut, look.streams, look.to_image):
            held.append(snippet)
            if len(held) == size:
                yield stacked(held)
                held = []
        if held:
            yield stacked(held)

    def snippets(self, index: Sequence[int]) -> list[Snippet]:
        """Some snippets, with seeks to them.

        Args:
            index: Indices of the snippets, in order.

        Raises:
            VideoError: If the video cannot be read, or has fewer snippets.
        """
        look, found = self.look, list[Snippet]()
        grid, runs = look.cut.grid, runs_of(index)
        stride, window = int(grid.stride), int(grid.window)
        ahead = 1 if "flow" in look.streams else 0  # the flow of the last frame leads to the next one
        frames = [range(run.start * stride, (run.stop - 1) * stride + window + ahead) for run in runs]
        for run, seen in zip(runs, frames_at(self.path, grid.fps, frames), strict=True):
            cut = cut_snippets(iter(seen), look.cut, look.streams, look.to_image)
            found += [snippet for snippet, _ in zip(cut, run, strict=False)]
        if len(found) < len(index):
            raise VideoError(
                f"{self.path} has no snippet {index[len(found)]}, which its features have: it is another film, or "
                "damaged; extract its features again."
            )
        return found


def runs_of(index: Sequence[int]) -> list[range]:
    """Runs of neighbouring indices.

    >>> runs_of([3, 4, 5, 9])
    [range(3, 6), range(9, 10)]
    """
    runs: list[range] = []
    for i in map(int, index):
        if runs and runs[-1].stop == i:
            runs[-1] = range(runs[-1].start, i + 1)
        else:
            runs.append(range(i, i + 1))
    return runs


class SnippetCache:
    """Decoded snippets of all films, the latest ones, in bounded memory of this process.

    Args:
        megabytes: Size of the cache; 0 keeps nothing.
    """

    def __init__(self, megabytes: float) -> None:
        self.limit, self.used = megabytes * 2**20, 0
        self._kept: OrderedDict[tuple[Path, int], Snippet] = OrderedDict()

    def snippets(self, film: Film, index: Sequence[int]) -> list[Snippet]:
        """Some snippets of a film, of which the unknown ones are decoded; see :meth:`Film.snippets`."""
        known = {i: self._kept.pop((film.path, i)) for i in index if (film.path, i) in self._kept}
        unknown = [i for i in index if i not in known]
        found = {**known, **dict(zip(unknown, film.snippets(unknown) if unknown else [], strict=True))}
        self.used += sum(_bytes_of(found[i]) for i in unknown)
        self._kept |= {(film.path, i): found[i] for i in index}
        while self.used > self.limit:
            self.used -= _bytes_of(self._kept.popitem(last=False)[1])
        return [found[i] for i in index]


def _bytes_of(snippet: Snippet) -> int:
    return sum(part.nbytes for column in snippet for part in column)


def stacked(snippets: Sequence[Snippet]) -> Pixels:
    """Snippets side by side."""

    def joined(columns: list[list[np.ndarray]]) -> Tensor | None:
        return torch.from_numpy(np.stack([np.stack(column) for column in columns])) if columns[0] else None

    rgb, flow, images = ([list(part) for part in column] for column in zip(*snippets, strict=True))
    return Pixels(joined(rgb), joined(flow), torch.stack([torch.stack(c) for c in images]) if images[0] else None)


def mirrored(pixels: Pixels) -> Pixels:
    """Snippets as in a mirror, their motion along x included."""
    rgb, flow, images = pixels
    return Pixels(
        None if rgb is None else mirror(rgb),
        None if flow is None else mirror(flow, flow=True),
        None if images is None else images.flip(-1),
    )

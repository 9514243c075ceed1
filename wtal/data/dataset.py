"""Videos as batches of snippets: all streams on one grid, temporal sampling, padding."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from wtal.data.features import FeatureStore, resample
from wtal.errors import FeatureError
from wtal.types import Clips, SnippetBatch, TimeGrid

if TYPE_CHECKING:  # they need PyAV
    from wtal.data.filming import Filming
    from wtal.video.film import Film

__all__ = ["Item", "Sampling", "SnippetDataset", "SnippetFeatures", "sample_snippets"]

Sampling = Literal["random", "uniform"]


class Item(NamedTuple):
    """Some or all snippets of one video, as stored; :meth:`SnippetDataset.collate` converts and pads them."""

    streams: Mapping[str, np.ndarray]  # by name, (T, D)
    grid_index: np.ndarray  # (T,)
    labels: np.ndarray  # (C,) float32
    row: int
    clips: Mapping[str, Clips] = {}  # by stream, what a training from video encodes again
    films: "Mapping[str, Film]" = {}  # noqa: RUF012  by stream, the whole video


class SnippetFeatures:
    """All feature streams of each video on one grid, that of the first stream.

    Features are read only on request. A stream on another grid is resampled in time when it is read.

    Args:
        streams: Features by name of the stream; the first stream gives the grid.
        tolerance_s: Largest allowed difference in length between the streams of a video, in seconds.

    Raises:
        ValueError: If there is no stream.
    """

    def __init__(self, streams: Mapping[str, FeatureStore], tolerance_s: float = 2.0) -> None:
        if not streams:
            raise ValueError("Give at least one feature stream.")
        self.streams, self.tolerance_s = dict(streams), tolerance_s
        self._first = next(iter(self.streams))
        self._kept: dict[str, dict[str, np.ndarray]] = {}
        self.filmed: dict[str, Filming] = {}  # by stream, where encoders of videos are trained

    @property
    def dims(self) -> dict[str, int]:
        """Channels of each stream."""
        return {name: store.dim for name, store in self.streams.items()}

    def grid(self, video_id: str) -> TimeGrid:
        """Time grid of the snippets of a video."""
        return self.streams[self._first].grid(video_id)

    def length(self, video_id: str) -> int:
        """Number of snippets of a video.

        Raises:
            FeatureError: If the streams differ in length by more than the tolerance.
        """
        rows = {name: (store.length(video_id), store.grid(video_id)) for name, store in self.streams.items()}
        ends_s = {name: grid.edge_s(count) for name, (count, grid) in rows.items()}
        for name, end_s in ends_s.items():
            if abs(end_s - ends_s[self._first]) > self.tolerance_s:
                parts = " and ".join(f"{n} {rows[n][0]} rows = {ends_s[n]:.1f} s" for n in (self._first, name))
                raise FeatureError(
                    f"The streams of video {video_id} differ by more than rounding: {parts}; correct `fps` and "
                    f"`stride` of {self.streams[self._first].path} or {self.streams[name].path}, or extract the video "
                    "again."
                )
        return rows[self._first][0]

    def keep(self, video_ids: Sequence[str], former: "SnippetFeatures | None" = None) -> None:
        """Hold these videos in memory from now on.

        Args:
            video_ids: Names of the videos.
            former: Features that may hold some of them already.
        """
        held = {} if former is None else former._kept
        for video_id in video_ids:
            if video_id in held:
                self._kept[video_id] = held[video_id]
                continue
            whole = self.read(video_id, slice(None))
            self._kept[video_id] = {name: np.array(rows) for name, rows in whole.items()}

    def read(self, video_id: str, index: slice | np.ndarray) -> dict[str, np.ndarray]:
        """Rows of every stream.

        Args:
            video_id: Name of the video.
            index: Positions on its grid.

        Returns:
            Rows ``(T, D)`` by name of the stream, in the precision in which they are stored.
        """
        if (kept := self._kept.get(video_id)) is not None:
            return {name: rows[index] for name, rows in kept.items()}
        length = self.length(video_id)
        return {name: self._on_grid(name, video_id, length)[index] for name in self.streams}

    def _on_grid(self, stream: str, video_id: str, length: int) -> np.ndarray:
        store = self.streams[stream]
        rows, own, target = store[video_id], store.grid(video_id), self.grid(video_id)
        if own == target and len(rows) >= length:
            return rows[:length]
        return resample(rows, own, target, length)


def sample_snippets(length: int, num_snippets: int, sampling: Sampling, seed: int) -> np.ndarray:
    """Indices of the snippets that a training step sees of one video, in order and without repetition.

    Args:
        length: Number of snippets of the video.
        num_snippets: Maximum number of snippets; a shorter video is taken whole.
        sampling: ``random`` takes consecutive snippets from a random start. ``uniform`` cuts the video into equal parts
            and takes one random snippet from each.
        seed: Seed of the random choice.

    Source:
        W-TALC (arXiv:1807.10418) for random; BaS-Net (arXiv:1911.09963) for uniform, which repeats snippets of short
        videos where this function leaves them shorter.

    >>> sample_snippets(3, 5, "random", seed=0)
    array([0, 1, 2])
    """
    if length <= num_snippets:
        return np.arange(length)
    rng = np.random.default_rng(seed)
    if sampling == "random":
        return np.arange(num_snippets) + rng.integers(length - num_snippets + 1)
    parts = np.arange(num_snippets + 1) * length // num_snippets
    return rng.integers(parts[:-1], parts[1:])


class SnippetDataset(Dataset[Item]):
    """One item per video, made of features and video-level labels; it has no segments.

    Args:
        features: Features of all videos.
        video_ids: Names of the videos; ``SnippetBatch.video`` is an index into them.
        labels: Multi-hot labels, ``(N, C)``.
        num_snippets: Length of the longest crop; None for whole videos.
        sampling: See :func:`sample_snippets`.
    """

    def __init__(
        self,
        features: SnippetFeatures,
        video_ids: Sequence[str],
        labels: np.ndarray,
        num_snippets: int | None = None,
        sampling: Sampling = "random",
    ) -> None:
        self.features, self.video_ids, self.labels = features, list(video_ids), labels.astype(np.float32)
        self.num_snippets, self.sampling = num_snippets, sampling

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.video_ids)

    def __getitem__(self, key: int | tuple[int, int]) -> Item:
        """The whole video of a row, or, for a pair ``(row, seed)``, a crop that depends on the seed."""
        row, seed = key if isinstance(key, tuple) else (key, 0)
        video_id = self.video_ids[row]
        length = self.features.length(video_id)
        index = np.arange(length)
        if self.num_snippets is not None:
            index = sample_snippets(length, self.num_snippets, self.sampling, seed)
        run = index[-1] - index[0] + 1 == len(index)  # a slice of a memory-mapped array is not copied
        streams = self.features.read(video_id, slice(index[0], index[-1] + 1) if run else index)
        filmed = self.features.filmed
        if self.num_snippets is None:
            films = {name: filming.films[video_id] for name, filming in filmed.items()}
            return Item(streams, index, self.labels[row], row, films=films)
        clips = {name: each.clips(video_id, index, seed) for name, each in filmed.items() if each.learns}
        return Item(streams, index, self.labels[row], row, clips)

    @staticmethod
    def collate(items: Sequence[Item]) -> SnippetBatch:
        """Pad all videos to the longest one."""
        size, longest = len(items), max(len(item.grid_index) for item in items)
        grid_index = torch.zeros(size, longest, dtype=torch.long)
        mask = torch.zeros(size, longest, dtype=torch.bool)
        for place, item in enumerate(items):
            grid_index[place, : len(item.grid_index)] = torch.from_numpy(item.grid_index)
            mask[place, : len(item.grid_index)] = True
        return SnippetBatch(
            streams={name: _pad([item.streams[name] for item in items], longest) for name in items[0].streams},
            mask=mask,
            grid_index=grid_index,
            labels=torch.from_numpy(np.stack([item.labels for item in items])),
            video=torch.tensor([item.row for item in items]),
            clips={name: tuple(item.clips[name] for item in items) for name in items[0].clips},
            films={name: tuple(item.films[name] for item in items) for name in items[0].films},
        )


def _pad(arrays: Sequence[np.ndarray], longest: int) -> torch.Tensor:
    """Arrays ``(T, D)`` of any precision as float32 ``(B, longest, D)``, padded with zeros."""
    padded = torch.empty(len(arrays), longest, arrays[0].shape[1])
    values = padded.numpy()
    for place, rows in enumerate(arrays):
        values[place, : len(rows)] = rows
        values[place, len(rows) :] = 0
    return padded

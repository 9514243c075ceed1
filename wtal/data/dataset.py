"""Videos as batches of snippets: both streams on one grid, temporal sampling, padding."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from wtal.data.features import FeatureStore, resample
from wtal.errors import FeatureError
from wtal.types import SnippetBatch, TimeGrid

__all__ = ["Item", "Sampling", "SnippetDataset", "SnippetFeatures", "sample_snippets"]

Sampling = Literal["random", "uniform"]


class Item(NamedTuple):
    """Some or all snippets of one video, as stored; :meth:`SnippetDataset.collate` converts and pads."""

    i3d: np.ndarray  # (T, D)
    clip: np.ndarray  # (T, D)
    grid_index: np.ndarray  # (T,)
    labels: np.ndarray  # (C,) float32
    row: int


class SnippetFeatures:
    """I3D and CLIP features of each video on one grid: I3D's, and CLIP's where there is no I3D.

    Nothing is read before it is asked for. CLIP rows on another grid are resampled in time when they are read.

    Args:
        i3d: RGB then flow, by video; None for no such stream.
        clip: Image features, by video; None for no such stream.
        tolerance_s: By how many seconds the two streams of a video may differ in length.

    Raises:
        ValueError: If there is no stream at all.
    """

    def __init__(self, i3d: FeatureStore | None, clip: FeatureStore | None, tolerance_s: float = 2.0) -> None:
        if i3d is None and clip is None:
            raise ValueError("Give at least one feature stream.")
        self.i3d, self.clip, self.tolerance_s = i3d, clip, tolerance_s
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def streams(self) -> dict[str, FeatureStore]:
        """The streams that exist, by name; the first one gives the grid."""
        return {name: s for name, s in (("i3d", self.i3d), ("clip", self.clip)) if s is not None}

    @property
    def dims(self) -> tuple[int, int]:
        """Channels of I3D and of CLIP, 0 for an absent stream."""
        return self.i3d.dim if self.i3d is not None else 0, self.clip.dim if self.clip is not None else 0

    def grid(self, video_id: str) -> TimeGrid:
        """Where the snippets of a video lie in time."""
        return next(iter(self.streams.values())).grid(video_id)

    def length(self, video_id: str) -> int:
        """Snippets of a video.

        Raises:
            FeatureError: If the streams differ in length by more than rounding.
        """
        length = next(iter(self.streams.values())).length(video_id)
        if self.i3d is not None and self.clip is not None:
            rows = {name: (s.length(video_id), s.grid(video_id)) for name, s in self.streams.items()}
            (i3d_s, clip_s) = (grid.edge_s(count) for count, grid in rows.values())
            if abs(i3d_s - clip_s) > self.tolerance_s:
                said = " and ".join(f"{name} {n} rows = {g.edge_s(n):.1f} s" for name, (n, g) in rows.items())
                raise FeatureError(
                    f"The streams of video {video_id} differ by more than rounding: {said}; correct `fps` and `stride` "
                    f"of {self.i3d.path} or {self.clip.path}, or extract the video again."
                )
        return length

    def keep(self, video_ids: Sequence[str]) -> None:
        """Hold these videos in memory from now on."""
        for video_id in video_ids:
            self._kept[video_id] = tuple(np.array(a) for a in self.read(video_id, slice(None)))  # type: ignore[assignment]

    def read(self, video_id: str, index: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of both streams.

        Args:
            video_id: The video.
            index: Places on its grid.

        Returns:
            I3D ``(T, D)`` and CLIP ``(T, D)``, in the precision they are stored in; no channels for an absent stream.
        """
        if (kept := self._kept.get(video_id)) is not None:
            return kept[0][index], kept[1][index]
        length = self.length(video_id)
        count = len(range(length)[index]) if isinstance(index, slice) else len(index)
        nothing = np.empty((count, 0), np.float32)
        i3d = nothing if self.i3d is None else self.i3d[video_id][index]
        clip = nothing if self.clip is None else self._clip_on_grid(video_id, length)[index]
        return i3d, clip

    def _clip_on_grid(self, video_id: str, length: int) -> np.ndarray:
        assert self.clip is not None
        rows, own, target = self.clip[video_id], self.clip.grid(video_id), self.grid(video_id)
        if own == target and len(rows) >= length:
            return rows[:length]
        return resample(rows, own, target, length)


def sample_snippets(length: int, num_snippets: int, sampling: Sampling, seed: int) -> np.ndarray:
    """Places of the snippets that a training step sees of one video, in order and each at most once.

    Args:
        length: Snippets of the video.
        num_snippets: How many to take at most; a shorter video is taken whole.
        sampling: ``random`` takes a run of neighbours from anywhere. ``uniform`` cuts the video into equal parts and
            takes one from anywhere in each.
        seed: Says what "anywhere" is.

    Source:
        W-TALC (arXiv:1807.10418) for random; BaS-Net (arXiv:1911.09963) for uniform, which repeats snippets of short
        videos where we pad.

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
    """One item a video; it knows features and video-level labels, and no segments.

    Args:
        features: Of all videos.
        video_ids: Their order gives ``SnippetBatch.video``.
        labels: Multi-hot labels, ``(N, C)``.
        num_snippets: Longest crop; None for whole videos.
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
        """The video of a row, whole, or cropped after the seed of a ``(row, seed)`` pair."""
        row, seed = key if isinstance(key, tuple) else (key, 0)
        video_id = self.video_ids[row]
        length = self.features.length(video_id)
        index = np.arange(length)
        if self.num_snippets is not None:
            index = sample_snippets(length, self.num_snippets, self.sampling, seed)
        run = index[-1] - index[0] + 1 == len(index)  # a slice of a memory-mapped array is not copied
        i3d, clip = self.features.read(video_id, slice(index[0], index[-1] + 1) if run else index)
        return Item(i3d, clip, index, self.labels[row], row)

    @staticmethod
    def collate(items: Sequence[Item]) -> SnippetBatch:
        """Pad videos to the longest one."""
        size, longest = len(items), max(len(item.grid_index) for item in items)
        grid_index = torch.zeros(size, longest, dtype=torch.long)
        mask = torch.zeros(size, longest, dtype=torch.bool)
        for place, item in enumerate(items):
            grid_index[place, : len(item.grid_index)] = torch.from_numpy(item.grid_index)
            mask[place, : len(item.grid_index)] = True
        return SnippetBatch(
            i3d=_pad([item.i3d for item in items], longest),
            clip=_pad([item.clip for item in items], longest),
            mask=mask,
            grid_index=grid_index,
            labels=torch.from_numpy(np.stack([item.labels for item in items])),
            video=torch.tensor([item.row for item in items]),
        )


def _pad(arrays: Sequence[np.ndarray], longest: int) -> torch.Tensor:
    """Arrays ``(T, D)`` of any precision as float32 ``(B, longest, D)``, with zeros after their ends."""
    padded = torch.empty(len(arrays), longest, arrays[0].shape[1])
    values = padded.numpy()
    for place, rows in enumerate(arrays):
        values[place, : len(rows)] = rows
        values[place, len(rows) :] = 0
    return padded

"""The videos behind a feature stream, for an encoder that is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from wtal.data.bank import FeatureBank
from wtal.data.resumable import derive_seed
from wtal.data.store import spellings
from wtal.errors import FeatureError
from wtal.functional.chunks import chosen_chunks
from wtal.types import Clips
from wtal.video.files import find_videos

if TYPE_CHECKING:  # they need PyAV
    from wtal.video.film import Film, Look, SnippetCache

__all__ = ["Filming", "films_of"]


def _flag() -> Tensor:
    return torch.zeros((), dtype=torch.long).share_memory_()  # type: ignore[no-untyped-call,no-any-return]  # processes that load data see it change


@dataclass(frozen=True)
class Filming:
    """What a data set adds to the rows of a stream: films of whole videos, and in crops the chunks to encode again.

    Args:
        films: The film of each video, by its name.
        bank: Bank of the training videos; None where nothing is trained.
        share: Share of the chunks of a crop that is encoded again.
        chunk: Number of snippets in a chunk.
        flip: Whether to mirror a video in a random half of the epochs, all its chunks alike.
        cache: Decoded snippets that are kept in each process that loads data; None to keep none.
        learns: 1 while the encoder is trained: clips of one that is frozen would be decoded for nothing.
    """

    films: "Mapping[str, Film]"
    bank: FeatureBank | None = None
    share: float = 1.0
    chunk: int = 8
    flip: bool = False
    cache: "SnippetCache | None" = None
    learns: Tensor = field(default_factory=_flag)

    def clips(self, video_id: str, index: np.ndarray, seed: int) -> Clips:
        """The snippets of a crop that are encoded again.

        Args:
            video_id: Name of the video.
            index: Indices of the crop on the video's grid, ``(T,)``.
            seed: Seed of the random choices, one for each video and epoch.

        Raises:
            VideoError: If the video cannot be read.
        """
        from wtal.video.film import mirrored, stacked

        assert self.bank is not None, "crops are taken of training videos alone"
        rows = self.bank.read(video_id)
        refreshed = rows.refreshed[index]
        place = chosen_chunks(
            rows.gradient[index], refreshed.max() - refreshed, self.share, self.chunk, derive_seed(seed, 1)
        )
        film, wanted = self.films[video_id], index[place].tolist()
        pixels = stacked(film.snippets(wanted) if self.cache is None else self.cache.snippets(film, wanted))
        flip = self.flip and derive_seed(seed, 2) % 2
        return Clips(torch.from_numpy(place), mirrored(pixels) if flip else pixels)


def films_of(folder: Path, video_ids: Sequence[str], look: "Look") -> "dict[str, Film]":
    """The films of some videos.

    Args:
        folder: Folder in which they lie.
        video_ids: Names of the videos, with or without a leading ``v_``.
        look: What is seen of a snippet.

    Raises:
        FeatureError: If a video is missing.
        VideoError: If the folder does not exist or has no video.
    """
    from wtal.video.film import Film

    there = find_videos([folder])
    found = {name: next((there[s] for s in (name, *spellings(name)) if s in there), None) for name in video_ids}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise FeatureError(
            f"{len(missing)} of {len(found)} videos are not in {folder}, such as {missing[0]}: correct `videos` of the "
            "stream's source."
        )
    return {name: Film(name, path, look) for name, path in found.items() if path is not None}

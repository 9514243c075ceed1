"""What a module may ask of its data, whatever data module it is trained with."""

from collections.abc import Iterator, Sequence
from typing import Protocol, cast

import pandas as pd
from pytorch_lightning import Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from wtal.data.dataset import Item
from wtal.errors import ConfigError
from wtal.types import Benchmark, Split, Video

__all__ = ["VideoData", "data_of"]


class VideoData(Protocol):
    """The data of a training or a test, such as :class:`~wtal.data.datamodule.SnippetDataModule`."""

    class_names: list[str]
    benchmark: Benchmark
    features_note: str

    def videos(self, split: Split) -> list[Video]:
        """Videos of a split; ``SnippetBatch.video`` is an index into them."""
        ...

    @property
    def train_lengths(self) -> list[int]:
        """Number of snippets of each training video."""
        ...

    def feature_statistics(self, stream: str) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over the training snippets, ``(D,)`` each."""
        ...

    def training_rows(self, streams: Sequence[str]) -> Iterator[Tensor]:
        """Some snippets of each training video, ``(n, D)``, with the streams side by side."""
        ...

    def pseudo_label_dataloader(self) -> DataLoader[Item]:
        """The training videos at full length, in order."""
        ...

    def ground_truth(self, split: Split) -> pd.DataFrame | None:
        """Segments to measure against: ``video``, ``label``, ``start_s``, ``end_s``; None where none may be seen."""
        ...

    def named_segments(self, split: Split) -> pd.DataFrame:
        """The same segments with the names of videos and classes."""
        ...

    def segments_for_supervision(self) -> pd.DataFrame:
        """Segments of the training videos, for training; the benchmark is marked as ``supervised``."""
        ...

    def mark_benchmark(self, mark: str) -> None:
        """Add to the benchmark's name what its numbers were learned from."""
        ...


def data_of(trainer: Trainer) -> VideoData:
    """The data module of a trainer.

    Raises:
        ConfigError: If the trainer runs on bare data loaders.
    """
    data = getattr(trainer, "datamodule", None)
    if data is None:
        raise ConfigError("The trainer has no data module, which this model needs: give it one as `datamodule`.")
    return cast(VideoData, data)

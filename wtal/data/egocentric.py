"""GTEA and BEOID, egocentric videos on which point supervision is measured, with the test lists in use."""

from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from wtal.data.annotations import read_annotations
from wtal.data.datamodule import SnippetDataModule, first
from wtal.errors import AnnotationError
from wtal.types import Benchmark

__all__ = ["BEOIDDataModule", "GTEADataModule"]

_GTEA = (
    "S1_Peanut_C1", "S1_Tea_C1", "S2_Coffee_C1", "S2_Tea_C1", "S3_Tea_C1", "S4_Cheese_C1", "S4_Pealate_C1",
)  # fmt: skip
_BEOID = (
    "00_Desk1", "00_Sink2", "01_Door1", "02_Desk2", "02_Printer2", "02_Sink2", "04_Desk1", "04_Door1", "04_Sink1",
    "04_Sink2", "05_Row3", "07_Treadmill3",
)  # fmt: skip


class _Egocentric(SnippetDataModule):
    """Videos that a list divides into test videos and, all others, training videos; measured at tIoU 0.1 to 0.7.

    Args:
        annotations: A file or folder, such as those that SF-Net publishes.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.

    Attributes:
        benchmark_name: Name of the benchmark.
        tested: Names of the test videos.

    Raises:
        AnnotationError: If the annotations lack a test video.

    Source:
        SF-Net, arXiv:2003.06845; the lists are HR-Pro's ``split_test.txt``, and the same videos in SF-Net's files.
    """

    benchmark_name: ClassVar[str]
    tested: ClassVar[tuple[str, ...]]

    def __init__(self, annotations: Path, **options: Any) -> None:  # noqa: ANN401  the base class types them
        super().__init__(read_annotations(annotations), Benchmark.as_thumos14(self.benchmark_name), **options)
        lacking = sorted(set(self.tested) - set(self.annotations.videos.index))
        if lacking:
            raise AnnotationError(
                f"{annotations} lacks {len(lacking)} of the {len(self.tested)} test videos of {self.benchmark_name}: "
                f"{first(lacking)}."
            )

    def train_table(self) -> pd.DataFrame:
        """All videos but those of the test list."""
        return self.annotations.videos.drop(index=list(self.tested))

    def test_table(self) -> pd.DataFrame:
        """The videos of the test list."""
        return self.annotations.videos.loc[list(self.tested)]

    def remarks(self) -> list[str]:
        """What a user should know about how the annotations were read."""
        return list(self.annotations.notes)


class GTEADataModule(_Egocentric):
    """GTEA: 28 videos of 7 actions in a kitchen, of which 7 are tested."""

    benchmark_name, tested = "gtea-7", _GTEA


class BEOIDDataModule(_Egocentric):
    """BEOID: 58 videos of people at work and at sport, of which 12 are tested."""

    benchmark_name, tested = "beoid-12", _BEOID

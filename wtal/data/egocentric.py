"""GTEA and BEOID, egocentric videos on which point supervision is measured, with the test lists in use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    """Videos that a list divides into test videos and, all others, training videos.

    Args:
        annotations: A file or folder, see :func:`~wtal.data.annotations.read_annotations`.
        name: Name of the benchmark.
        test_videos: Names of the test videos.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.

    Raises:
        AnnotationError: If the annotations lack a test video.
    """

    def __init__(
        self,
        annotations: Path,
        name: str,
        test_videos: Sequence[str],
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        super().__init__(read_annotations(annotations), Benchmark.as_thumos14(name), **options)
        self._tested = list(test_videos)
        lacking = sorted(set(test_videos) - set(self.annotations.videos.index))
        if lacking:
            raise AnnotationError(
                f"{annotations} lacks {len(lacking)} of the {len(test_videos)} test videos of {name}: {first(lacking)}."
            )

    def train_table(self) -> pd.DataFrame:
        """All videos but those of the test list."""
        return self.annotations.videos.drop(index=self._tested)

    def test_table(self) -> pd.DataFrame:
        """The videos of the test list."""
        return self.annotations.videos.loc[self._tested]

    def remarks(self) -> list[str]:
        """What a user should know about how the annotations were read."""
        return list(self.annotations.notes)


class GTEADataModule(_Egocentric):
    """GTEA: 28 videos of 7 actions in a kitchen, of which 7 are tested; measured at tIoU 0.1 to 0.7.

    Args:
        annotations: A file or folder, such as SF-Net's ``gtea_groundtruth.json``.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.

    Source:
        SF-Net, arXiv:2003.06845; the list is HR-Pro's ``split_test.txt``, and the same videos in SF-Net's file.
    """

    def __init__(self, annotations: Path, **options: Any) -> None:  # noqa: ANN401
        super().__init__(annotations, "gtea-7", _GTEA, **options)


class BEOIDDataModule(_Egocentric):
    """BEOID: 58 videos of people at work and at sport, of which 12 are tested; measured at tIoU 0.1 to 0.7.

    Args:
        annotations: A file or folder, such as SF-Net's ``beoid_groundtruth.json``.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.

    Source:
        SF-Net, arXiv:2003.06845; the list is HR-Pro's ``split_test.txt``, and the same videos in SF-Net's file.
    """

    def __init__(self, annotations: Path, **options: Any) -> None:  # noqa: ANN401
        super().__init__(annotations, "beoid-12", _BEOID, **options)

"""The user's own videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from wtal.data.annotations import Annotations, read_annotations, with_subsets
from wtal.data.datamodule import SnippetDataModule
from wtal.errors import AnnotationError
from wtal.io.given import numbers
from wtal.types import Benchmark, TaskName

__all__ = ["CustomDataModule", "OwnFiles", "joined"]


class OwnFiles(NamedTuple):
    """Where the annotations are; see :class:`CustomDataModule`."""

    annotations: Path
    test_annotations: Path | None = None
    subsets: Path | None = None
    class_names: Sequence[str] | None = None
    fps: float | None = None


class CustomDataModule(SnippetDataModule):
    """The user's own videos with video-level labels, such as a table ``video,label``; only evaluation needs segments.

    If the annotations name no subsets, all videos are used for training and for testing: the task is then to find the
    actions in the training videos. The benchmark's name says so.

    Args:
        annotations: A file or folder, see :func:`~wtal.data.annotations.read_annotations`.
        test_annotations: Annotations of the test videos in a file of their own; subsets are then ignored.
        subsets: A table ``video,subset`` for annotations that name no subsets (BSN's ActivityNet file).
        class_names: Names of the classes in their order; None takes those of the annotations.
        name: Name of the benchmark in tables.
        tious: Temporal IoU thresholds.
        fps: Frame rate of the videos, for annotations whose times are frames (Label Studio, CVAT, ``start_frame``).
        task: What is to be found: segments, or, for ``anomaly``, also which frames are abnormal.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.

    Raises:
        AnnotationError: If a label of the test videos is not among the classes, or a video is in both files.
    """

    def __init__(
        self,
        annotations: Path,
        test_annotations: Path | None = None,
        subsets: Path | None = None,
        class_names: Sequence[str] | None = None,
        name: str = "custom",
        tious: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        fps: float | None = None,
        task: TaskName = "localization",
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        self.files = OwnFiles(Path(annotations), test_annotations, subsets, class_names, fps)
        content = self.read()
        self._undivided = not content.videos["subset"].any()
        if self._undivided:
            name += " (the training videos)"
        tious = numbers("data.tious", tious)
        super().__init__(content, Benchmark(name, tious, ((min(tious), max(tious)),), task), **options)

    def read(self) -> Annotations:
        """Read the annotations."""
        files = self.files
        content = read_annotations(files.annotations, files.class_names, files.fps)
        if files.subsets is not None:
            content = with_subsets(content, files.subsets)
        if files.test_annotations is not None:
            content = joined(content, read_annotations(files.test_annotations, content.class_names, files.fps))
        return content

    def train_table(self) -> pd.DataFrame:
        """All videos if there are no subsets, else those of the training subset."""
        return self.annotations.videos if self._undivided else super().train_table()

    def test_table(self) -> pd.DataFrame:
        """All videos if there are no subsets, else those of the test subset."""
        return self.annotations.videos if self._undivided else super().test_table()

    def remarks(self) -> list[str]:
        """See :meth:`SnippetDataModule.remarks`; and that no video is kept apart, if there are no subsets."""
        if not self._undivided:
            return super().remarks()
        return [
            *super().remarks(),
            f"{self.annotations.path} names no subsets, so all {len(self.annotations.videos)} videos are used for "
            "training and for testing: a column `subset` with `train` and `test` keeps some apart.",
        ]


def joined(train: Annotations, test: Annotations) -> Annotations:
    """Annotations of training and test videos in one, with the classes of the former.

    Raises:
        AnnotationError: If a video is in both.
    """
    both = train.videos.index.intersection(test.videos.index)
    if len(both):
        raise AnnotationError(f"{len(both)} videos are in {train.path} and in {test.path}, for example {both[0]}.")
    return Annotations(
        train.path,
        pd.concat([train.videos.assign(subset="train"), test.videos.assign(subset="test")]),
        pd.concat([train.segments, test.segments], ignore_index=True),
        train.class_names,
        pd.concat([train.ambiguous, test.ambiguous], ignore_index=True),
        (*train.notes, *test.notes),
    )

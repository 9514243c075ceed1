"""The contract of a task."""

from typing import Protocol

from torch import Tensor
from torchmetrics import Metric

from wtal.data.contract import VideoData
from wtal.types import Benchmark, Detections, SnippetScores, Split

__all__ = ["Task"]


class Task(Protocol):
    """What is to be found in videos, and how the answer is measured and shown.

    A module asks its task for :meth:`truth`; where there is one, it makes one :meth:`metric` per source, gives it the
    truth once and then the answer of each video.
    """

    @property
    def heading(self) -> str:
        """Heading of the first column of a table."""
        ...

    def truth(self, data: VideoData, split: Split) -> Tensor | None:
        """Ground truth of all videos of a split; None where it is unknown or must not be seen."""
        ...

    def metric(self, benchmark: Benchmark) -> Metric:
        """A metric whose ``compute`` gives named measures."""
        ...

    def add_truth(self, metric: Metric, truth: Tensor) -> None:
        """Give a metric the ground truth, ``truth`` being what :meth:`truth` returned."""
        ...

    def add_video(self, metric: Metric, row: int, scores: SnippetScores, detections: Detections) -> None:
        """Give a metric the answer for one video.

        Args:
            metric: What :meth:`metric` returned.
            row: Index of the video in the split.
            scores: Scores of its snippets, without padding.
            detections: What the localizer makes of them.
        """
        ...

    def columns(self, benchmark: Benchmark, short: bool = False) -> dict[str, str]:
        """Titles of the columns that a table shows, by measure, in their order.

        Args:
            benchmark: How the answer is measured.
            short: Only the columns of a table that is printed after every epoch.
        """
        ...

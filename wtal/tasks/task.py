"""The contract of a task."""

from typing import Protocol

from torch import Tensor
from torchmetrics import Metric

from wtal.data.contract import VideoData
from wtal.types import Benchmark, Detections, SnippetScores, Split

__all__ = ["Task"]


class Task(Protocol):
    """What to find in videos, and how the answer is measured and shown.

    A module asks its task for :meth:`truth`; if there is any, it makes one :meth:`metric` per source and adds
    the answer for each video, then the truth of these videos once.
    """

    @property
    def main(self) -> str:
        """The measure by which weights are chosen and methods are ranked."""
        ...

    @property
    def heading(self) -> str:
        """Heading of the first column of a table."""
        ...

    def truth(self, data: VideoData, split: Split) -> Tensor | None:
        """Ground truth of all videos of a split, in rows that begin with the index of the video.

        Returns:
            None where it is unknown or must not be seen.
        """
        ...

    def metric(self, benchmark: Benchmark) -> Metric:
        """A metric whose ``compute`` gives named measures."""
        ...

    def main_metric(self, benchmark: Benchmark) -> Metric:
        """A metric whose ``compute`` gives the main measure and little else, to try many settings."""
        ...

    def add_truth(self, metric: Metric, truth: Tensor) -> None:
        """Add the ground truth from :meth:`truth` to a metric."""
        ...

    def add_video(self, metric: Metric, row: int, scores: SnippetScores, detections: Detections) -> None:
        """Add the answer for one video to a metric.

        Args:
            metric: Metric from :meth:`metric`.
            row: Index of the video in the split.
            scores: Scores of its snippets, without padding.
            detections: Detections that the localizer derives from the scores.
        """
        ...

    def columns(self, benchmark: Benchmark, short: bool = False) -> dict[str, str]:
        """Titles of the columns that a table shows, by measure, in their order.

        Args:
            benchmark: Benchmark that the answer is measured on.
            short: Whether to keep only the columns of the table that is printed after every epoch.
        """
        ...

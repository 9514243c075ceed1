"""Temporal action localization: segments with a class, measured by mean average precision at temporal IoU."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torchmetrics import Metric

from wtal.data.contract import VideoData
from wtal.metrics.detection_map import TemporalMAP
from wtal.metrics.error_analysis import error_profile
from wtal.types import Benchmark, Detections, SnippetScores, Split

__all__ = ["DetectionQuality", "LocalizationTask"]


class DetectionQuality(TemporalMAP):
    """The mAP and the error profile of a method: the numbers of one row of a comparison."""

    def compute(self) -> dict[str, Tensor]:
        """Measures by name: those of :class:`TemporalMAP` and of :class:`~wtal.metrics.error_analysis.ErrorProfile`."""
        profile = error_profile(*self.rows())
        return super().compute() | {
            name: torch.tensor(value, dtype=torch.float64) for name, value in vars(profile).items()
        }


@dataclass(frozen=True)
class LocalizationTask:
    """Find segments and their classes; see :class:`~wtal.tasks.task.Task`."""

    heading: str = "mAP in % at tIoU"
    main: str = "mAP"

    def truth(self, data: VideoData, split: Split) -> Tensor | None:
        """Segments of a split, ``(M, 4)`` rows of video, label, start, end."""
        segments = data.ground_truth(split)
        if segments is None:
            return None
        return torch.tensor(segments[["video", "label", "start_s", "end_s"]].to_numpy(float))

    def metric(self, benchmark: Benchmark) -> DetectionQuality:
        """The mAP and the error profile."""
        return DetectionQuality(benchmark)

    def main_metric(self, benchmark: Benchmark) -> TemporalMAP:
        """The mAP alone."""
        return TemporalMAP(benchmark)

    def add_truth(self, metric: Metric, truth: Tensor) -> None:
        """Add the segments."""
        cast(TemporalMAP, metric).update(truth.new_zeros(0, 5), truth)

    def add_video(self, metric: Metric, row: int, scores: SnippetScores, detections: Detections) -> None:
        """Add the detections."""
        columns = (detections.label, detections.start_s, detections.end_s, detections.score)
        video = torch.full_like(detections.score, row, dtype=torch.float64)
        rows = torch.stack([video, *(column.double() for column in columns)], 1).to(metric.device)
        cast(TemporalMAP, metric).update(rows, rows.new_zeros(0, 4))

    def columns(self, benchmark: Benchmark, short: bool = False) -> dict[str, str]:
        """The mAP by threshold and by range, its mean, and the mAP of the video labels."""
        tious = benchmark.tious[:: max(1, len(benchmark.tious) // 3)] if short else benchmark.tious
        titles = [f"{tiou:g}" for tiou in tious]
        if not short:
            titles += [f"{low:g}:{high:g}" for low, high in benchmark.averages]
        return {f"mAP@{title}": title for title in titles} | {"mAP": "mean", "video_mAP": "of videos"}

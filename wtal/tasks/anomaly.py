"""Video anomaly detection: which frames are abnormal, and of which kind."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from wtal.data.contract import VideoData
from wtal.metrics.detection_map import stacked_rows
from wtal.metrics.frame_scores import FRAMES_OF_SNIPPET, VideoFrames, frame_score
from wtal.tasks.localization import DetectionQuality, LocalizationTask
from wtal.types import Benchmark, Detections, SnippetScores, Split

__all__ = ["AnomalyQuality", "AnomalyTask", "anomaly_score"]


def anomaly_score(scores: SnippetScores) -> Tensor:
    """How abnormal each snippet is, ``(T,)`` in [0, 1]: the mean of actionness and of the probability of any kind.

    >>> anomaly_score(SnippetScores(torch.tensor([[0.2, 0.4]]), torch.tensor([0.8]), torch.zeros(2)))
    tensor([0.7000])
    """
    return (scores.attention + scores.probability.sum(dim=-1).clamp(max=1)) / 2


class AnomalyQuality(DetectionQuality):
    """The measures of detections of each kind of anomaly, and those of the scores of frames.

    Rows of snippets are ``(video, score)`` in order, 16 frames each; those of anomalies ``(video, start, end)`` on the
    grid of the snippets.

    Args:
        benchmark: Benchmark with the thresholds and ranges of tIoU.
        **kwargs: Arguments of :class:`torchmetrics.Metric`.
    """

    snippets: list[Tensor]
    anomalies: list[Tensor]

    def __init__(self, benchmark: Benchmark, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(benchmark, **kwargs)
        self.add_state("snippets", default=[], dist_reduce_fx="cat")
        self.add_state("anomalies", default=[], dist_reduce_fx="cat")

    def update_frames(self, snippets: Tensor, anomalies: Tensor) -> None:
        """Add scores of snippets ``(N, 2)`` and true anomalies ``(M, 3)``; both may be empty.

        Raises:
            ValueError: If the rows have another width.
        """
        if snippets.shape[1:] != (2,) or anomalies.shape[1:] != (3,):
            shapes = tuple(snippets.shape), tuple(anomalies.shape)
            raise ValueError(f"`snippets` and `anomalies` must be (N, 2) and (M, 3), got {shapes[0]} and {shapes[1]}.")
        self.snippets.append(snippets.double())
        self.anomalies.append(anomalies.double())

    def compute(self) -> dict[str, Tensor]:
        """Measures by name: those of :class:`~wtal.tasks.DetectionQuality`, ``AUC``, ``AP`` and ``AUC_abnormal``."""
        found = frame_score(self._videos())
        areas = {"AUC": found.auc, "AP": found.precision, "AUC_abnormal": found.auc_abnormal}
        return super().compute() | {name: torch.tensor(value, dtype=torch.float64) for name, value in areas.items()}

    def _videos(self) -> list[VideoFrames]:
        snippets, anomalies = stacked_rows(self.snippets, 2), stacked_rows(self.anomalies, 3)
        videos = []
        for video in np.unique(snippets[:, 0]):
            score = np.repeat(snippets[snippets[:, 0] == video, 1], FRAMES_OF_SNIPPET)
            abnormal = np.zeros(len(score), dtype=bool)
            for start, end in np.rint(FRAMES_OF_SNIPPET * anomalies[anomalies[:, 0] == video, 1:]).astype(int):
                abnormal[max(0, start) : max(0, end)] = True
            videos.append(VideoFrames(score, abnormal))
        return videos


@dataclass(frozen=True)
class AnomalyTask(LocalizationTask):
    """Find abnormal frames, and segments of each kind of anomaly; see :class:`~wtal.tasks.task.Task`.

    A snippet's score is :func:`anomaly_score`. Fractions of the area under the ROC and of average precision are of all
    frames of all videos, normal ones included.
    """

    heading: str = "in % of frames; mAP at tIoU"
    main: str = "AUC"

    def truth(self, data: VideoData, split: Split) -> Tensor | None:
        """Anomalies of a split, ``(M, 6)`` rows of video, kind, start and end in seconds and on the video's grid."""
        segments = super().truth(data, split)
        if segments is None:
            return None
        videos = data.videos(split)
        index = [
            [videos[int(row)].grid.index_of(start_s), videos[int(row)].grid.index_of(end_s)]
            for row, _, start_s, end_s in segments.tolist()
        ]
        return torch.cat([segments, torch.tensor(index, dtype=segments.dtype).reshape(-1, 2)], dim=1)

    def metric(self, benchmark: Benchmark) -> AnomalyQuality:
        """The areas of frame scores, the mAP and the error profile."""
        return AnomalyQuality(benchmark)

    def main_metric(self, benchmark: Benchmark) -> AnomalyQuality:
        """The same, as the scores of frames come with detections."""
        return AnomalyQuality(benchmark)

    def add_truth(self, metric: Metric, truth: Tensor) -> None:
        """Add the anomalies."""
        super().add_truth(metric, truth[:, :4])
        cast(AnomalyQuality, metric).update_frames(truth.new_zeros(0, 2), truth[:, [0, 4, 5]])

    def add_video(self, metric: Metric, row: int, scores: SnippetScores, detections: Detections) -> None:
        """Add the scores of the snippets, and the detections."""
        super().add_video(metric, row, scores, detections)
        score = anomaly_score(scores).double().to(metric.device)
        rows = torch.stack([torch.full_like(score, row), score], dim=1)
        cast(AnomalyQuality, metric).update_frames(rows, rows.new_zeros(0, 3))

    def columns(self, benchmark: Benchmark, short: bool = False) -> dict[str, str]:
        """The areas, and the columns of localization."""
        areas = {"AUC": "AUC", "AP": "AP", "AUC_abnormal": "AUC of abnormal videos"}
        return areas | super().columns(benchmark, short)

"""Mean average precision of detections, accumulated over batches and processes."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from wtal.functional.average_precision import mean_average_precision
from wtal.types import Benchmark

__all__ = ["TemporalMAP", "stacked_rows"]


class TemporalMAP(Metric):
    """Mean average precision at the temporal IoU thresholds of a benchmark, in [0, 1].

    Rows are ``(video, label, start_s, end_s, score)``; ground truth has no score. As each row names its video,
    detections and ground truth may come in any order, in one update or several, and from several processes.

    Args:
        benchmark: Benchmark with the thresholds and the ranges over which to average.
        **kwargs: Arguments of :class:`torchmetrics.Metric`.

    Source:
        See :func:`~wtal.functional.average_precision.average_precision`, with official ties.

    Raises:
        ValueError: If a threshold lies outside (0, 1], or a range contains none.
    """

    full_state_update = False
    higher_is_better = True
    detections: list[Tensor]
    segments: list[Tensor]

    def __init__(self, benchmark: Benchmark, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        if not benchmark.tious or not all(0 < tiou <= 1 for tiou in benchmark.tious):
            raise ValueError(f"The tIoU thresholds of {benchmark.name!r} must lie in (0, 1], got {benchmark.tious}.")
        for low, high in benchmark.averages:
            if not any(_within(tiou, low, high) for tiou in benchmark.tious):
                raise ValueError(f"{benchmark.name!r} averages over {low:g}:{high:g}, where it has no tIoU threshold.")
        self.benchmark = benchmark
        self.add_state("detections", default=[], dist_reduce_fx="cat")
        self.add_state("segments", default=[], dist_reduce_fx="cat")

    def update(self, detections: Tensor, segments: Tensor) -> None:
        """Add detections ``(N, 5)`` and ground-truth segments ``(M, 4)``; both may be empty.

        Raises:
            ValueError: If the rows have another width.
        """
        if detections.shape[1:] != (5,) or segments.shape[1:] != (4,):
            shapes = tuple(detections.shape), tuple(segments.shape)
            raise ValueError(f"`detections` and `segments` must be (N, 5) and (M, 4), got {shapes[0]} and {shapes[1]}.")
        self.detections.append(detections.double())
        self.segments.append(segments.double())

    def rows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """All detections ``(N, 5)`` and all segments ``(M, 4)`` so far."""
        return stacked_rows(self.detections, 5), stacked_rows(self.segments, 4)

    def compute(self) -> dict[str, Tensor]:
        """``mAP@0.5`` etc. for each threshold, ``mAP@0.1:0.7`` etc. for each range, ``mAP`` for all thresholds.

        The values are NaN without ground truth.
        """
        tious = self.benchmark.tious
        values = dict(zip(tious, mean_average_precision(*self.rows(), tious), strict=True))
        scores = {f"mAP@{tiou:g}": value for tiou, value in values.items()}
        for low, high in self.benchmark.averages:
            inside = [value for tiou, value in values.items() if _within(tiou, low, high)]
            scores[f"mAP@{low:g}:{high:g}"] = np.mean(inside)
        scores["mAP"] = np.mean(list(values.values()))
        return {name: torch.tensor(float(value), dtype=torch.float64) for name, value in scores.items()}


def _within(tiou: float, low: float, high: float) -> bool:
    return low - 1e-9 <= tiou <= high + 1e-9  # linspace makes 0.30000000000000004


def stacked_rows(parts: list[Tensor], width: int) -> NDArray[np.float64]:
    """Rows of all updates of a metric, ``(N, width)``, also if there was none."""
    rows: NDArray[np.float64] = dim_zero_cat(parts).cpu().numpy() if len(parts) else np.empty((0, width))
    return rows

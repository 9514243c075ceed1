"""Mean average precision of the labels of whole videos."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_average_precision
from torchmetrics.utilities import dim_zero_cat

__all__ = ["VideoMAP"]


class VideoMAP(Metric):
    """Mean average precision of the labels of videos, in [0, 1]: how well each class ranks its videos above the others.

    The mean is over the classes that have a positive video, as :class:`~wtal.metrics.detection_map.TemporalMAP`
    averages over the classes that have an instance: the average precision of any other class is undefined.
    torchmetrics counts it as 0, which would halve the number where half of the classes are absent.

    Args:
        **kwargs: Arguments of :class:`torchmetrics.Metric`.
    """

    full_state_update = False
    higher_is_better = True
    scores: list[Tensor]
    labels: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.add_state("scores", default=[], dist_reduce_fx="cat")
        self.add_state("labels", default=[], dist_reduce_fx="cat")

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Add videos.

        Args:
            scores: Score of each class, ``(B, C)``.
            labels: Multi-hot labels, ``(B, C)``.
        """
        self.scores.append(scores.float())
        self.labels.append(labels.long())

    def compute(self) -> Tensor:
        """The mean; NaN where no class has a positive video."""
        if not len(self.labels):
            return torch.tensor(torch.nan)
        scores, labels = dim_zero_cat(self.scores), dim_zero_cat(self.labels)
        present = labels.any(dim=0)
        values = [binary_average_precision(s, y) for s, y in zip(scores.T[present], labels.T[present], strict=True)]
        return torch.stack(values).mean() if values else scores.new_tensor(torch.nan)

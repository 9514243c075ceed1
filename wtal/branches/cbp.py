"""CBP: the branch of classification-based pre-training, precise and incomplete."""

from collections.abc import Callable, Sequence

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from wtal.branches.branch import Branch, DistillationWeights
from wtal.branches.hyperparameters import save_plain_hyperparameters
from wtal.localization.localizer import Localizer
from wtal.nn.heads import AttentionMILHead, Head, HeadOutput
from wtal.types import SnippetBatch

__all__ = ["CBPBranch", "HeadFactory"]

HeadFactory = Callable[[int], Head]


class CBPBranch(Branch):
    """I3D snippets to CAS and actionness, by a pluggable head.

    Args:
        class_names: Names of the classes, in the order of the labels.
        head: From the number of classes to the head.
        distillation: Weights of what VLP hands over.
        optimizer: From parameters to an optimizer.
        lr_scheduler: From the optimizer to a scheduler, stepped after each epoch in which this branch trains.
        localizer: From scores to detections, when the branch stands alone.

    Source:
        arXiv:2212.09335, section 3.2.
    """

    name = "cbp"

    def __init__(
        self,
        class_names: Sequence[str],
        head: HeadFactory = AttentionMILHead,
        distillation: DistillationWeights = DistillationWeights(),  # noqa: B008  frozen
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        localizer: Localizer = Localizer(),  # noqa: B008
    ) -> None:
        super().__init__(class_names, distillation, optimizer, lr_scheduler, localizer)
        save_plain_hyperparameters(self)
        self.head = head(len(self.class_names))

    def forward(self, batch: SnippetBatch) -> HeadOutput:
        """Score each snippet."""
        return self.head(batch.i3d, batch.mask)  # type: ignore[no-any-return]

    def video_losses(self, out: HeadOutput, batch: SnippetBatch) -> dict[str, Tensor]:  # type: ignore[override]
        """The head's own losses."""
        return self.head.losses(out, batch.mask, batch.labels)

    def probability(self, out: HeadOutput) -> Tensor:  # type: ignore[override]
        """Class probability of each snippet, ``(B, T, C)``."""
        return self.head.probability(out)

    def video_probability(self, out: HeadOutput, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Class probability of each video, ``(B, C)``."""
        return self.head.video_probability(out, mask)

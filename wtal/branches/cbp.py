"""CBP: the branch of classification-based pre-training, precise and incomplete."""

from collections.abc import Sequence

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable

from wtal.branches.branch import Branch, DistillationWeights, HeadFactory
from wtal.branches.hyperparameters import save_plain_hyperparameters
from wtal.localization.localizer import Localizer
from wtal.nn.heads import AttentionMILHead

__all__ = ["CBPBranch"]


class CBPBranch(Branch):
    """I3D snippets to CAS and actionness.

    Args:
        class_names: Names of the classes, in the order of the labels.
        head: From class names to the head; any published CBP method.
        distillation: Weights of what VLP hands over.
        average: Share of the weight average that one step keeps; 0: none.
        optimizer: From parameters to an optimizer.
        lr_scheduler: From the optimizer to a scheduler, stepped after each epoch in which this branch trains.
        localizer: From scores to detections, when the branch stands alone.
        clip: Read CLIP features beside the I3D ones (naive fusion, an ablation); the head's `in_dim` is then that of
            both.

    Source:
        arXiv:2212.09335, section 3.2.
    """

    name = "cbp"

    def __init__(
        self,
        class_names: Sequence[str],
        head: HeadFactory = AttentionMILHead,
        distillation: DistillationWeights = DistillationWeights(),  # noqa: B008  frozen
        average: float = 0.99,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        localizer: Localizer = Localizer(),  # noqa: B008
        clip: bool = False,
    ) -> None:
        self.streams = ("i3d", "clip") if clip else ("i3d",)
        super().__init__(class_names, head, distillation, average, optimizer, lr_scheduler, localizer)
        save_plain_hyperparameters(self)

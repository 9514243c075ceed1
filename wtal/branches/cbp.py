"""CBP: the branch of classification-based pre-training, precise and incomplete."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable

from wtal.branches.branch import Branch, DistillationWeights, HeadFactory
from wtal.branches.encoded_stream import Encoding
from wtal.branches.hyperparameters import save_plain_hyperparameters
from wtal.branches.labels import LabelSource
from wtal.localization.localizer import Localizer
from wtal.nn.encoders import SnippetEncoder
from wtal.nn.heads import AttentionMILHead
from wtal.views import CBP, VLP, View

__all__ = ["CBPBranch"]


class CBPBranch(Branch):
    """From the features of a pre-trained classifier to CAS and actionness.

    Args:
        class_names: Names of the classes, in the order of the labels.
        head: Function from the class names to the head, which may be any published CBP method.
        distillation: Weights of the losses on snippet labels, such as those that VLP hands over.
        average: Share of the weight average that one step keeps; 0 for none.
        optimizer: Function from the parameters to an optimizer.
        lr_scheduler: Function from the optimizer to a scheduler, stepped after each epoch in which this branch trains.
        localizer: Localizer for the scores, when the branch runs alone.
        clip: Read CLIP features beside the branch's own (naive fusion, an ablation); the head's `in_dim` is then the
            width of both together.
        view: Name of the branch, the streams that it reads, and how figures show it; None for CBP on I3D features.
        labels: Source of snippet labels; None to learn from video labels alone.
        encoder: Encoder of the branch's first stream, which is trained with the branch; None for features as they are.
        encoding: How it is trained.

    Source:
        arXiv:2212.09335, section 3.2.
    """

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
        view: View | None = None,
        labels: LabelSource | None = None,
        encoder: SnippetEncoder | None = None,
        encoding: Encoding = Encoding(),  # noqa: B008
    ) -> None:
        seen = view or CBP
        seen = replace(seen, streams=(*seen.streams, *VLP.streams)) if clip else seen
        super().__init__(
            class_names,
            seen,
            head,
            distillation,
            average,
            optimizer,
            lr_scheduler,
            localizer,
            labels,
            encoder,
            encoding,
        )
        save_plain_hyperparameters(self)

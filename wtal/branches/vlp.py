"""VLP: the branch of vision-language pre-training, over-complete."""

from collections.abc import Sequence

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn

from wtal.branches.branch import Branch, DistillationWeights, HeadFactory
from wtal.branches.encoded_stream import Encoding
from wtal.branches.hyperparameters import save_plain_hyperparameters
from wtal.branches.labels import LabelSource
from wtal.localization.localizer import Localizer
from wtal.nn.encoders import SnippetEncoder
from wtal.nn.heads import AnchoredTextHead, MixtureHead, TextHead, ZeroShotHead
from wtal.views import VLP, View

__all__ = ["VLPBranch"]


class VLPBranch(Branch):
    """From the features of a vision-language model to CAS and actionness, with texts for the classes.

    Args:
        class_names: Names of the classes, in the order of the labels.
        head: Function from the class names to the head: :class:`~wtal.nn.heads.AnchoredTextHead` learns and stays near
            what the model knows, :class:`~wtal.nn.heads.TextHead` learns freely,
            :class:`~wtal.nn.heads.ZeroShotHead` does not learn, and :class:`~wtal.nn.heads.MixtureHead` averages the
            heads of several models.
        distillation: Weights of the losses on snippet labels, such as those that CBP hands over.
        average: Share of the weight average that one step keeps; 0 for none.
        optimizer: Function from the parameters to an optimizer.
        lr_scheduler: Function from the optimizer to a scheduler, stepped after each epoch in which this branch trains.
        localizer: Localizer for the scores, when the branch runs alone.
        view: Name of the branch, the streams that it reads, and how figures show it; None for VLP on CLIP features.
        labels: Source of snippet labels; None to learn from video labels alone.
        encoder: Encoder of the branch's first stream, which is trained with the branch; None for features as they are.
        encoding: How it is trained.

    Source:
        arXiv:2212.09335, section 3.2.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        head: HeadFactory = AnchoredTextHead,
        distillation: DistillationWeights = DistillationWeights(),  # noqa: B008  frozen
        average: float = 0.99,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        localizer: Localizer = Localizer(),  # noqa: B008
        view: View | None = None,
        labels: LabelSource | None = None,
        encoder: SnippetEncoder | None = None,
        encoding: Encoding = Encoding(),  # noqa: B008
    ) -> None:
        seen = view or VLP
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

    def vanilla(self) -> "VLPBranch":
        """This branch before any learning: cosines of raw features and hand-written texts."""
        return VLPBranch(self.class_names, _untrained(self.head), average=0, localizer=self.localizer, view=self.view)


def _untrained(head: nn.Module) -> HeadFactory:
    """A head that compares raw features with the hand-written texts of a head; for a mixture the mean of such ones."""
    if isinstance(head, MixtureHead):
        parts = [_untrained(part) for part in head.parts]
        return lambda class_names: MixtureHead(class_names, parts, head.dims)
    assert isinstance(head, AnchoredTextHead | TextHead | ZeroShotHead)
    text = head.text.vanilla()
    return lambda class_names: ZeroShotHead(class_names, lambda _: text)

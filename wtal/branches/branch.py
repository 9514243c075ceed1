"""The contract and the shared steps of a branch."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from wtal.branches.localization import LocalizationModule
from wtal.localization.localizer import Localizer
from wtal.losses.distillation import attention_distillation, class_distillation, contrastive_distillation
from wtal.types import BranchOutput, PseudoLabels, SnippetBatch, SnippetScores

__all__ = ["Branch", "DistillationWeights"]


@dataclass(frozen=True)
class DistillationWeights:
    """How much a student heeds its teacher; 0 switches a term off.

    Args:
        attention: Of :func:`~wtal.losses.distillation.attention_distillation`.
        classes: Of :func:`~wtal.losses.distillation.class_distillation`.
        contrast: Of :func:`~wtal.losses.distillation.contrastive_distillation`.
        temperature: Of the contrast's cosine similarities.

    Source:
        ``λ_B`` and ``λ_F`` of arXiv:2212.09335, section 3.3, one a term; the values are our choice.
    """

    attention: float = 1.0
    classes: float = 1.0
    contrast: float = 0.1
    temperature: float = 0.1


class Branch(LocalizationModule):
    """One way to see a video: snippet features to CAS and actionness, learned from video-level labels.

    It fits alone, or inside a :class:`~wtal.collaboration.CollaborationModule`, which calls :meth:`learn`.

    Args:
        class_names: Names of the classes, in the order of the labels.
        distillation: Weights of what a teacher hands over.
        optimizer: From parameters to an optimizer.
        lr_scheduler: From the optimizer to a scheduler, stepped after each epoch in which this branch trains.
        localizer: From scores to detections, when the branch stands alone.
    """

    name: str  # prefix of what it logs inside a pair

    def __init__(
        self,
        class_names: Sequence[str],
        distillation: DistillationWeights,
        optimizer: OptimizerCallable,
        lr_scheduler: LRSchedulerCallable | None,
        localizer: Localizer,
    ) -> None:
        super().__init__(class_names, localizer)
        self.sources = (self.name,)
        self.distillation, self.optimizer, self.lr_scheduler = distillation, optimizer, lr_scheduler

    # What a branch must answer ----------------------------------------------------------------------------------

    @abstractmethod
    def forward(self, batch: SnippetBatch) -> BranchOutput:
        """Class logits, actionness and embedding of each snippet."""

    @abstractmethod
    def video_losses(self, out: BranchOutput, batch: SnippetBatch) -> dict[str, Tensor]:
        """Weighted loss terms from video-level labels alone; they add up."""

    @abstractmethod
    def probability(self, out: BranchOutput) -> Tensor:
        """Class probability of each snippet, in [0, 1], ``(B, T, C)``."""

    @abstractmethod
    def video_probability(self, out: BranchOutput, mask: Tensor) -> Tensor:
        """Class probability of each video, in [0, 1], ``(B, C)``."""

    # Shared steps -----------------------------------------------------------------------------------------------

    def scores(self, batch: SnippetBatch) -> SnippetScores:
        """What localizer and teacher read, with a leading batch dimension."""
        out = self(batch)
        return SnippetScores(self.probability(out), out.attention, self.video_probability(out, batch.mask))

    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """The scores under the branch's own name."""
        return {self.name: self.scores(batch)}

    def distillation_losses(self, out: BranchOutput, batch: SnippetBatch, pseudo: PseudoLabels) -> dict[str, Tensor]:
        """Weighted loss terms from a teacher's pseudo-labels; they add up.

        Source:
            ``L_distil`` of arXiv:2212.09335, section 3.3.
        """
        weights = self.distillation
        pseudo = pseudo._replace(label=pseudo.label.masked_fill(~batch.mask, -1))
        terms = {}
        if weights.attention:
            terms["distil_attention"] = weights.attention * attention_distillation(out.attention, pseudo)
        if weights.classes:
            terms["distil_classes"] = weights.classes * class_distillation(self.probability(out), batch.labels, pseudo)
        if weights.contrast:
            contrast = contrastive_distillation(out.embedding, pseudo, weights.temperature)
            terms["distil_contrast"] = weights.contrast * contrast
        return terms

    def learn(self, batch: SnippetBatch, pseudo: PseudoLabels | None = None) -> Tensor:
        """The loss of one training batch, its terms logged by name.

        Args:
            batch: Cropped videos.
            pseudo: A teacher's labels of its snippets, ``(B, T)``; None to learn from video labels alone.
        """
        out = self(batch)
        terms = self.video_losses(out, batch)
        if pseudo is not None:
            terms |= self.distillation_losses(out, batch, pseudo)
        loss = torch.stack(list(terms.values())).sum()
        for name, value in {**terms, "loss": loss}.items():
            self.log(f"train/{name}", value, on_epoch=True, on_step=False, batch_size=len(batch.labels))
        return loss

    def training_step(self, batch: SnippetBatch, batch_idx: int) -> Tensor:
        """One step alone, from video-level labels."""
        return self.learn(batch)

    def configure_optimizers(self) -> Any:  # noqa: ANN401  Lightning's own type is a long union
        """The optimizer over what is trainable, with its scheduler if there is one."""
        optimizer = self.optimizer(p for p in self.parameters() if p.requires_grad)
        if self.lr_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": self.lr_scheduler(optimizer)}

    def log(self, name: str, value: Any, **options: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        """Log through the root module: a nested one has no hook context of its own, and Lightning refuses it."""
        root = self.trainer.lightning_module
        if root is self:
            super().log(name, value, **options)
        else:
            stage, _, key = name.partition("/")
            root.log(f"{stage}/{self.name}/{key}", value, **options)

"""A branch: one feature stream, one head, learned from video labels and, in a pair, from a teacher."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from wtal.branches.localization import LocalizationModule
from wtal.functional.pooling import topk_pool
from wtal.localization.localizer import Localizer
from wtal.losses.distillation import attention_distillation, class_distillation, contrastive_distillation
from wtal.nn.averaging import WeightAverage
from wtal.nn.heads import Head
from wtal.nn.normalization import FeatureNorm
from wtal.types import BranchOutput, PseudoLabels, SnippetBatch, SnippetScores

__all__ = ["Branch", "DistillationWeights", "HeadFactory"]

HeadFactory = Callable[[list[str]], Head]


@dataclass(frozen=True)
class DistillationWeights:
    """How much a student heeds its teacher; 0 switches a term off.

    Args:
        attention: Of :func:`~wtal.losses.distillation.attention_distillation`.
        classes: Of :func:`~wtal.losses.distillation.class_distillation`.
        contrast: Of :func:`~wtal.losses.distillation.contrastive_distillation`.
        temperature: Of the contrast's cosine similarities.
        balanced: Whether confident foreground and background weigh the same, however many there are of each.

    Source:
        ``λ_B`` and ``λ_F`` of arXiv:2212.09335, section 3.3, one a term; the values are our choice.
    """

    attention: float = 0.3
    classes: float = 0.3
    contrast: float = 0.0
    temperature: float = 0.1
    balanced: bool = False


# Settings that a module made in Python keeps in its checkpoint, which loads with `weights_only=True`.
torch.serialization.add_safe_globals([DistillationWeights, Localizer])


class Branch(LocalizationModule):
    """One way to see a video: snippet features to CAS and actionness, by a pluggable head.

    It fits alone, or inside a :class:`~wtal.collaboration.CollaborationModule`, which calls :meth:`learn`. In
    evaluation mode, and so as a teacher, it answers with the average of its weights.

    Args:
        class_names: Names of the classes, in the order of the labels.
        head: From class names to the head.
        distillation: Weights of what a teacher hands over.
        average: Share of the average that one step keeps, see :class:`~wtal.nn.averaging.WeightAverage`; 0: none.
        optimizer: From parameters to an optimizer.
        lr_scheduler: From the optimizer to a scheduler, stepped after each epoch in which this branch trains.
        localizer: From scores to detections, when the branch stands alone.
    """

    name: Literal["cbp", "vlp"]  # prefix of what it logs inside a pair
    streams: tuple[Literal["i3d", "clip"], ...]  # what it reads of a batch, side by side

    def __init__(
        self,
        class_names: Sequence[str],
        head: HeadFactory,
        distillation: DistillationWeights,
        average: float,
        optimizer: OptimizerCallable,
        lr_scheduler: LRSchedulerCallable | None,
        localizer: Localizer,
    ) -> None:
        super().__init__(class_names, localizer)
        self.sources = (self.name,)
        self.head = head(self.class_names)
        self.average = WeightAverage(self.head, average) if average else None
        self.distillation, self.optimizer, self.lr_scheduler = distillation, optimizer, lr_scheduler

    @property
    def note(self) -> str:
        """The head's."""
        return self.head.note

    # Inference --------------------------------------------------------------------------------------------------

    def forward(self, batch: SnippetBatch) -> BranchOutput:
        """Class logits, actionness and embedding of each snippet."""
        streams = [getattr(batch, stream) for stream in self.streams]
        features = streams[0] if len(streams) == 1 else torch.cat(streams, dim=2)
        if self.training or self.average is None:
            return self.head(features, batch.mask)  # type: ignore[no-any-return]
        return self.average(self.head, features, batch.mask)  # type: ignore[no-any-return]

    def scores(self, batch: SnippetBatch) -> SnippetScores:
        """What localizer and teacher read, with a leading batch dimension."""
        out = self(batch)
        video = topk_pool(out.suppressed, batch.mask, self.head.ratio)
        return SnippetScores(_class_probability(out.plain), out.attention, _class_probability(video))

    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """The scores under the branch's own name."""
        return {self.name: self.scores(batch)}

    # Training ---------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Before training, measure the features that the head normalises."""
        if stage == "fit":
            norms = [module for module in self.head.modules() if isinstance(module, FeatureNorm)]
            if norms:
                data = self.trainer.datamodule  # type: ignore[attr-defined]
                mean, std = map(torch.cat, zip(*map(data.feature_statistics, self.streams), strict=True))
                for norm in norms:
                    norm.set_statistics(mean, std)

    def distillation_losses(self, out: BranchOutput, batch: SnippetBatch, pseudo: PseudoLabels) -> dict[str, Tensor]:
        """Weighted loss terms from a teacher's pseudo-labels; they add up.

        Source:
            ``L_distil`` of arXiv:2212.09335, section 3.3.
        """
        weights = self.distillation
        pseudo = pseudo._replace(label=pseudo.label.masked_fill(~batch.mask, -1))
        terms = {}
        if weights.attention:
            attention = attention_distillation(out.attention, pseudo, weights.balanced)
            terms["distil_attention"] = weights.attention * attention
        if weights.classes:
            terms["distil_classes"] = weights.classes * class_distillation(out.plain, pseudo, weights.balanced)
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
        terms = self.head.losses(out, batch.mask, batch.labels)
        if pseudo is not None:
            terms |= self.distillation_losses(out, batch, pseudo)
        loss = torch.stack(list(terms.values())).sum()
        for name, value in {**terms, "loss": loss}.items():
            self.log(f"train/{name}", value, on_epoch=True, on_step=False, batch_size=len(batch.labels))
        return loss

    def training_step(self, batch: SnippetBatch, batch_idx: int) -> Tensor:
        """One step alone, from video-level labels."""
        return self.learn(batch)

    def after_step(self) -> None:
        """Take the new weights into the average."""
        if self.average is not None:
            self.average.update(self.head)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Lightning's own signature
        """Average at once: a checkpoint written after this batch must hold it."""
        super().optimizer_step(*args, **kwargs)
        self.after_step()

    def configure_optimizers(self) -> Any:  # noqa: ANN401  Lightning's own type is a long union
        """The optimizer over what is trainable, with its scheduler if there is one."""
        optimizer = self.optimizer(p for p in self.head.parameters() if p.requires_grad)
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


def _class_probability(logits: Tensor) -> Tensor:
    """Probability of each class beside the background, which is the last one and left out."""
    return logits.softmax(dim=-1)[..., :-1]

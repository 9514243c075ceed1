"""A branch: feature streams and one head, trained on video labels and on any source of snippet labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from wtal.branches.classes import Renewed, head_for
from wtal.branches.encoded_stream import EncodedStream, Encoding
from wtal.branches.films import begin_bank, film_split
from wtal.branches.head_module import HeadModule
from wtal.branches.labels import LabelSource
from wtal.branches.trainer_check import check_trainer
from wtal.data.contract import data_of
from wtal.errors import ConfigError, brief
from wtal.functional.pooling import topk_pool
from wtal.localization.localizer import Localizer
from wtal.losses.distillation import (
    among_labels_distillation,
    attention_distillation,
    class_distillation,
    contrastive_distillation,
)
from wtal.nn.adapters import Adaptation
from wtal.nn.averaging import WeightAverage
from wtal.nn.encoders import SnippetEncoder
from wtal.nn.heads import Head
from wtal.nn.normalization import FeatureNorm
from wtal.types import BranchOutput, PseudoLabels, SnippetBatch, SnippetScores, Split
from wtal.views import View

__all__ = ["Branch", "DistillationWeights", "HeadFactory"]

HeadFactory = Callable[[list[str]], Head]


@dataclass(frozen=True)
class DistillationWeights:
    """Weights of the losses on snippet labels; 0 switches one off.

    Args:
        attention: Weight of :func:`~wtal.losses.distillation.attention_distillation`.
        classes: Weight of :func:`~wtal.losses.distillation.class_distillation`.
        contrast: Weight of :func:`~wtal.losses.distillation.contrastive_distillation`.
        temperature: Temperature of the contrast's cosine similarities.
        balanced: Whether confident foreground and background weigh the same, however many snippets of each there are.
        among_labels: Weight of :func:`~wtal.losses.distillation.among_labels_distillation`.
        label_smoothing: Share of each target of the attention's term that goes to the other label, in [0, 0.5).

    Raises:
        ConfigError: If it is out of range.

    Source:
        ``λ_B`` and ``λ_F`` of arXiv:2212.09335, section 3.3, one per term; the values are our choice.
    """

    attention: float = 0.3
    classes: float = 0.3
    contrast: float = 0.0
    temperature: float = 0.1
    balanced: bool = False
    among_labels: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 0.5:
            raise ConfigError(f"`label_smoothing` must lie in [0, 0.5), got {self.label_smoothing:g}.")

    @property
    def teaches(self) -> bool:
        """Whether any of the losses is on."""
        return any((self.attention, self.classes, self.among_labels, self.contrast))


# Settings that a module made in Python keeps in its checkpoint, which loads with `weights_only=True`.
torch.serialization.add_safe_globals([Adaptation, DistillationWeights, Encoding, Localizer, View])


class Branch(HeadModule):
    """One way to see a video: from snippet features to CAS and actionness by a pluggable head.

    It trains alone, or inside a :class:`~wtal.collaboration.CollaborationModule`, which calls :meth:`learn`. In
    evaluation mode, and so as a teacher, it predicts with the average of its weights.

    Args:
        class_names: Names of the classes, in the order of the labels.
        view: Name of the branch, the streams that it reads, and how figures show it.
        head: Function from the class names to the head.
        distillation: Weights of the losses on snippet labels.
        average: Share of the average that one step keeps, see :class:`~wtal.nn.averaging.WeightAverage`; 0 for none.
        optimizer: Function from the parameters to an optimizer.
        lr_scheduler: Function from the optimizer to a scheduler, stepped after each epoch in which this branch trains.
        localizer: Localizer for the scores, when the branch runs alone.
        labels: Source of snippet labels; None to learn from video labels alone.
        encoder: Encoder of the branch's first stream, which is trained with the branch; None for features as they are.
        encoding: How it is trained.

    Raises:
        ConfigError: If there are snippet labels, and the weights of all losses on them are 0.
    """

    head: Head
    labels: LabelSource | None

    def __init__(
        self,
        class_names: Sequence[str],
        view: View,
        head: HeadFactory,
        distillation: DistillationWeights,
        average: float,
        optimizer: OptimizerCallable,
        lr_scheduler: LRSchedulerCallable | None,
        localizer: Localizer,
        labels: LabelSource | None,
        encoder: SnippetEncoder | None = None,
        encoding: Encoding = Encoding(),  # noqa: B008  frozen
    ) -> None:
        super().__init__(class_names, localizer)
        for name, given in (("head", head), ("optimizer", optimizer)):
            if isinstance(given, torch.nn.Module | torch.optim.Optimizer) or not callable(given):
                raise ConfigError(
                    f"`{name}` is {brief(given)}: give what makes one, a class or `functools.partial(...)` of a class."
                )
        if labels is not None and not distillation.teaches:
            raise ConfigError("All weights of `distillation` are 0, so `labels` would change nothing: raise one.")
        self.view, self.name, self.streams = view, view.name, view.streams
        self.sources = (self.name,)
        self.make_head, self.head = head, head(self.class_names)
        self.average = WeightAverage(self.head, average) if average else None
        self.distillation, self.optimizer, self.lr_scheduler = distillation, optimizer, lr_scheduler
        self.labels = labels
        self.encoded = None if encoder is None else EncodedStream(view.streams[0], encoder, encoding)

    @property
    def note(self) -> str:
        """What a reader of a table must know about the head's weights and the labels."""
        return "; ".join(filter(None, [self.head.note, self.labels.note if self.labels else ""]))

    @property
    def lag(self) -> float:
        """Number of snippets by which the head's scores come late."""
        return self.head.lag

    @property
    def untrained(self) -> tuple[str, ...]:
        """The branch's name if it has something to train and its weights were neither trained nor loaded."""
        is_random = any(p.requires_grad for p in self.head.parameters()) and not getattr(self.head, "is_trained", False)
        return (self.name,) if is_random else ()

    # Inference --------------------------------------------------------------------------------------------------

    def forward(self, batch: SnippetBatch) -> BranchOutput:
        """Class logits, actionness and embedding of each snippet.

        Raises:
            FeatureError: If the batch lacks a stream that the branch reads.
        """
        return self.run_head(batch)  # type: ignore[no-any-return]

    def scores(self, batch: SnippetBatch) -> SnippetScores:
        """Scores for the localizer and for a student, with a leading batch dimension."""
        return self._scores_of(self(batch), batch)

    def _scores_of(self, out: BranchOutput, batch: SnippetBatch) -> SnippetScores:
        video = topk_pool(out.suppressed, batch.mask, self.head.ratio)
        return SnippetScores(_class_probability(out.plain), out.attention, _class_probability(video))

    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """The scores under the branch's own name."""
        return {self.name: self.scores(batch)}

    # Training ---------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Before training, set the statistics by which the head normalises features, and prepare the labels.

        Raises:
            ConfigError: If the trainer has a setting that this module cannot be trained with.
        """
        if stage != "fit":
            self.film(data_of(self.trainer), "val" if stage == "validate" else "test")
            return
        if self.trainer.lightning_module is self:
            check_trainer(self.trainer, self, data_of(self.trainer))
        norms = [module for module in self.head.modules() if isinstance(module, FeatureNorm)]
        if norms:
            data = data_of(self.trainer)
            mean, std = map(torch.cat, zip(*map(data.feature_statistics, self.streams), strict=True))
            for norm in norms:
                norm.set_statistics(mean, std)
        self.head.prepare(data_of(self.trainer).training_rows(self.streams))
        if self.labels is not None:
            self.labels.prepare(data_of(self.trainer))
        if self.encoded is not None and self.encoded.is_trained:
            film_split(self.encoded, data_of(self.trainer), "train", learns=True)
        if getattr(data_of(self.trainer), "held_out", 0):
            self.film(data_of(self.trainer), "val")

    def know_classes(self, class_names: Sequence[str], seed: int = 0) -> Renewed:
        """Make the head for these classes; what it has learned of the former ones is kept if they come first."""
        former = self.class_names, self.make_head, self.head, self.average
        self.head, self.average, renewed = head_for(class_names, *former, seed)
        super().know_classes(class_names, seed)
        return renewed

    def film(self, data: object, split: Split) -> None:
        """Let a split give the films of its videos to an encoder that is trained."""
        if self.encoded is not None and self.encoded.is_trained:
            film_split(self.encoded, data, split)

    def on_fit_start(self) -> None:
        """Begin the bank of the encoder, now that a checkpoint has been loaded."""
        if self.encoded is not None and self.encoded.is_trained:
            begin_bank(self.encoded, data_of(self.trainer), self.trainer)

    def on_train_epoch_start(self) -> None:
        """Refresh the source of labels."""
        if self.labels is not None:
            self.labels.refresh(self.current_epoch)

    def distillation_losses(self, out: BranchOutput, batch: SnippetBatch, pseudo: PseudoLabels) -> dict[str, Tensor]:
        """Weighted loss terms from snippet labels; the loss is their sum.

        Source:
            ``L_distil`` of arXiv:2212.09335, section 3.3.
        """
        weights = self.distillation
        pseudo = pseudo._replace(label=pseudo.label.masked_fill(~batch.mask, -1))
        terms = {}
        if weights.attention:
            attention = attention_distillation(out.attention, pseudo, weights.balanced, weights.label_smoothing)
            terms["distil_attention"] = weights.attention * attention
        if weights.classes:
            terms["distil_classes"] = weights.classes * class_distillation(out.plain, pseudo, weights.balanced)
        if weights.among_labels:
            among_labels = among_labels_distillation(out.cas, batch.labels, pseudo)
            terms["distil_among_labels"] = weights.among_labels * among_labels
        if weights.contrast:
            contrast = contrastive_distillation(out.embedding, pseudo, weights.temperature)
            terms["distil_contrast"] = weights.contrast * contrast
        return terms

    def learn(self, batch: SnippetBatch, source: LabelSource | None = None) -> Tensor:
        """The loss of one training batch; its terms are logged by name.

        Args:
            batch: Cropped videos.
            source: Labels of their snippets; None to learn from video labels alone.
        """
        out = self(batch)
        terms = self.head.losses(out, batch.mask, batch.labels)
        if source is not None:
            labels = source.completed(batch, lambda: self._scores_of(out, batch))
            taught = self.distillation_losses(out, batch, labels)
            terms |= {name: source.weight * term for name, term in taught.items()}
        return self.total_loss(terms, len(batch.labels))

    def training_step(self, batch: SnippetBatch, batch_idx: int) -> Tensor:
        """The loss of one step alone, from video labels and the branch's own source of snippet labels."""
        return self.learn(batch, self.labels)

    def log(self, name: str, value: Any, **options: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        """Log through the root module, because Lightning refuses to log from a nested one."""
        root = self.trainer.lightning_module
        if root is self:
            super().log(name, value, **options)
        else:
            stage, _, key = name.partition("/")
            root.log(f"{stage}/{self.name}/{key}", value, **options)


def _class_probability(logits: Tensor) -> Tensor:
    """Probability of each class beside the background, which comes last and is left out."""
    return logits.softmax(dim=-1)[..., :-1]

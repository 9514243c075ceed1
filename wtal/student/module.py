"""The student in one LightningModule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from wtal.branches.head_module import HeadModule
from wtal.branches.hyperparameters import save_plain_hyperparameters
from wtal.branches.labels import InstanceSource
from wtal.branches.trainer_check import check_trainer
from wtal.data.contract import data_of
from wtal.errors import ConfigError
from wtal.functional.pooling import topk_pool
from wtal.localization.instances import InstanceLocalizer
from wtal.nn.averaging import WeightAverage
from wtal.nn.pyramid import PyramidHead, PyramidOutput
from wtal.student.losses import distance_iou_loss, focal_loss, spread_loss
from wtal.student.targets import Targets, assign, in_crop
from wtal.types import Instances, InstanceScores, SnippetBatch, SnippetScores
from wtal.views import STUDENT, View

__all__ = ["StudentModule", "StudentWeights"]

HeadFactory = Callable[[list[str]], PyramidHead]


@dataclass(frozen=True)
class StudentWeights:
    """Weights of the losses; 0 switches one off.

    Args:
        classes: Weight of :func:`~wtal.student.losses.focal_loss` at all places.
        bounds: Weight of :func:`~wtal.student.losses.distance_iou_loss` at places of instances.
        video: Weight of the cross-entropy between the best snippets of a video and its labels, so that these go on
            acting.
        spread: Weight of :func:`~wtal.student.losses.spread_loss`, if the head predicts spreads.

    Source:
        ActionFormer, arXiv:2202.07925, for the first two, FuSTAL, arXiv:2407.08971, for the third; the values of the
            last two are our choice.
    """

    classes: float = 1.0
    bounds: float = 1.0
    video: float = 0.2
    spread: float = 0.2


torch.serialization.add_safe_globals([InstanceLocalizer, StudentWeights])


class StudentModule(HeadModule):
    """Learns to regress instances, from those that a teacher finds in the training videos or from their segments.

    It sees new crops in each epoch, and predicts with the average of its weights.

    Args:
        class_names: Names of the classes, in the order of the labels.
        labels: Source of the training instances; None for a student that only predicts.
        head: Function from the class names to the network.
        view: Name of the student, the streams that it reads, and how figures show it.
        weights: Weights of the losses.
        average: Share of the weight average that one step keeps, see :class:`~wtal.nn.averaging.WeightAverage`; 0 for
            none.
        optimizer: Function from the parameters to an optimizer.
        lr_scheduler: Function from the optimizer to a scheduler, stepped after each epoch.
        localizer: Localizer for the predicted instances.
        ratio: Snippets per vote for the probability of a class in a video, see
            :func:`~wtal.functional.pooling.topk_pool`.

    Source:
        FuSTAL, arXiv:2407.08971, section 3.3, for a student of this kind; see ``experiments/student.md``.
    """

    head: PyramidHead
    labels: InstanceSource | None
    _normalizer: Tensor

    def __init__(
        self,
        class_names: Sequence[str],
        labels: InstanceSource | None = None,
        head: HeadFactory = PyramidHead,
        view: View = STUDENT,
        weights: StudentWeights = StudentWeights(),
        average: float = 0.99,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        localizer: InstanceLocalizer = InstanceLocalizer(),  # noqa: B008
        ratio: int = 8,
    ) -> None:
        super().__init__(class_names, localizer)
        save_plain_hyperparameters(self)
        self.view, self.name, self.streams, self.sources = view, view.name, view.streams, (view.name,)
        self.head = head(self.class_names)
        self.head.register_load_state_dict_post_hook(_mark_trained)  # type: ignore[no-untyped-call]
        self.average = WeightAverage(self.head, average) if average else None
        self.labels, self.weights, self.ratio = labels, weights, ratio
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.register_buffer("_normalizer", torch.tensor(0.0))  # running mean of the summed weights of a batch
        self._instances: list[Tensor] = []

    @property
    def note(self) -> str:
        """What it learned from."""
        return self.labels.note if self.labels else ""

    @property
    def untrained(self) -> tuple[str, ...]:
        """The student's name if its weights were neither trained nor loaded."""
        return () if self.head.is_trained else (self.name,)

    # Inference --------------------------------------------------------------------------------------------------

    def forward(self, batch: SnippetBatch) -> PyramidOutput:
        """Predictions at all places of all levels.

        Raises:
            FeatureError: If the batch lacks a stream that the student reads.
        """
        return self.run_head(batch)  # type: ignore[no-any-return]

    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """Instances with their scores, and the best of them at each snippet as a curve."""
        out = self(batch)
        score = out.logits.sigmoid().masked_fill(~out.mask[..., None], 0)
        if out.log_spread is not None:  # an instance is worth less if its bounds are uncertain
            length = (out.bounds[..., 1] - out.bounds[..., 0]).clamp(min=1e-3)
            spread = out.log_spread.exp().mean(dim=2) * out.stride
            score = score * (length / (length + spread))[..., None]
        probability = out.curve.sigmoid()
        video = topk_pool(out.curve, batch.mask, self.ratio).sigmoid()
        instances = Instances(score, out.bounds)
        return {self.name: InstanceScores(probability, probability.amax(dim=2), video, instances)}

    # Training ---------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Before training, set the statistics by which features are normalised, and read the instances.

        Raises:
            ConfigError: If the trainer or the data have a setting that the student cannot be trained with.
        """
        if stage != "fit":
            return
        data = data_of(self.trainer)
        check_trainer(self.trainer, self, data)
        if self.labels is None:
            raise ConfigError("The student has nothing to learn from: give `labels`, such as FileInstances.")
        if getattr(data, "sampling", "random") != "random":
            raise ConfigError("A student learns from consecutive snippets: set `data.sampling` to random.")
        mean, std = map(torch.cat, zip(*map(data.feature_statistics, self.streams), strict=True))
        self.head.norm.set_statistics(mean, std)
        self._instances = self.labels.read(data)

    def targets(self, out: PyramidOutput, batch: SnippetBatch) -> Targets:
        """What each place of a batch learns; each field has a leading batch dimension."""
        lengths = batch.mask.sum(dim=1).tolist()
        firsts = batch.grid_index[:, 0].tolist()
        found = []
        for row, first, length in zip(batch.video.tolist(), firsts, lengths, strict=True):
            seen = in_crop(self._instances[row].to(out.centre), first, length)
            found.append(assign(out.centre, out.stride, seen, len(self.class_names)))
        target = Targets(*map(torch.stack, zip(*found, strict=True)))
        known = torch.zeros_like(batch.labels)  # classes of which a video has an instance
        for place, row in enumerate(batch.video.tolist()):
            known[place, self._instances[row][:, 2].long()] = 1
        unplaced = (batch.labels > 0) & (known == 0)  # it is not known where, so no place learns about them
        return target._replace(weight=target.weight.masked_fill(unplaced[:, None], 0))

    def losses(self, batch: SnippetBatch) -> dict[str, Tensor]:
        """Weighted loss terms of a batch of crops; the loss is their sum."""
        out = self(batch)
        target, weights = self.targets(out, batch), self.weights
        importance = target.importance * out.mask
        total = importance.sum().detach()
        if self.training:
            former = self._normalizer if self._normalizer > 0 else total
            self._normalizer.copy_(0.9 * former + 0.1 * total)
        scale = self._normalizer.clamp(min=1)
        each = focal_loss(out.logits.float(), target.labels) * target.weight * out.mask[..., None]
        terms = {"classes": weights.classes * each.sum() / scale}
        taught = importance > 0
        bounds, true, value = out.bounds[taught].float(), target.bounds[taught], importance[taught]
        terms["bounds"] = weights.bounds * (distance_iou_loss(bounds, true) * value).sum() / scale
        if out.log_spread is not None and self.head.uncertainty != "none":
            stride = out.stride.expand_as(importance)[taught][:, None]
            misfit = spread_loss((bounds - true) / stride, out.log_spread[taught].float(), self.head.uncertainty)
            terms["spread"] = weights.spread * (misfit * value).sum() / scale
        if weights.video:
            pooled = topk_pool(out.curve.float(), batch.mask, self.ratio)
            terms["video"] = weights.video * F.binary_cross_entropy_with_logits(pooled, batch.labels)
        return terms

    def training_step(self, batch: SnippetBatch, batch_idx: int) -> Tensor:
        """The loss of one batch; its terms are logged by name."""
        return self.total_loss(self.losses(batch), len(batch.labels))


def _mark_trained(head: torch.nn.Module, incompatible_keys: object) -> None:
    cast(PyramidHead, head).is_trained = True

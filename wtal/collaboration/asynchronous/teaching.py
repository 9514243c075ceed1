"""From a branch's present weights to the labels of all training videos that it hands over."""

from collections.abc import Sequence

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from wtal.branches.branch import Branch
from wtal.collaboration.asynchronous.packets import LabelPacket
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.fusion import Fusion
from wtal.collaboration.pseudo_labels import Thresholds, pseudo_labels
from wtal.collaboration.schedule import Lesson
from wtal.data.contract import data_of
from wtal.nn.modes import evaluating
from wtal.types import PseudoLabels, SnippetBatch, SnippetScores

__all__ = ["Teacher"]


class Teacher:
    """Labels every training video at full length, as the loop of turns does.

    Args:
        lesson: The lesson that the branch gives.
        thresholds: Its confidence thresholds.
        fusion: Fusion of the scores of both branches, for a lesson that is agreed.
        is_first: Whether the branch is the first of the pair.
        with_scores: Whether the other branch needs the scores, too, for a lesson of its own that is agreed.
    """

    def __init__(
        self, lesson: Lesson, thresholds: Thresholds, fusion: Fusion, is_first: bool, with_scores: bool
    ) -> None:
        self.lesson, self.thresholds, self.fusion = lesson, thresholds, fusion
        self.is_first, self.with_scores = is_first, with_scores

    @torch.no_grad()
    def packet(
        self, trainer: Trainer, branch: Branch, version: int, is_final: bool, other: LabelPacket | None
    ) -> LabelPacket:
        """Label the training videos.

        Args:
            trainer: The branch's trainer.
            branch: The branch.
            version: Version of the new packet.
            is_final: Whether the branch has finished its training.
            other: The student's packet, with whose scores those of the branch are fused; None for none.
        """
        buffer = PseudoLabelBuffer(data_of(trainer).train_lengths)
        buffer.begin()
        attention: list[Tensor] = []
        probability: list[Tensor] = []
        with evaluating(branch), trainer.precision_plugin.forward_context():
            for cpu_batch in data_of(trainer).pseudo_label_dataloader():
                batch: SnippetBatch = trainer.strategy.batch_to_device(cpu_batch)
                scores = branch.scores(batch)
                if self.with_scores:
                    attention += [row[real].half() for row, real in zip(scores.attention, batch.mask, strict=True)]
                    probability += _own_probability(scores, batch)
                if other is not None and len(other.attention):
                    scores = self._fused(scores, _scores_of(other, batch, buffer.offsets, len(branch.class_names)))
                labels = pseudo_labels(scores, batch.labels, batch.mask, self.thresholds, self.lesson.keep)
                buffer.write(batch.video.cpu(), batch.grid_index.cpu(), batch.mask.cpu(), _on_cpu(labels))
        buffer.end(lambda tensor: tensor)
        return LabelPacket(
            version,
            trainer.global_step,
            is_final,
            self.thresholds,
            buffer.label.numpy(),
            buffer.class_index.numpy(),
            torch.cat(attention).cpu().numpy() if attention else np.zeros(0, np.float16),
            _side_by_side(probability),
        )

    def _fused(self, own: SnippetScores, other: SnippetScores) -> SnippetScores:
        return self.fusion(own, other) if self.is_first else self.fusion(other, own)


def _on_cpu(labels: PseudoLabels) -> PseudoLabels:
    return PseudoLabels(*(t.cpu() for t in labels))


def _own_probability(scores: SnippetScores, batch: SnippetBatch) -> list[Tensor]:
    """For each video the probabilities of its own labels, ``(T, L)``."""
    rows = zip(scores.probability, batch.labels, batch.mask, strict=True)
    return [probability[real][:, labels > 0].half().cpu() for probability, labels, real in rows]


def _side_by_side(parts: Sequence[Tensor]) -> np.ndarray:
    """Probabilities of all videos, ``(S, L)``, with zeros where a video has fewer labels than another."""
    most = max((part.shape[1] for part in parts), default=0)
    padded = [np.pad(part.numpy(), ((0, 0), (0, most - part.shape[1]))) for part in parts]
    return np.concatenate(padded) if padded else np.zeros((0, 0), np.float16)


def _scores_of(packet: LabelPacket, batch: SnippetBatch, offsets: Tensor, classes: int) -> SnippetScores:
    """A packet's scores of the videos of a batch; classes that are not labels of a video have probability 0."""
    place = (offsets[batch.video.cpu()][:, None] + batch.grid_index.cpu()).clamp(max=len(packet.attention) - 1)
    device = batch.mask.device
    attention = torch.from_numpy(packet.attention)[place].float().to(device)
    rows = torch.from_numpy(packet.probability)[place].float().to(device)  # (B, T, L)
    probability = attention.new_zeros(*place.shape, classes)
    for video, labels in enumerate(batch.labels):
        own = labels.nonzero()[:, 0]
        probability[video, :, own] = rows[video, :, : len(own)]
    return SnippetScores(probability, attention, probability.amax(dim=1))

"""From a teacher's scores to pseudo-labels: pure functions that know no branch and no schedule."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wtal.functional.pooling import min_max
from wtal.types import PseudoLabels, SnippetScores

__all__ = ["Thresholds", "foreground_score", "overridden", "pseudo_labels"]


@dataclass(frozen=True)
class Thresholds:
    """Confidence thresholds of a teacher.

    Args:
        high: Foreground score above which a snippet is confident foreground (``δ_h`` of the paper).
        low: Foreground score below which a snippet is confident background (``δ_l``).

    Raises:
        ValueError: Unless ``0 <= low <= high <= 1``.
    """

    high: float = 0.7
    low: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ValueError(f"Thresholds need 0 <= low <= high <= 1, got low {self.low} and high {self.high}.")


def foreground_score(scores: SnippetScores, labels: Tensor, mask: Tensor) -> Tensor:
    """Actionness times the largest probability among the video's own labels, min-max normalised within the video.

    Args:
        scores: Scores of full-length videos; ``probability`` is ``(B, T, C)``, ``attention`` is ``(B, T)``.
        labels: Multi-hot labels of the videos, ``(B, C)``.
        mask: True on real snippets, ``(B, T)``.

    Returns:
        Scores in [0, 1], ``(B, T)``; zero on padding.

    Source:
        The score is our choice; arXiv:2212.09335, section 3.3 leaves it open.
    """
    best = scores.probability.masked_fill(labels[:, None] == 0, 0).amax(dim=2)
    return min_max(scores.attention * best, mask)


def pseudo_labels(
    scores: SnippetScores, labels: Tensor, mask: Tensor, thresholds: Thresholds, keep: tuple[int, ...]
) -> PseudoLabels:
    """Label the snippets about which a teacher is confident.

    Args:
        scores: See :func:`foreground_score`.
        labels: Multi-hot labels of the videos, ``(B, C)``.
        mask: True on real snippets, ``(B, T)``.
        thresholds: Confidence thresholds of the teacher.
        keep: Labels that are handed over, 0 for background and 1 for foreground; the others are ignored.

    Returns:
        Labels and classes, ``(B, T)``. Padding is ignored, and so is a video whose score is 0 everywhere, since
        it locates nothing; a video without any action is background, whatever the teacher sees. The class is the
        highest-scoring one among the video's labels.

    Source:
        arXiv:2212.09335, section 3.3.
    """
    score = foreground_score(scores, labels, mask)
    label = torch.full(score.shape, -1, dtype=torch.int8, device=score.device)
    if 0 in keep:
        label[score < thresholds.low] = 0
    if 1 in keep:
        label[score > thresholds.high] = 1
    label[~mask | (score.amax(dim=1, keepdim=True) == 0)] = -1
    if 0 in keep:
        label[mask & (labels.sum(dim=1, keepdim=True) == 0)] = 0
    class_index = scores.probability.masked_fill(labels[:, None] == 0, -1).argmax(dim=2)
    return PseudoLabels(label, class_index.masked_fill(label != 1, -1).to(torch.int16))


def overridden(labels: PseudoLabels, above: PseudoLabels) -> PseudoLabels:
    """Labels with others above them: where those say something, they count.

    >>> teacher = PseudoLabels(torch.tensor([1, 1, -1]), torch.tensor([4, 4, -1]))
    >>> points = PseudoLabels(torch.tensor([-1, 0, 1]), torch.tensor([-1, -1, 2]))
    >>> [values.tolist() for values in overridden(teacher, points)]
    [[1, 0, 1], [4, -1, 2]]
    """
    known = above.label >= 0
    return PseudoLabels(
        torch.where(known, above.label, labels.label), torch.where(known, above.class_index, labels.class_index)
    )

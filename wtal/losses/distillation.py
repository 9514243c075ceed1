"""Losses on a teacher's confident snippets. All are zero where the teacher is confident of nothing."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wtal.types import PseudoLabels

__all__ = ["attention_distillation", "class_distillation", "contrastive_distillation"]


def _mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values, zero if there are none."""
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def attention_distillation(attention: Tensor, pseudo: PseudoLabels) -> Tensor:
    """Binary cross-entropy of actionness on the confident snippets.

    Foreground and background snippets are averaged apart and then added, as confident background is far more frequent.

    Args:
        attention: In [0, 1], ``(B, T)``.
        pseudo: The teacher's labels, ``(B, T)``.

    Returns:
        Scalar.

    Source:
        arXiv:2212.09335, section 3.3 (the distillation terms); averaging the two kinds apart is our choice.

    >>> out = attention_distillation(torch.tensor([[0.5, 0.9]]), PseudoLabels(torch.tensor([[0, -1]]), torch.tensor([[-1, -1]])))
    >>> round(out.item(), 4)  # -log(1 - 0.5): the ignored snippet adds nothing
    0.6931
    """
    attention = attention.float().clamp(1e-6, 1 - 1e-6)
    foreground, background = pseudo.label == 1, pseudo.label == 0
    return _mean_over(-attention.log(), foreground) + _mean_over(-(1 - attention).log(), background)


def class_distillation(probability: Tensor, labels: Tensor, pseudo: PseudoLabels) -> Tensor:
    """Cross-entropy of the class probabilities on the confident snippets.

    A foreground snippet must show its class; a background one must show none of the video's classes.

    Args:
        probability: Class probability of each snippet, in [0, 1], ``(B, T, C)``.
        labels: Multi-hot of the video, ``(B, C)``.
        pseudo: The teacher's labels, ``(B, T)``.

    Returns:
        Scalar.

    Source:
        arXiv:2212.09335, section 3.3. Our choice: background touches the video's own classes only.
    """
    probability = probability.float().clamp(1e-6, 1 - 1e-6)
    foreground, background = pseudo.label == 1, pseudo.label == 0
    shown = probability.gather(2, pseudo.klass.long().clamp(min=0)[..., None]).squeeze(2)
    absent = -(1 - probability).log() * labels[:, None]
    absent = absent.sum(dim=2) / labels.sum(dim=1, keepdim=True).clamp(min=1)
    return _mean_over(-shown.log(), foreground) + _mean_over(absent, background)


def contrastive_distillation(
    embedding: Tensor, pseudo: PseudoLabels, temperature: float = 0.1, max_snippets: int = 512
) -> Tensor:
    """Pull confident foreground of one class together, push confident background away (InfoNCE).

    Every confident foreground snippet of the batch is an anchor; its positives are the other foreground snippets of
    its class, its negatives all background snippets and the foreground of other classes.

    Args:
        embedding: ``(B, T, E)``.
        pseudo: The teacher's labels, ``(B, T)``.
        temperature: Of the cosine similarities.
        max_snippets: Snippets of each kind that take part at most, evenly thinned, to bound the memory.

    Returns:
        Scalar.

    Source:
        arXiv:2212.09335, section 3.3 (foreground-background contrast); supervised form of arXiv:2004.11362, eq. 2.
    """

    def thinned(kind: int) -> tuple[Tensor, Tensor]:
        place = (pseudo.label.flatten() == kind).nonzero().squeeze(1)
        place = place[:: max(1, -(-len(place) // max_snippets))]
        return F.normalize(embedding.flatten(0, 1)[place].float(), dim=-1), pseudo.klass.flatten()[place]

    (anchor, klass), (background, _) = thinned(1), thinned(0)
    itself = torch.eye(len(anchor), dtype=torch.bool, device=anchor.device)
    positive = (klass[:, None] == klass[None]) & ~itself
    similarity = anchor @ torch.cat([anchor, background]).T / temperature
    similarity = similarity.masked_fill(F.pad(itself, (0, len(background))), -torch.inf)
    log_share = similarity.log_softmax(dim=1)[:, : len(anchor)].masked_fill(~positive, 0)
    return _mean_over(-log_share, positive)

"""Losses on confidently labelled snippets, which are zero where no snippet is labelled."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wtal.types import PseudoLabels

__all__ = ["among_labels_distillation", "attention_distillation", "class_distillation", "contrastive_distillation"]


def _mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values, zero if there are none."""
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def _mean_confident(values: Tensor, pseudo: PseudoLabels, balanced: bool) -> Tensor:
    """Mean over the labelled snippets, or the sum of the means over foreground and over background."""
    if balanced:
        return _mean_over(values, pseudo.label == 1) + _mean_over(values, pseudo.label == 0)
    return _mean_over(values, pseudo.label >= 0)


def attention_distillation(
    attention: Tensor, pseudo: PseudoLabels, balanced: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """Binary cross-entropy of actionness on the labelled snippets.

    Args:
        attention: Actionness in [0, 1], ``(B, T)``.
        pseudo: Labels of the snippets, ``(B, T)``.
        balanced: Average foreground and background separately and add them; otherwise all snippets count equally.
        label_smoothing: Share of each target that goes to the other label. Without it actionness is driven to 0 and 1,
            and no longer says where an action begins between two labelled snippets.

    Returns:
        Scalar.

    Source:
        arXiv:2212.09335, section 3.3 (the distillation terms); label smoothing as in arXiv:1512.00567, section 7.

    >>> pseudo = PseudoLabels(torch.tensor([[0, -1]]), torch.tensor([[-1, -1]]))
    >>> attention_distillation(torch.tensor([[0.5, 0.9]]), pseudo)  # -log(1 - 0.5): the ignored snippet adds nothing
    tensor(0.6931)
    """
    attention = attention.float().clamp(1e-6, 1 - 1e-6)
    right = torch.where(pseudo.label == 1, attention, 1 - attention)
    entropy = -(1 - label_smoothing) * right.log() - label_smoothing * (1 - right).log()
    return _mean_confident(entropy, pseudo, balanced)


def class_distillation(plain: Tensor, pseudo: PseudoLabels, balanced: bool = False) -> Tensor:
    """Cross-entropy of the CAS on the labelled snippets; the target of background is the background class.

    Args:
        plain: Logits, background last, ``(B, T, C + 1)``.
        pseudo: Labels of the snippets, ``(B, T)``.
        balanced: See :func:`attention_distillation`.

    Returns:
        Scalar.

    Source:
        arXiv:2212.09335, section 3.3 (the distillation terms).
    """
    target = torch.where(pseudo.label == 1, pseudo.class_index.long(), plain.shape[2] - 1)
    log_probability = plain.float().log_softmax(dim=2).gather(2, target[..., None]).squeeze(2)
    return _mean_confident(-log_probability, pseudo, balanced)


def among_labels_distillation(cas: Tensor, labels: Tensor, pseudo: PseudoLabels) -> Tensor:
    """Cross-entropy of the labelled foreground among the video's own labels: which of them is it?

    It says nothing about background or about classes that the video does not show, and is zero in a video of one
    label. Where videos have several, it is what video labels leave open most.

    Args:
        cas: Class logits, ``(B, T, C)``.
        labels: Multi-hot labels of the videos, ``(B, C)``.
        pseudo: Labels of the snippets, ``(B, T)``.

    Returns:
        Scalar, the mean over the foreground snippets of videos with several labels.

    Source:
        Our choice; arXiv:2212.09335, section 3.3 distils the CAS of the labelled classes.

    >>> labels, pseudo = torch.tensor([[1, 1, 0]]), PseudoLabels(torch.tensor([[1]]), torch.tensor([[0]]))
    >>> among_labels_distillation(torch.tensor([[[2.0, 2.0, 9.0]]]), labels, pseudo)
    tensor(0.6931)
    """
    target = pseudo.class_index.long().clamp(min=0)
    several = labels.sum(dim=1, keepdim=True) > 1
    chosen = (pseudo.label == 1) & several & (labels.gather(1, target) > 0)  # labels of a file may name another class
    own = cas.float().masked_fill(labels[:, None] == 0, torch.finfo(torch.float32).min).log_softmax(dim=2)
    return _mean_over(-own.gather(2, target[..., None]).squeeze(2).masked_fill(~chosen, 0), chosen)


def contrastive_distillation(
    embedding: Tensor, pseudo: PseudoLabels, temperature: float = 0.1, max_snippets: int = 512
) -> Tensor:
    """Pull labelled foreground of one class together and push labelled background away (InfoNCE).

    Every foreground snippet of the batch is an anchor; its positives are the other foreground snippets of its class,
    and its negatives are all background snippets and the foreground of other classes.

    Args:
        embedding: Embedding of the snippets, ``(B, T, E)``.
        pseudo: Labels of the snippets, ``(B, T)``.
        temperature: Temperature of the cosine similarities.
        max_snippets: Maximum number of snippets of each kind that take part, evenly thinned to bound memory.

    Returns:
        Scalar.

    Source:
        arXiv:2212.09335, section 3.3 (foreground-background contrast); supervised form of arXiv:2004.11362, eq. 2.
    """

    def thinned(kind: int) -> tuple[Tensor, Tensor]:
        place = (pseudo.label.flatten() == kind).nonzero().squeeze(1)
        place = place[:: max(1, -(-len(place) // max_snippets))]
        return F.normalize(embedding.flatten(0, 1)[place].float(), dim=-1), pseudo.class_index.flatten()[place]

    (anchor, class_index), (background, _) = thinned(1), thinned(0)
    itself = torch.eye(len(anchor), dtype=torch.bool, device=anchor.device)
    positive = (class_index[:, None] == class_index[None]) & ~itself
    similarity = anchor @ torch.cat([anchor, background]).T / temperature
    similarity = similarity.masked_fill(F.pad(itself, (0, len(background))), -torch.inf)
    log_share = similarity.log_softmax(dim=1)[:, : len(anchor)].masked_fill(~positive, 0)
    return _mean_over(-log_share, positive)

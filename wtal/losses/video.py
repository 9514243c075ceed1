"""Losses that need only video-level labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wtal.functional.pooling import masked_mean, topk_pool

__all__ = ["background_mil_losses", "co_activity_loss", "guidance_loss", "mil_loss", "sparsity_loss", "with_background"]


def with_background(labels: Tensor, present: bool) -> Tensor:
    """Append the background class, present or absent, to multi-hot labels.

    In a video without any action it is always present, as there is nothing else.

    Args:
        labels: Multi-hot labels, ``(B, C)``.
        present: Whether the background is present: yes for the plain CAS, no for the one suppressed by actionness.

    Returns:
        Multi-hot labels, ``(B, C + 1)``.

    Source:
        BaS-Net, arXiv:1911.09963, section 3.
    """
    background = torch.ones_like(labels[:, :1]) if present else (labels.sum(dim=1, keepdim=True) == 0).to(labels)
    return torch.cat([labels, background], dim=1)


def mil_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy between pooled video logits and the labels, shared evenly among a video's classes.

    Args:
        logits: Video logits, ``(B, C)``.
        labels: Multi-hot labels, ``(B, C)``; a video without a label adds nothing.

    Returns:
        Scalar.

    Source:
        W-TALC, arXiv:1807.10418, eq. 4.

    >>> mil_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    target = labels / labels.sum(dim=1, keepdim=True).clamp(min=1)
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def background_mil_losses(
    plain: Tensor, suppressed: Tensor, mask: Tensor, labels: Tensor, ratio: int
) -> dict[str, Tensor]:
    """MIL with a background class, present in the plain CAS and absent from the one suppressed by actionness.

    Args:
        plain: Logits, background last, ``(B, T, C + 1)``.
        suppressed: Logits after suppression.
        mask: True on real snippets, ``(B, T)``.
        labels: Multi-hot labels, ``(B, C)``.
        ratio: Snippets per vote, see :func:`~wtal.functional.pooling.topk_pool`.

    Returns:
        ``mil`` and ``mil_suppressed``.

    Source:
        BaS-Net, arXiv:1911.09963, section 3.
    """
    return {
        "mil": mil_loss(topk_pool(plain, mask, ratio), with_background(labels, present=True)),
        "mil_suppressed": mil_loss(topk_pool(suppressed, mask, ratio), with_background(labels, present=False)),
    }


def sparsity_loss(attention: Tensor, mask: Tensor) -> Tensor:
    """Mean actionness: most of an untrimmed video is background.

    Args:
        attention: Actionness in [0, 1], ``(B, T)``.
        mask: True on real snippets, ``(B, T)``.

    Returns:
        Scalar.

    Source:
        STPN, arXiv:1712.05080, eq. 4; called the normalization loss by CO2-Net.
    """
    return masked_mean(attention, mask).mean()


def guidance_loss(attention: Tensor, background: Tensor, mask: Tensor, emphasis: Tensor | None = None) -> Tensor:
    """Make actionness and background probability of a snippet add up to one.

    Args:
        attention: Actionness in [0, 1], ``(B, T)``.
        background: Probability of the background class, ``(B, T)``.
        mask: True on real snippets, ``(B, T)``.
        emphasis: Weight of each snippet, ``(B, T)``; None for equal weights.

    Returns:
        Scalar.

    Source:
        HAM-Net, arXiv:2101.00545, eq. 9.
    """
    gap = (1 - attention - background).abs()
    return masked_mean(gap if emphasis is None else gap * emphasis, mask).mean()


def co_activity_loss(embedding: Tensor, cas: Tensor, labels: Tensor, mask: Tensor, margin: float = 0.5) -> Tensor:
    """Make videos that share a class alike where it happens, and unlike each other's remainder.

    For each class and each pair of videos that share it, the class's attended embedding ``h`` of one video must be
    closer (in cosine distance, by ``margin``) to that of the other than to the other's remainder ``l``.

    Args:
        embedding: Embedding of the snippets, ``(B, T, E)``.
        cas: Class logits, ``(B, T, C)``.
        labels: Multi-hot labels, ``(B, C)``.
        mask: True on real snippets, ``(B, T)``.
        margin: Margin of the ranking hinge.

    Returns:
        Scalar; zero where no two videos share a class.

    Source:
        W-TALC, arXiv:1807.10418, eq. 7, over all pairs of the batch; W-TALC's code builds batches of chosen pairs.
    """
    embedding = embedding.float()  # autocast leaves it in half precision but the scores in full
    attend = cas.masked_fill(~mask[..., None], -torch.inf).softmax(dim=1)  # (B, T, C)
    rest = (1 - attend) * mask[..., None] / (mask.sum(dim=1)[:, None, None] - 1).clamp(min=1)
    high = F.normalize(torch.einsum("btc,bte->cbe", attend, embedding), dim=-1)
    low = F.normalize(torch.einsum("btc,bte->cbe", rest, embedding), dim=-1)
    near, far = 1 - high @ high.transpose(1, 2), 1 - high @ low.transpose(1, 2)  # (C, B, B)
    share = labels.T[:, :, None] * labels.T[:, None, :] * (1 - torch.eye(len(labels), device=labels.device))
    hinge = (near - far + margin).clamp(min=0)
    return (hinge * share).sum() / share.sum().clamp(min=1)

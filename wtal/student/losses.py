"""The losses of the student, each a pure function."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wtal.nn.pyramid import Uncertainty

__all__ = ["distance_iou_loss", "focal_loss", "spread_loss"]


def focal_loss(logits: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Cross-entropy that hardly counts what is already right, element by element.

    Args:
        logits: Logits of independent classes.
        target: 1 or 0, of the same shape.
        alpha: Weight of the ones; zeros weigh ``1 - alpha``.
        gamma: Power of the error by which an element is weighted.

    Returns:
        Losses of the same shape.

    Source:
        arXiv:1708.02002, eq. 5.

    >>> focal_loss(torch.zeros(2), torch.tensor([1.0, 0.0])).round(decimals=4)
    tensor([0.0433, 0.1300])
    """
    error = (target - logits.sigmoid()).abs()
    weight = torch.where(target > 0.5, alpha, 1 - alpha)
    return weight * error**gamma * F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def distance_iou_loss(bounds: Tensor, target: Tensor) -> Tensor:
    """One minus temporal IoU, plus the squared distance of the centres relative to the span of both.

    Args:
        bounds: Start and end, ``(N, 2)``.
        target: Start and end, ``(N, 2)``, of positive length.

    Returns:
        Losses, ``(N,)``.

    Source:
        DIoU, arXiv:1911.08287, in one dimension as in ActionFormer.

    >>> distance_iou_loss(torch.tensor([[0.0, 4.0], [0.0, 4.0]]), torch.tensor([[0.0, 4.0], [2.0, 6.0]]))
    tensor([0.0000, 0.7778])
    """
    start, end = bounds.unbind(dim=1)
    true_start, true_end = target.unbind(dim=1)
    shared = (torch.minimum(end, true_end) - torch.maximum(start, true_start)).clamp(min=0)
    union = (end - start) + (true_end - true_start) - shared
    span = torch.maximum(end, true_end) - torch.minimum(start, true_start)
    apart = (start + end - true_start - true_end) / 2
    return 1 - shared / union.clamp(min=1e-6) + (apart / span.clamp(min=1e-6)) ** 2


def spread_loss(error: Tensor, log_spread: Tensor, kind: Uncertainty) -> Tensor:
    """Negative logarithm of the likelihood of bounds that are ``error`` away, without its constant.

    Args:
        error: Distances of predicted bounds from the true ones, ``(N, 2)``.
        log_spread: Logarithm of the spread of each, in the same unit.
        kind: The distribution, ``laplace`` or ``gaussian``.

    Returns:
        Losses, ``(N,)``, the mean of both bounds.

    >>> spread_loss(torch.tensor([[2.0, -2.0]]), torch.zeros(1, 2), "laplace")
    tensor([2.])
    """
    relative = error / log_spread.exp()
    misfit = relative.abs() if kind == "laplace" else relative**2 / 2
    return (misfit + log_spread).mean(dim=1)

"""Which place of the pyramid learns which instance."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LEAST_SHARE", "Targets", "assign", "in_crop"]

LEAST_SHARE = 0.5  # of an instance that a crop must show for it to be learned there
_RANGE = 4.0  # strides: a level learns instances whose longer distance lies between half of this and this


class Targets(NamedTuple):
    """What each place of one video learns."""

    labels: Tensor  # (P, C) 1 at the class of the instance
    weight: Tensor  # (P, C) of the classification; 0 where it is unknown
    bounds: Tensor  # (P, 2) start and end of the instance, on the grid of the crop
    importance: Tensor  # (P,) weight of the instance, 0 where there is none


def in_crop(instances: Tensor, first: float, length: int) -> Tensor:
    """Instances as a crop shows them.

    Args:
        instances: Start, end, class, weight and whether it is ignored, ``(N, 5)``; times as indices of the video's
            grid.
        first: Index of the crop's first snippet.
        length: Number of its snippets.

    Returns:
        Those that it shows, ``(M, 5)``, on its own grid; an instance that it shows less than half of is ignored.

    >>> in_crop(torch.tensor([[0.0, 8.0, 1.0, 1.0, 0.0], [6.0, 9.0, 0.0, 1.0, 0.0]]), 6, 4).tolist()
    [[0.0, 2.0, 1.0, 1.0, 1.0], [0.0, 3.0, 0.0, 1.0, 0.0]]
    """
    moved = instances.clone()
    moved[:, :2] = (instances[:, :2] - first).clamp(0, length)
    shown = (moved[:, 1] - moved[:, 0]) / (instances[:, 1] - instances[:, 0]).clamp(min=1e-6)
    moved[:, 4] = torch.where(shown < LEAST_SHARE, 1.0, moved[:, 4])
    return moved[moved[:, 1] > moved[:, 0]]


def assign(centre: Tensor, stride: Tensor, instances: Tensor, classes: int, radius: float = 1.5) -> Targets:
    """Assign instances to places: those near its centre, on the level whose stride suits its length.

    Args:
        centre: Time of each place, ``(P,)``.
        stride: Stride of its level, ``(P,)``.
        instances: See :func:`in_crop`, on the same grid.
        classes: Number of classes.
        radius: Largest distance from the centre of an instance, in strides.

    Source:
        ActionFormer, arXiv:2202.07925: centre sampling, and the shortest of several instances.
    """
    places, top, finest = len(centre), float(stride.max()), float(stride.min())
    labels, weight = centre.new_zeros(places, classes), centre.new_ones(places, classes)
    bounds, importance = centre.new_zeros(places, 2), centre.new_zeros(places)
    start, end, label, value, ignored = instances.T
    inside = (centre[:, None] >= start) & (centre[:, None] <= end)  # (P, N)
    for which in range(len(instances)):
        if ignored[which] > 0:
            weight[inside[:, which], int(label[which])] = 0
    reach = torch.maximum(centre[:, None] - start, end - centre[:, None]) / stride[:, None]
    suits = (reach <= _RANGE) | (stride == top)[:, None]
    suits &= (reach > _RANGE / 2) | (stride == finest)[:, None]
    near = (centre[:, None] - (start + end) / 2).abs() <= radius * stride[:, None]
    taken = inside & suits & near & (ignored == 0)
    length = torch.where(taken, end - start, torch.inf)
    if taken.any():
        shortest, owner = length.min(dim=1)
        rows = shortest.isfinite().nonzero().squeeze(1)
        owner = owner[rows]
        bounds[rows] = torch.stack([start[owner], end[owner]], dim=1)
        importance[rows] = value[owner]
        labels[rows, label[owner].long()] = 1
        weight[rows, label[owner].long()] = value[owner]
    return Targets(labels, weight, bounds, importance)

"""Statistics of features that do not fit into memory at once."""

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["mean_and_deviation"]


def mean_and_deviation(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, over rows that come in parts.

    Args:
        parts: Rows, ``(n, D)`` each; at least one row in all.

    Returns:
        Mean and standard deviation, ``(D,)`` each, summed up in double precision.

    >>> mean_and_deviation([torch.tensor([[1.0], [2.0]]), torch.tensor([[6.0]])])
    (tensor([3.]), tensor([2.1602]))
    """
    count, total, squares = 0, torch.zeros(1, dtype=torch.double), torch.zeros(1, dtype=torch.double)
    for part in parts:
        rows = part.double()
        count, total, squares = count + len(rows), total + rows.sum(dim=0), squares + rows.square().sum(dim=0)
    mean = total / count
    return mean.float(), (squares / count - mean.square()).clamp(min=0).sqrt().float()

"""Low-rank corrections of frozen weights."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

__all__ = ["LowRank", "add_low_rank"]

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class LowRank(nn.Module):
    """Adds a product of two thin matrices to a weight; zero at the start.

    Args:
        weight: The weight, ``(out, ...)``; whatever follows the first dimension counts as input.
        rank: Rank of the correction.

    Source:
        LoRA, arXiv:2106.09685, with a scale of 1.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        inputs = weight[0].numel()
        self.down = nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        """The corrected weight."""
        return weight + (self.up @ self.down).view_as(weight)


def add_low_rank(module: nn.Module, rank: int) -> int:
    """Correct the weights of a module that is a linear layer, a convolution or an attention; others stay as they are.

    Args:
        module: The module; its own weights are frozen.
        rank: Rank of each correction; at most that of the weight.

    Returns:
        Number of corrected weights.
    """
    names = []
    if isinstance(module, _LAYERS):
        names = ["weight"]
    elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
        names = ["in_proj_weight"]  # its output is a linear layer of its own
    for name in names:
        weight = getattr(module, name)
        own = LowRank(weight.detach(), min(rank, len(weight), weight[0].numel()))
        register_parametrization(module, name, own)
    return len(names)

"""Features on a common scale, by statistics of the training videos."""

import torch
from torch import Tensor, nn

from wtal.errors import FeatureError

__all__ = ["FeatureNorm"]


class FeatureNorm(nn.Module):
    """Subtracts the mean of each channel and, on request, divides by its standard deviation.

    The statistics are set once before training and kept in the checkpoint; until then features pass unchanged.

    Args:
        dim: Number of channels.
        scale: Whether to divide by the standard deviation; not for unit-norm features, whose directions matter.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int, scale: bool = True) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Set the mean and standard deviation of each channel over the training snippets, ``(D,)`` each.

        Raises:
            FeatureError: If the features have another width.
        """
        self._check(mean.shape[-1])
        self.mean.copy_(mean)
        self.std.copy_(std.clamp(min=1e-3))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Normalise features ``(B, T, D)``; padding becomes zero.

        Raises:
            FeatureError: If the features have another width.
        """
        self._check(features.shape[-1])
        centred = features - self.mean  # a new tensor, so the next steps may work in place and save copies
        return (centred.div_(self.std) if self.scale else centred).masked_fill_(~mask[..., None], 0)

    def _check(self, channels: int) -> None:
        if channels != len(self.mean):
            raise FeatureError(
                f"The features have {channels} channels, but the head expects {len(self.mean)}: set the head's "
                f"`in_dim` (`dim` for a text head) to {channels}, or give other features."
            )

"""Adapters that let a frozen block look along time."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["TemporalAdapter", "add_temporal_adapters"]


class TemporalAdapter(nn.Module):
    """Down to fewer channels, a depth-wise convolution along the frames of a snippet, and up again; zero at the start.

    It stays within a snippet, so that the features of one do not depend on which others are encoded with it.

    Args:
        channels: Number of channels of the block.
        frames: Number of frames of a snippet at that block, where they are spread over the batch.
        reduction: Divisor of the channels between down and up.

    Source:
        AdaTAD, arXiv:2311.17241, section 3.3, whose convolution crosses the whole video.
    """

    def __init__(self, channels: int, frames: int = 1, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.frames = frames
        self.down, self.up = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.along = nn.Conv1d(hidden, hidden, 3, padding=1, groups=hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.scale = nn.Parameter(torch.ones(()))
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Add the adaptation.

        Args:
            x: Maps, ``(N, C, T, H, W)``, or tokens of each frame, ``(N * frames, L, C)``.

        Returns:
            The same shape.
        """
        if x.ndim == 5:
            places = x.permute(0, 2, 3, 4, 1)
            return x + self._adaptation(places.flatten(2, 3)).view_as(places).movedim(-1, 1)
        by_snippet = x.view(-1, self.frames, *x.shape[1:])  # (N, frames, L, C)
        return x + self._adaptation(by_snippet).flatten(0, 1)

    def _adaptation(self, x: Tensor) -> Tensor:
        """``(N, T, P, C)`` to the same shape."""
        hidden = F.gelu(self.down(x))
        count, time, places, channels = hidden.shape
        rows = hidden.permute(0, 2, 3, 1).reshape(-1, channels, time)
        seen = self.along(rows).view(count, places, channels, time).permute(0, 3, 1, 2)
        return self.scale * self.up(hidden + self.mix(seen))  # type: ignore[no-any-return]


def add_temporal_adapters(blocks: list[tuple[nn.Module, int]], frames: int, reduction: int) -> None:
    """Put an adapter behind each block, as its part ``adapter``.

    Args:
        blocks: Blocks with their numbers of output channels.
        frames: See :class:`TemporalAdapter`.
        reduction: See :class:`TemporalAdapter`.
    """
    for block, channels in blocks:
        block.adapter = TemporalAdapter(channels, frames, reduction)
        block.register_forward_hook(_adapted)


def _adapted(block: nn.Module, inputs: object, output: Any) -> Any:  # noqa: ANN401  torch's own signature
    assert isinstance(block.adapter, nn.Module)
    return block.adapter(output)

"""Layers that look along time and never at padding."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["TemporalConv", "TemporalTransformer"]


class TemporalConv(nn.Module):
    """A convolution over time, LeakyReLU and dropout.

    Padding is zeroed before the convolution, so that a video's end looks the same whatever it is batched with.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
        kernel_size: Snippets that one output sees; odd.
        dropout: Share of the output's entries that is dropped in training.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_dim, out_dim, kernel_size, padding=kernel_size // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """From ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, out_dim)``."""
        x = x.masked_fill(~mask[..., None], 0)
        hidden = self.conv(x.transpose(1, 2)).transpose(1, 2)
        return self.dropout(F.leaky_relu(hidden, 0.2))  # type: ignore[no-any-return]


class TemporalTransformer(nn.Module):
    """A residual Transformer over time that starts as the identity.

    Args:
        dim: Channels.
        depth: Layers; 0 leaves the features as they are.
        heads: Attention heads.
        dropout: In each layer.
    """

    def __init__(self, dim: int, depth: int = 1, heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.out = nn.Linear(dim, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """From ``(B, T, dim)`` and mask ``(B, T)`` to ``(B, T, dim)``."""
        if not self.layers:
            return x
        place = torch.arange(x.shape[1], device=x.device)[:, None]
        rate = torch.exp(torch.arange(0, x.shape[2], 2, device=x.device) * (-math.log(10_000) / x.shape[2]))
        angle = place * rate
        hidden = x + torch.cat([angle.sin(), angle.cos()], dim=1)[:, : x.shape[2]] / math.sqrt(x.shape[2])
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=~mask)
        return x + self.out(hidden)  # type: ignore[no-any-return]

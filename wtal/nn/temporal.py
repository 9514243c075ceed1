"""Layers that look along time and never at padding."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AttentionLayer", "MaskedConv", "TemporalConv", "TemporalTransformer"]


class MaskedConv(nn.Conv1d):
    """A convolution over time that keeps the length.

    Padding is zeroed before it, so that a video's end looks the same whatever it is batched with.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
        kernel_size: Snippets that one output sees; odd.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3) -> None:
        super().__init__(in_dim, out_dim, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """From ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, out_dim)``."""
        return super().forward(x.masked_fill(~mask[..., None], 0).transpose(1, 2)).transpose(1, 2)

    def taps(self, x: Tensor, mask: Tensor) -> Tensor:
        """What each snippet gives to the outputs around it, ``(B, T, kernel_size, out_dim)``.

        ``gather(taps(x, mask))`` is the convolution, and ``gather(weight * taps(x, mask))`` that of weighted snippets:
        several weightings of the same features cost one product with the kernel, and its backward pass one.
        """
        kernel = self.weight.permute(2, 0, 1).flatten(0, 1)
        return F.linear(x.masked_fill(~mask[..., None], 0), kernel).reshape(*mask.shape, *self.kernel_size, -1)

    def gather(self, taps: Tensor) -> Tensor:
        """Add up what each output is given, ``(B, T, out_dim)``."""
        length, size = taps.shape[1:3]
        padded = F.pad(taps, (0, 0, 0, 0, size // 2, size // 2))
        assert self.bias is not None
        return torch.stack([padded[:, k : k + length, k] for k in range(size)]).sum(dim=0) + self.bias


class TemporalConv(nn.Module):
    """A convolution over time, LeakyReLU and dropout.

    Args:
        in_dim: Channels in.
        out_dim: Channels out.
        kernel_size: Snippets that one output sees; odd.
        dropout: Share of the output's entries that is dropped in training.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv, self.dropout = MaskedConv(in_dim, out_dim, kernel_size), nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """From ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, out_dim)``."""
        return self.activate(self.conv(x, mask))

    def activate(self, x: Tensor) -> Tensor:
        """What follows the convolution."""
        return self.dropout(F.leaky_relu(x, 0.2))  # type: ignore[no-any-return]


class AttentionLayer(nn.TransformerEncoderLayer):
    """A layer of a Transformer, normalised first, whose memory grows with the length, not with its square.

    PyTorch's own holds every pair of snippets, which an hour of video has not the room for. (So does
    dropout on a CPU, in training, which sees crops.)

    Args:
        width: Channels.
        heads: Attention heads.
        dropout: On attention, and on both outputs.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """From ``(B, T, width)`` and mask ``(B, T)`` to ``(B, T, width)``."""
        attention = self.self_attn
        joint = F.linear(self.norm1(x), attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = joint.view(*mask.shape, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        dropout = attention.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, mask[:, None, None], dropout)
        x = x + self.dropout1(attention.out_proj(seen.transpose(1, 2).flatten(2)))
        return x + self._ff_block(self.norm2(x))


class TemporalTransformer(nn.Module):
    """A narrow Transformer over time.

    A convolution tells the layers what is near (conditional position, arXiv:2102.10882): it works at lengths never
    seen, and moves with the video.

    Args:
        in_dim: Channels in.
        width: Channels inside and out.
        depth: Layers; 0 leaves the convolution alone.
        heads: Attention heads.
        kernel_size: Snippets that the convolution sees; odd.
        dropout: On the input and in each layer.
    """

    def __init__(
        self, in_dim: int, width: int = 128, depth: int = 1, heads: int = 8, kernel_size: int = 5, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.dropout, self.reduce = nn.Dropout(dropout), nn.Linear(in_dim, width)
        self.near = MaskedConv(width, width, kernel_size)
        self.layers = nn.ModuleList(AttentionLayer(width, heads, dropout) for _ in range(depth))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """From ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, width)``."""
        hidden = self.reduce(self.dropout(x))
        hidden = hidden + F.gelu(self.near(hidden, mask))
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden  # type: ignore[no-any-return]

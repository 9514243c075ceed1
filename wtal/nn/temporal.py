"""Layers along time that ignore padding."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AttentionLayer", "MaskedConv", "TemporalConv", "TemporalTransformer", "moving_average"]


def moving_average(values: Tensor, mask: Tensor, size: int) -> Tensor:
    """Average of each snippet and its neighbours, of the real ones among them.

    Args:
        values: Values of the snippets, ``(B, T, C)``.
        mask: True on real snippets, ``(B, T)``.
        size: Number of snippets in a window; odd.

    Returns:
        Averages, ``(B, T, C)``; those of padding mean nothing.

    >>> mask = torch.tensor([[True, True, True, False]])
    >>> moving_average(torch.tensor([[[1.0], [2.0], [6.0], [9.0]]]), mask, size=3)[0, :3, 0]
    tensor([1.5000, 3.0000, 4.0000])
    """
    real = mask[:, None].to(values.dtype)
    total = F.avg_pool1d(values.transpose(1, 2) * real, size, 1, size // 2)
    share = F.avg_pool1d(real, size, 1, size // 2).clamp(min=torch.finfo(values.dtype).tiny)
    return (total / share).transpose(1, 2)


class MaskedConv(nn.Conv1d):
    """A convolution over time that keeps the length.

    Padding is set to zero first, so that the end of a video gets the same output whatever it is batched with.

    Args:
        in_dim: Number of input channels.
        out_dim: Number of output channels.
        kernel_size: Number of snippets that one output sees; odd.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3) -> None:
        super().__init__(in_dim, out_dim, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Map ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, out_dim)``."""
        return super().forward(x.masked_fill(~mask[..., None], 0).transpose(1, 2)).transpose(1, 2)

    def taps(self, x: Tensor, mask: Tensor) -> Tensor:
        """Contribution of each snippet to the outputs around it, ``(B, T, kernel_size, out_dim)``.

        ``gather(taps(x, mask))`` is the convolution, and ``gather(weight * taps(x, mask))`` that of weighted snippets:
        several weightings of the same features need only one product with the kernel, forward and backward.
        """
        kernel = self.weight.permute(2, 0, 1).flatten(0, 1)
        return F.linear(x.masked_fill(~mask[..., None], 0), kernel).reshape(*mask.shape, *self.kernel_size, -1)

    def gather(self, taps: Tensor) -> Tensor:
        """Sum the contributions to each output, ``(B, T, out_dim)``."""
        length, size = taps.shape[1:3]
        padded = F.pad(taps, (0, 0, 0, 0, size // 2, size // 2))
        assert self.bias is not None
        return torch.stack([padded[:, k : k + length, k] for k in range(size)]).sum(dim=0) + self.bias


class TemporalConv(nn.Module):
    """A convolution over time, LeakyReLU and dropout.

    Args:
        in_dim: Number of input channels.
        out_dim: Number of output channels.
        kernel_size: Number of snippets that one output sees; odd.
        dropout: Probability that an entry of the output is dropped in training.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv, self.dropout = MaskedConv(in_dim, out_dim, kernel_size), nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, out_dim)``."""
        return self.activate(self.conv(x, mask))

    def activate(self, x: Tensor) -> Tensor:
        """Apply LeakyReLU and dropout."""
        return self.dropout(F.leaky_relu(x, 0.2))  # type: ignore[no-any-return]


class AttentionLayer(nn.TransformerEncoderLayer):
    """A pre-norm Transformer layer whose memory grows linearly with the length.

    PyTorch's own layer holds every pair of snippets, too much for an hour of video. (Dropout on a CPU does so too, but
    only in training, on crops.)

    Args:
        width: Number of channels.
        heads: Number of attention heads.
        dropout: Dropout probability of the attention and of both outputs.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Map ``(B, T, width)`` and mask ``(B, T)`` to ``(B, T, width)``."""
        attention = self.self_attn
        joint = F.linear(self.norm1(x), attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = joint.view(*mask.shape, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        dropout = attention.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, mask[:, None, None], dropout)
        x = x + self.dropout1(attention.out_proj(seen.transpose(1, 2).flatten(2)))
        return x + self._ff_block(self.norm2(x))


class TemporalTransformer(nn.Module):
    """A narrow Transformer over time.

    A convolution encodes the position (conditional positional encoding, arXiv:2102.10882): it generalizes to lengths
    not seen in training, and is equivariant to shifts in time.

    Args:
        in_dim: Number of input channels.
        width: Number of channels inside and of the output.
        depth: Number of layers; 0 leaves only the convolution.
        heads: Number of attention heads.
        kernel_size: Number of snippets that the convolution sees; odd.
        dropout: Dropout probability of the input and in each layer.
    """

    def __init__(
        self, in_dim: int, width: int = 128, depth: int = 1, heads: int = 8, kernel_size: int = 5, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.dropout, self.reduce = nn.Dropout(dropout), nn.Linear(in_dim, width)
        self.near = MaskedConv(width, width, kernel_size)
        self.layers = nn.ModuleList(AttentionLayer(width, heads, dropout) for _ in range(depth))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, width)``."""
        hidden = self.reduce(self.dropout(x))
        hidden = hidden + F.gelu(self.near(hidden, mask))
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden  # type: ignore[no-any-return]

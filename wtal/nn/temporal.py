"""Layers along time that ignore padding."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AttentionLayer", "MaskedConv", "TemporalConv", "TemporalTransformer", "moving_average"]


_is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", lambda: False)  # since torch 2.7


def moving_average(values: Tensor, mask: Tensor, size: int, causal: bool = False) -> Tensor:
    """Average of each snippet and its neighbours, of the real ones among them.

    Args:
        values: Values of the snippets, ``(B, T, C)``.
        mask: True on real snippets, ``(B, T)``.
        size: Number of snippets in a window; odd.
        causal: Whether the window ends with the snippet, so that none is seen that comes after it.

    Returns:
        Averages, ``(B, T, C)``; those of padding mean nothing.

    >>> mask = torch.tensor([[True, True, True, False]])
    >>> moving_average(torch.tensor([[[1.0], [2.0], [6.0], [9.0]]]), mask, size=3)[0, :3, 0]
    tensor([1.5000, 3.0000, 4.0000])
    """
    real = mask[:, None].to(values.dtype)
    before = size - 1 if causal else 0
    total = F.avg_pool1d(F.pad(values.transpose(1, 2) * real, (before, 0)), size, 1, 0 if causal else size // 2)
    share = F.avg_pool1d(F.pad(real, (before, 0)), size, 1, 0 if causal else size // 2)
    return (total / share.clamp(min=torch.finfo(values.dtype).tiny)).transpose(1, 2)


class MaskedConv(nn.Conv1d):
    """A convolution over time that keeps the length.

    Padding is set to zero first, so that the end of a video gets the same output whatever it is batched with.

    Args:
        in_dim: Number of input channels.
        out_dim: Number of output channels.
        kernel_size: Number of snippets that one output sees; odd.
        causal: Whether the last of them is the snippet itself, so that none is seen that comes after it.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3, causal: bool = False) -> None:
        super().__init__(in_dim, out_dim, kernel_size, padding=0 if causal else kernel_size // 2)
        self.before = kernel_size - 1 if causal else kernel_size // 2  # snippets that an output sees before its own

    @property
    def past(self) -> int | None:
        """Number of earlier snippets that an output sees; None if it sees later ones, too."""
        return None if self.padding[0] else self.before

    @property
    def lag(self) -> float:
        """How far the middle of what an output sees lies before its own snippet."""
        return self.before - (self.kernel_size[0] - 1) / 2

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Map ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, out_dim)``."""
        x = x.masked_fill(~mask[..., None], 0).transpose(1, 2)
        return super().forward(x if self.padding[0] else F.pad(x, (self.before, 0))).transpose(1, 2)

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
        padded = F.pad(taps, (0, 0, 0, 0, self.before, size - 1 - self.before))
        assert self.bias is not None
        return torch.stack([padded[:, k : k + length, k] for k in range(size)]).sum(dim=0) + self.bias


class TemporalConv(nn.Module):
    """A convolution over time, LeakyReLU and dropout.

    Args:
        in_dim: Number of input channels.
        out_dim: Number of output channels.
        kernel_size: Number of snippets that one output sees; odd.
        dropout: Probability that an entry of the output is dropped in training.
        causal: See :class:`MaskedConv`.
    """

    def __init__(
        self, in_dim: int, out_dim: int, kernel_size: int = 3, dropout: float = 0.5, causal: bool = False
    ) -> None:
        super().__init__()
        self.conv, self.dropout = MaskedConv(in_dim, out_dim, kernel_size, causal), nn.Dropout(dropout)

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
        past: Number of earlier snippets that each one attends to, beside itself; None for all snippets of the video.
    """

    def __init__(self, width: int, heads: int, dropout: float, past: int | None = None) -> None:
        super().__init__(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
        self.past = past

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Map ``(B, T, width)`` and mask ``(B, T)`` to ``(B, T, width)``."""
        attention = self.self_attn
        joint = F.linear(self.norm1(x), attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = joint.view(*mask.shape, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        dropout = attention.dropout if self.training else 0.0
        if self.past is None:
            seen = F.scaled_dot_product_attention(query, key, value, mask[:, None, None], dropout)
        else:
            attend = attend_to_all_pairs if _is_exporting() else attend_to_blocks
            seen = attend(query, key, value, mask, self.past, dropout)
        x = x + self.dropout1(attention.out_proj(seen.transpose(1, 2).flatten(2)))
        return x + self._ff_block(self.norm2(x))


def attend_to_all_pairs(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, past: int, dropout: float = 0.0
) -> Tensor:
    """Attention of each snippet to itself and ``past`` earlier ones, by a mask of all pairs of snippets.

    Args:
        query: Queries, ``(B, H, T, D)``.
        key: Keys, ``(B, H, T, D)``.
        value: Values, ``(B, H, T, D)``.
        mask: True on real snippets, ``(B, T)``.
        past: Number of earlier snippets.
        dropout: Probability that a weight is dropped.
    """
    place = torch.arange(mask.shape[1], device=mask.device)
    back = place[:, None] - place  # (T, T) how far a key lies before a query
    seen = (back >= 0) & (back <= past) & mask[:, None, None] | (back == 0)  # padding sees itself: no row is empty
    return F.scaled_dot_product_attention(query, key, value, seen, dropout)


def attend_to_blocks(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, past: int, dropout: float = 0.0
) -> Tensor:
    """What :func:`attend_to_all_pairs` gives, in memory that grows linearly with the length.

    Queries are cut into blocks as long as what each sees, and each block attends to itself and what lies before it.
    """
    batch, heads, length, width = query.shape
    size = past + 1
    count = -(-length // size)
    after = count * size - length
    queries = F.pad(query, (0, 0, 0, after)).reshape(batch, heads, count, size, width).transpose(1, 2)
    keys, values = (
        F.pad(part, (0, 0, past, after)).unfold(2, past + size, size).permute(0, 2, 1, 4, 3) for part in (key, value)
    )
    real = F.pad(mask, (past, after)).unfold(1, past + size, size)  # (B, count, past + size)
    ahead = torch.arange(past + size, device=mask.device) - torch.arange(size, device=mask.device)[:, None]
    seen = (ahead >= 0) & (ahead <= past) & real[:, :, None] | (ahead == past)  # the query itself is `past` places in
    found = F.scaled_dot_product_attention(
        queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1), seen.flatten(0, 1)[:, None], dropout
    )
    found = found.reshape(batch, count, heads, size, width).transpose(1, 2)
    return found.reshape(batch, heads, count * size, width)[:, :, :length]


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
        past: Number of earlier snippets that each layer's attention sees, so that nothing is seen that comes after a
            snippet; None for all snippets of the video, before and after.
    """

    def __init__(
        self,
        in_dim: int,
        width: int = 128,
        depth: int = 1,
        heads: int = 8,
        kernel_size: int = 5,
        dropout: float = 0.3,
        past: int | None = None,
    ) -> None:
        super().__init__()
        self.dropout, self.reduce = nn.Dropout(dropout), nn.Linear(in_dim, width)
        self.near = MaskedConv(width, width, kernel_size, causal=past is not None)
        self.layers = nn.ModuleList(AttentionLayer(width, heads, dropout, past) for _ in range(depth))
        self.past = None if past is None else self.near.before + depth * past  # earlier snippets that an output sees

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map ``(B, T, in_dim)`` and mask ``(B, T)`` to ``(B, T, width)``."""
        hidden = self.reduce(self.dropout(x))
        hidden = hidden + F.gelu(self.near(hidden, mask))
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden  # type: ignore[no-any-return]

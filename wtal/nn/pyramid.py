"""A temporal pyramid that predicts instances at every place of every scale, without anchors."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import MaskedConv

__all__ = ["Boundaries", "PyramidHead", "PyramidOutput", "Uncertainty"]

Boundaries = Literal["distance", "distribution"]
Uncertainty = Literal["none", "laplace", "gaussian"]

_PRIOR = 0.01  # probability of a class at any place before training, as in focal loss's paper


class PyramidOutput(NamedTuple):
    """Predictions at ``P`` places: those of the finest level first. Times are indices on the grid of the snippets."""

    logits: Tensor  # (B, P, C) of the classes
    bounds: Tensor  # (B, P, 2) start and end of the instance around each place
    log_spread: Tensor | None  # (B, P, 2) logarithm of the spread of both bounds, in strides
    mask: Tensor  # (B, P) bool, True on places inside the video
    centre: Tensor  # (P,)
    stride: Tensor  # (P,) snippets from one place of the level to the next
    curve: Tensor  # (B, T, C) the best logit of any level at each snippet


class PyramidHead(nn.Module):
    """Class logits and the distances to both ends of an instance, at places of doubling strides.

    Args:
        class_names: Names of the classes.
        in_dim: Width of the features; several streams count together.
        width: Channels inside.
        levels: Number of levels, whose strides are 1, 2, 4 and so on.
        input_dropout: Probability that a channel is dropped in training, in all snippets of a crop at once: single ones
            would add noise along time, in which bounds are lost.
        dropout: The same inside.
        boundaries: ``distance`` predicts both distances as numbers, ``distribution`` as the mean of a distribution over
            ``bins`` places on either side, which adds the evidence of the places themselves to be a bound.
        bins: Number of these places, in strides.
        uncertainty: Whether the spread of each bound is predicted, and of which distribution it is.
        scale: Whether features are divided by their standard deviations.

    Raises:
        ValueError: If a number is out of range.

    Source:
        ActionFormer (arXiv:2202.07925) for levels, shared heads and their form, with convolutions in place of
            attention; TriDet (arXiv:2303.07347) for ``distribution``, here of bounds that all classes share.
    """

    is_trained: bool = False

    def __init__(
        self,
        class_names: list[str],
        in_dim: int = 2560,
        width: int = 64,
        levels: int = 5,
        input_dropout: float = 0.3,
        dropout: float = 0.1,
        boundaries: Boundaries = "distance",
        bins: int = 12,
        uncertainty: Uncertainty = "none",
        scale: bool = True,
    ) -> None:
        super().__init__()
        if min(in_dim, width, levels, bins) < 1:
            raise ValueError("`in_dim`, `width`, `levels` and `bins` of the pyramid must be at least 1.")
        self.levels, self.bins, self.boundaries, self.uncertainty = levels, bins, boundaries, uncertainty
        self.norm, self.dropout = FeatureNorm(in_dim, scale), nn.Dropout1d(input_dropout)
        self.stem = nn.ModuleList([_Block(in_dim, width, dropout), _Block(width, width, dropout)])
        self.down = nn.ModuleList(_Down(width) for _ in range(levels - 1))
        self.blocks = nn.ModuleList(_Residual(width, dropout) for _ in range(levels))
        self.classes, self.ends = (nn.ModuleList(_Block(width, width, 0.0) for _ in range(2)) for _ in range(2))
        self.to_logits = MaskedConv(width, len(class_names))
        nn.init.constant_(self.to_logits.bias, -math.log((1 - _PRIOR) / _PRIOR))  # type: ignore[arg-type]
        channels = 2 if boundaries == "distance" else 2 + 2 * (bins + 1)
        self.to_ends = MaskedConv(width, channels + (2 if uncertainty != "none" else 0))
        self.scales = nn.Parameter(torch.ones(levels))

    def forward(self, features: Tensor, mask: Tensor) -> PyramidOutput:
        """Predict at every place.

        Args:
            features: Features of the snippets, ``(B, T, in_dim)``.
            mask: True on real snippets, ``(B, T)``, which come first.
        """
        hidden = self.dropout(self.norm(features, mask).transpose(1, 2)).transpose(1, 2)
        for block in self.stem:
            hidden = block(hidden, mask)
        levels, masks = [], []
        for level, block in enumerate(self.blocks):
            if level:
                hidden, mask = self.down[level - 1](hidden, mask), mask[:, ::2]
            hidden = block(hidden, mask)
            levels.append(hidden)
            masks.append(mask)
        return self._predict(levels, masks)

    def _predict(self, levels: list[Tensor], masks: list[Tensor]) -> PyramidOutput:
        """Predictions of the heads, which see all levels at once, one after the other with gaps in between."""
        gap = self.bins if self.boundaries == "distribution" else 1
        apart = torch.cat([F.pad(hidden, (0, 0, 0, gap)) for hidden in levels], dim=1)
        mask = torch.cat([F.pad(real, (0, gap)) for real in masks], dim=1)
        lengths, strides = [real.shape[1] for real in masks], [2**level for level in range(self.levels)]
        places = torch.cat([torch.arange(length + gap) < length for length in lengths]).to(mask.device)
        centre = torch.cat([torch.arange(n) * step + 0.5 for n, step in zip(lengths, strides, strict=True)]).to(apart)
        stride = torch.cat([torch.full((n,), step) for n, step in zip(lengths, strides, strict=True)]).to(apart)
        scale = self.scales.repeat_interleave(torch.tensor(lengths, device=apart.device))
        classes, ends = apart, apart
        for of_classes, of_ends in zip(self.classes, self.ends, strict=True):
            classes, ends = of_classes(classes, mask), of_ends(ends, mask)
        logits, raw = self.to_logits(classes, mask)[:, places], self.to_ends(ends, mask)
        log_spread = raw[:, places, -2:].clamp(-5, 5) if self.uncertainty != "none" else None
        if self.boundaries == "distance":
            distance = F.softplus(scale[:, None] * raw[:, places, :2])
        else:
            distance = self._expected(raw, mask)[:, places]
        bounds = centre[:, None] + distance.new_tensor([-1.0, 1.0]) * distance * stride[:, None]
        curve = _best_of_levels(logits.split(lengths, dim=1), strides)
        return PyramidOutput(logits, bounds, log_spread, mask[:, places], centre, stride, curve)

    def _expected(self, raw: Tensor, mask: Tensor) -> Tensor:
        """Mean distances to the start and the end, in strides, ``(B, T, 2)``."""
        bins, count = self.bins, self.bins + 1
        evidence = raw[..., :2].masked_fill(~mask[..., None], -10.0)
        own = raw[..., 2 : 2 + 2 * count].reshape(*mask.shape, 2, count)
        before = F.pad(evidence[..., 0], (bins, 0), value=-10.0).unfold(1, count, 1).flip(2)  # from the place backward
        after = F.pad(evidence[..., 1], (0, bins), value=-10.0).unfold(1, count, 1)
        share = (torch.stack([before, after], dim=2) + own).softmax(dim=3)
        return (share * torch.arange(count, device=raw.device)).sum(dim=3)


def _best_of_levels(levels: Sequence[Tensor], strides: Sequence[int]) -> Tensor:
    """The best value of any level at each snippet, ``(B, T, C)``; the first level has one place per snippet."""
    length = levels[0].shape[1]
    spread = [part.repeat_interleave(step, 1)[:, :length] for part, step in zip(levels, strides, strict=True)]
    return torch.stack(spread).amax(dim=0)


class _Block(nn.Module):
    """A convolution, normalization and GELU."""

    def __init__(self, in_dim: int, out_dim: int, dropout: float) -> None:
        super().__init__()
        self.conv, self.norm, self.dropout = MaskedConv(in_dim, out_dim), nn.LayerNorm(out_dim), nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.dropout(F.gelu(self.norm(self.conv(x, mask))))  # type: ignore[no-any-return]


class _Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.near, self.out = nn.LayerNorm(width), MaskedConv(width, width), MaskedConv(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x + self.dropout(self.out(F.gelu(self.near(self.norm(x), mask)), mask))  # type: ignore[no-any-return]


class _Down(nn.Module):
    """A convolution at every other place; place ``i`` of the result lies at place ``2 i``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.LayerNorm(width), nn.Conv1d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norm(x).masked_fill(~mask[..., None], 0)
        return self.conv(x.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]

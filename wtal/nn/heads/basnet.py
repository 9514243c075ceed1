"""A BaS-Net-like head: one classifier sees each video twice, with its background and with it filtered out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wtal.losses.video import background_mil_losses, sparsity_loss
from wtal.nn.heads.head import Head
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import TemporalConv
from wtal.types import BranchOutput

__all__ = ["BaSNetHead", "BaSNetOutput"]


@dataclass
class BaSNetOutput(BranchOutput):
    """CAS and background of the suppression branch, and the CAS of the base branch."""

    base: Tensor  # (B, T, C + 1)

    @property
    def suppressed(self) -> Tensor:
        """The plain logits, because the filter has already suppressed the features."""
        return self.plain


class BaSNetHead(Head):
    """Two branches that share their weights; actionness filters the features of the second.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features.
        hidden: Width of the classifier's embedding (the paper's is ``in_dim``).
        filter_dim: Width of the filtering module.
        dropout: Dropout before the last layer.
        ratio: Snippets per vote of top-k pooling.
        base: Weight of the MIL loss that sees the background.
        suppressed: Weight of the MIL loss that must not see it.
        sparsity: Weight of the mean actionness.
        causal: Whether a snippet is scored by itself and what came before, so that the head can score a stream.

    Source:
        BaS-Net, arXiv:1911.09963, section 3; weights of its public code (THUMOS14). Differs from it: features are
        normalised, both branches share one product with the kernel, and the embedding is one convolution instead of
        two, and narrower (several times faster, though the full width needed fewer epochs on simulated features).
    """

    def __init__(
        self,
        class_names: Sequence[str],
        in_dim: int = 2048,
        hidden: int = 512,
        filter_dim: int = 512,
        dropout: float = 0.7,
        ratio: int = 8,
        base: float = 1.0,
        suppressed: float = 1.0,
        sparsity: float = 0.1,
        causal: bool = False,
    ) -> None:
        super().__init__(ratio)
        self.base, self.suppressed, self.sparsity = base, suppressed, sparsity
        self.norm = FeatureNorm(in_dim)
        self.filter = nn.Sequential(nn.Linear(in_dim, filter_dim), nn.LeakyReLU(0.2), nn.Linear(filter_dim, 1))
        self.embed = TemporalConv(in_dim, hidden, dropout=dropout, causal=causal)
        self.classifier = nn.Linear(hidden, len(class_names) + 1)

    @property
    def past(self) -> int | None:
        """Those of the one convolution, if it is causal."""
        return self.embed.conv.past

    @property
    def lag(self) -> float:
        """That of the one convolution."""
        return self.embed.conv.lag

    def forward(self, features: Tensor, mask: Tensor) -> BaSNetOutput:
        """Score each snippet; the base branch serves only the loss."""
        features = self.norm(features, mask)
        attention = self.filter(features).squeeze(2).float().sigmoid()
        taps, gather = self.embed.conv.taps(features, mask), self.embed.conv.gather
        embedding = self.embed.activate(torch.cat([gather(taps), gather(taps * attention[..., None, None])]))
        base, cas = self.classifier(embedding).float().chunk(2)
        return BaSNetOutput(cas[..., :-1], cas[..., -1], attention, embedding.chunk(2)[1], base)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """MIL of both branches, and sparsity."""
        assert isinstance(out, BaSNetOutput)
        mil = background_mil_losses(out.base, out.suppressed, mask, labels, self.ratio)
        return {
            "mil": self.base * mil["mil"],
            "mil_suppressed": self.suppressed * mil["mil_suppressed"],
            "sparsity": self.sparsity * sparsity_loss(out.attention, mask),
        }

"""A CO2-Net-like head: RGB and flow must agree on what is redundant in each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.functional.pooling import masked_mean
from wtal.losses.video import background_mil_losses, co_activity_loss, guidance_loss, sparsity_loss
from wtal.nn.heads.head import Head
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import TemporalConv
from wtal.types import BranchOutput

__all__ = ["CO2Head", "CO2Output", "CO2Weights"]


@dataclass(frozen=True)
class CO2Weights:
    """Weights of the terms beside the two MIL losses; the defaults are those of the public code on THUMOS14.

    Args:
        sparsity: Weight of the mean actionness (``alpha1``).
        guidance: Weight of the agreement between actionness and background class (``alpha2``).
        co_activity: Weight of the co-activity loss (``alpha3``).
        mutual: Weight of the agreement between the two modalities' actionness (``alpha4``).
    """

    sparsity: float = 0.8
    guidance: float = 0.8
    co_activity: float = 1.0
    mutual: float = 1.0


@dataclass
class CO2Output(BranchOutput):
    """Adds the actionness that each modality predicts on its own."""

    rgb_attention: Tensor  # (B, T)
    flow_attention: Tensor  # (B, T)

    @property
    def suppressed(self) -> Tensor:
        """Logits pulled towards the smallest one of the snippet where actionness is low, as in the public code."""
        low = self.plain.amin(dim=2, keepdim=True)
        return low + self.attention[..., None] * (self.plain - low)


class CrossModalConsensus(nn.Module):
    """Filters one modality by its own global view and the other's local view, then scores actionness.

    Args:
        dim: Width of a modality.
        hidden: Width of the attention layers.
        dropout: Dropout after each layer.

    Source:
        CO2-Net, arXiv:2107.12589, section 3.2.
    """

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.local = TemporalConv(dim, dim, dropout=dropout)
        self.globally = nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(0.2), nn.Dropout(dropout))
        self.attend = nn.ModuleList(
            [TemporalConv(dim, hidden, dropout=dropout), TemporalConv(hidden, hidden, dropout=0)]
        )
        self.score = nn.Linear(hidden, 1)

    def forward(self, main: Tensor, auxiliary: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Actionness ``(B, T)`` and filtered features ``(B, T, D)`` of the main modality."""
        channels = self.globally(masked_mean(main, mask))[:, None]
        filtered = torch.sigmoid(channels * self.local(auxiliary, mask)) * main
        hidden = filtered
        for layer in self.attend:
            hidden = layer(hidden, mask)
        return self.score(hidden).squeeze(2).float().sigmoid(), filtered


class CO2Head(Head):
    """Cross-modal consensus of RGB and flow, and a classifier on both.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features: RGB, then flow, half each.
        hidden: Width of the classifier's embedding (the paper's is ``in_dim``).
        attention_dim: Width of the attention layers.
        dropout: Dropout in the modules and on the fused features.
        classifier_dropout: Dropout before the last layer.
        ratio: Snippets per vote of top-k pooling (7 in the public ``run.sh``).
        weights: Weights of the loss terms.

    Source:
        CO2-Net, arXiv:2107.12589. Differs from its public code: the global view is a linear layer (their convolution
        sees one padded position), no dropout follows the last attention layer, the co-activity loss runs over all
        pairs of a batch instead of three chosen ones, and the embedding is narrower.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        in_dim: int = 2048,
        hidden: int = 512,
        attention_dim: int = 512,
        dropout: float = 0.5,
        classifier_dropout: float = 0.7,
        ratio: int = 7,
        weights: CO2Weights = CO2Weights(),
    ) -> None:
        super().__init__(ratio)
        self.weights = weights
        self.norm = FeatureNorm(in_dim)
        self.rgb = CrossModalConsensus(in_dim // 2, attention_dim, dropout)
        self.flow = CrossModalConsensus(in_dim // 2, attention_dim, dropout)
        self.fuse = nn.Sequential(nn.Linear(in_dim, in_dim), nn.LeakyReLU(0.2), nn.Dropout(dropout))
        self.embed = TemporalConv(in_dim, hidden, dropout=classifier_dropout)
        self.classifier = nn.Linear(hidden, len(class_names) + 1)

    def forward(self, features: Tensor, mask: Tensor) -> CO2Output:
        """Score each snippet."""
        rgb, flow = self.norm(features, mask).chunk(2, dim=2)
        rgb_attention, rgb_features = self.rgb(rgb, flow, mask)
        flow_attention, flow_features = self.flow(flow, rgb, mask)
        embedding = self.fuse(torch.cat([rgb_features, flow_features], dim=2))
        logits = self.classifier(self.embed(embedding, mask)).float()
        attention = (rgb_attention + flow_attention) / 2
        return CO2Output(logits[..., :-1], logits[..., -1], attention, embedding, rgb_attention, flow_attention)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """MIL, sparsity and guidance of each actionness, co-activity, and agreement of the modalities."""
        assert isinstance(out, CO2Output)
        background = out.plain.softmax(dim=2)[..., -1]
        actionness = (out.attention, out.rgb_attention, out.flow_attention)
        sparsity = torch.stack([sparsity_loss(a, mask) for a in actionness]).mean()
        guidance = torch.stack([guidance_loss(a, background, mask) for a in actionness]).mean()
        suppressed = out.suppressed[..., :-1]
        return {
            **background_mil_losses(out.plain, out.suppressed, mask, labels, self.ratio),
            "sparsity": self.weights.sparsity * sparsity,
            "guidance": self.weights.guidance * guidance,
            "co_activity": self.weights.co_activity * co_activity_loss(out.embedding, suppressed, labels, mask),
            "mutual": self.weights.mutual * _mutual(out.rgb_attention, out.flow_attention, mask),
        }


def _mutual(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Squared difference by which either modality's actionness learns from the other's (CO2-Net, eq. 8)."""
    a, b = a[mask], b[mask]
    return (F.mse_loss(a, b.detach()) + F.mse_loss(b, a.detach())) / 2

"""The plain head: one embedding, a classifier and an attention, trained by multiple-instance learning."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from wtal.losses.video import background_mil_losses, guidance_loss, sparsity_loss
from wtal.nn.heads.head import Head
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import MaskedConv, TemporalConv
from wtal.types import BranchOutput

__all__ = ["AttentionMILHead", "AttentionMILWeights"]


@dataclass(frozen=True)
class AttentionMILWeights:
    """Weights of the terms beside the two MIL losses.

    Args:
        sparsity: Of the mean actionness.
        guidance: Of the agreement between actionness and background class.
    """

    sparsity: float = 0.8
    guidance: float = 0.8


class AttentionMILHead(Head):
    """``E = conv(F)``, ``S = conv(E)`` with a background class, ``A = sigmoid(conv(conv(E)))``.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features.
        hidden: Width of the embedding.
        input_dropout: On the features.
        dropout: On the embedding and in the attention.
        ratio: Snippets per vote of top-k pooling.
        weights: Of the loss terms.

    Source:
        arXiv:2212.09335, section 3.2; losses as in HAM-Net (arXiv:2101.00545) without its adversarial mask.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        in_dim: int = 2048,
        hidden: int = 512,
        input_dropout: float = 0.5,
        dropout: float = 0.6,
        ratio: int = 8,
        weights: AttentionMILWeights = AttentionMILWeights(),
    ) -> None:
        super().__init__(ratio)
        self.weights = weights
        self.norm = FeatureNorm(in_dim)
        self.input_dropout = nn.Dropout(input_dropout)
        self.embed = TemporalConv(in_dim, hidden, dropout=dropout)
        self.classifier = MaskedConv(hidden, len(class_names) + 1)
        self.attend = TemporalConv(hidden, hidden // 2, dropout=dropout)
        self.attention = nn.Linear(hidden // 2, 1)

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet."""
        embedding = self.embed(self.input_dropout(self.norm(features, mask)), mask)
        logits = self.classifier(embedding, mask).float()
        attention = self.attention(self.attend(embedding, mask)).squeeze(2).float().sigmoid()
        return BranchOutput(logits[..., :-1], logits[..., -1], attention, embedding)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """MIL with and without suppression, sparsity, guidance."""
        background = out.plain.softmax(dim=2)[..., -1]
        return {
            **background_mil_losses(out.plain, out.suppressed, mask, labels, self.ratio),
            "sparsity": self.weights.sparsity * sparsity_loss(out.attention, mask),
            "guidance": self.weights.guidance * guidance_loss(out.attention, background, mask),
        }

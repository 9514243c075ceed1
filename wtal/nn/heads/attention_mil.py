"""The plain head: one embedding, a classifier and an attention, trained by multiple-instance learning."""

from dataclasses import dataclass

from torch import Tensor, nn

from wtal.losses.video import guidance_loss, sparsity_loss
from wtal.nn.heads.head import Head, HeadOutput
from wtal.nn.temporal import TemporalConv

__all__ = ["AttentionMILHead", "AttentionMILWeights"]


@dataclass(frozen=True)
class AttentionMILWeights:
    """Weights of the terms beside the two MIL losses.

    Args:
        sparsity: Of the mean actionness.
        guidance: Of the agreement between actionness and background class.
    """

    sparsity: float = 0.1
    guidance: float = 0.8


class AttentionMILHead(Head):
    """``E = conv(F)``, ``S = classifier(E)`` with a background class, ``A = sigmoid(attention(E))``.

    Args:
        num_classes: Action classes.
        in_dim: Width of the features.
        hidden: Width of the embedding.
        dropout: On the embedding.
        ratio: Snippets per vote of top-k pooling.
        weights: Of the loss terms.

    Source:
        arXiv:2212.09335, section 3.2; losses as in HAM-Net (arXiv:2101.00545) without its adversarial mask.
    """

    def __init__(
        self,
        num_classes: int,
        in_dim: int = 2048,
        hidden: int = 512,
        dropout: float = 0.5,
        ratio: int = 8,
        weights: AttentionMILWeights = AttentionMILWeights(),  # noqa: B008  frozen
    ) -> None:
        super().__init__(ratio)
        self.weights = weights
        self.embed = TemporalConv(in_dim, hidden, dropout=dropout)
        self.classifier = nn.Linear(hidden, num_classes + 1)
        self.attention = nn.Linear(hidden, 1)

    def forward(self, features: Tensor, mask: Tensor) -> HeadOutput:
        """Score each snippet."""
        embedding = self.embed(features, mask)
        logits = self.classifier(embedding)
        attention = self.attention(embedding).squeeze(2).sigmoid()
        return HeadOutput(logits[..., :-1], attention, embedding, logits[..., -1])

    def losses(self, out: HeadOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """MIL with and without suppression, sparsity, guidance."""
        background = self.plain_cas(out).softmax(dim=2)[..., -1]
        return {
            **self.mil_losses(out, mask, labels),
            "sparsity": self.weights.sparsity * sparsity_loss(out.attention, mask),
            "guidance": self.weights.guidance * guidance_loss(out.attention, background, mask),
        }

"""The plain head: one embedding, a classifier and an attention, trained by multiple-instance learning."""

from collections.abc import Sequence

from torch import Tensor, nn

from wtal.nn.heads.head import AttentionHead, AttentionWeights
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import MaskedConv, TemporalConv
from wtal.types import BranchOutput

__all__ = ["AttentionMILHead"]


class AttentionMILHead(AttentionHead):
    """``E = conv(F)``, ``S = conv(E)`` with a background class, ``A = sigmoid(conv(conv(E)))``.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features.
        hidden: Width of the embedding.
        input_dropout: Dropout on the features.
        dropout: Dropout on the embedding and in the attention.
        ratio: Snippets per vote of top-k pooling.
        weights: Weights of the loss terms.
        causal: Whether a snippet is scored by itself and what came before, so that the head can score a stream.

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
        weights: AttentionWeights = AttentionWeights(),  # noqa: B008  frozen
        causal: bool = False,
    ) -> None:
        super().__init__(ratio, weights)
        self.norm = FeatureNorm(in_dim)
        self.input_dropout = nn.Dropout(input_dropout)
        self.embed = TemporalConv(in_dim, hidden, dropout=dropout, causal=causal)
        self.classifier = MaskedConv(hidden, len(class_names) + 1, causal=causal)
        self.attend = TemporalConv(hidden, hidden // 2, dropout=dropout, causal=causal)
        self.attention = nn.Linear(hidden // 2, 1)

    @property
    def past(self) -> int | None:
        """Those of one convolution after the other, if they are causal."""
        first, second = self.embed.conv.past, self.classifier.past  # that of the attention sees as many
        return None if first is None or second is None else first + second

    @property
    def lag(self) -> float:
        """Those of one convolution after the other."""
        return self.embed.conv.lag + self.classifier.lag

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet."""
        embedding = self.embed(self.input_dropout(self.norm(features, mask)), mask)
        logits = self.classifier(embedding, mask).float()
        attention = self.attention(self.attend(embedding, mask)).squeeze(2).float().sigmoid()
        return BranchOutput(logits[..., :-1], logits[..., -1], attention, embedding)

"""An ACM-Net head: beside action and background there is context, which looks like the action and is none."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wtal.functional.pooling import best_snippets, masked_mean, topk_pool
from wtal.losses.video import guidance_loss, mil_loss, sparsity_loss, with_background
from wtal.nn.heads.head import Head
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import MaskedConv
from wtal.types import BranchOutput

__all__ = ["ACMHead", "ACMOutput", "ACMWeights", "separation_loss"]


@dataclass(frozen=True)
class ACMWeights:
    """Weights of the terms beside the three MIL losses; the public code's on THUMOS14, of means instead of sums.

    Args:
        sparsity: Of the mean share of action and of context (2e-4 a snippet, 750 of them, halved).
        guidance: Of the agreement between action and background class (2e-3 a snippet).
        separation: Of the lengths of the embeddings (5e-5, times the square of its margin of 50).
    """

    sparsity: float = 0.075
    guidance: float = 1.5
    separation: float = 0.125


@dataclass
class ACMOutput(BranchOutput):
    """Actionness is the share of action; the three shares of a snippet add up to one."""

    context: Tensor  # (B, T)
    rest: Tensor  # (B, T)


class ACMHead(Head):
    """Three class-agnostic attentions, by a softmax: action instance, its context, background.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features.
        hidden: Width of the embedding (the paper's is ``in_dim``).
        dropout: Before the classifier.
        drop_snippets: Chance that the classifier sees nothing of a snippet in a training step.
        margin: Root mean square of the channels by which action is longer than context, and context than background
            (the paper's 50 at its width of 2048).
        ratio: Snippets per vote of action.
        context_ratio: Snippets per vote of context and of background.
        weights: Of the loss terms.

    Source:
        ACM-Net, arXiv:2104.02967, section 3, with the weights, the dropped snippets and the detached guidance of its
        public code. Differs from it: features are normalised, the embedding is narrower, and its lengths are measured
        in units of the margin.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        in_dim: int = 2048,
        hidden: int = 512,
        dropout: float = 0.7,
        drop_snippets: float = 0.7,
        margin: float = 1.1,
        ratio: int = 8,
        context_ratio: int = 3,
        weights: ACMWeights = ACMWeights(),
    ) -> None:
        super().__init__(ratio)
        self.margin, self.context_ratio, self.weights = margin * hidden**0.5, context_ratio, weights
        self.norm = FeatureNorm(in_dim)
        self.embed = MaskedConv(in_dim, hidden)
        self.attend = nn.Linear(hidden, 3)
        self.drop_snippets, self.dropout = nn.Dropout1d(drop_snippets), nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden, len(class_names) + 1)

    def forward(self, features: Tensor, mask: Tensor) -> ACMOutput:
        """Score each snippet."""
        embedding = self.embed(self.norm(features, mask), mask).relu()
        action, context, rest = self.attend(embedding).float().softmax(dim=2).unbind(dim=2)
        logits = self.classifier(self.dropout(self.drop_snippets(embedding))).float()
        return ACMOutput(logits[..., :-1], logits[..., -1], action, embedding, context, rest)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """MIL of the three parts, sparsity, guidance, and embeddings that are the longer the more they are action."""
        assert isinstance(out, ACMOutput)
        parts = (
            ("mil_suppressed", out.attention, self.ratio, with_background(labels, present=False)),
            ("mil_context", out.context, self.context_ratio, with_background(labels, present=True)),
            ("mil_background", out.rest, self.context_ratio, with_background(torch.zeros_like(labels), present=True)),
        )
        mil = {
            name: mil_loss(topk_pool(share[..., None] * out.plain, mask, ratio), target)
            for name, share, ratio, target in parts
        }
        embedding = out.embedding.float() / self.margin
        means = [masked_mean(embedding, best_snippets(share, mask, ratio)) for _, share, ratio, _ in parts]
        sparsity = sparsity_loss(out.attention, mask) + sparsity_loss(out.context, mask)
        background = out.plain.softmax(dim=2)[..., -1]
        return {
            **mil,
            "sparsity": self.weights.sparsity * sparsity,
            "guidance": self.weights.guidance * guidance_loss(out.attention.detach(), background, mask),
            "separation": self.weights.separation * separation_loss(*means),
        }


def separation_loss(action: Tensor, context: Tensor, background: Tensor) -> Tensor:
    """Action longer than context by the margin, context longer than background by the margin, background short.

    Args:
        action: Mean embedding of each video's snippets of most action, in units of the margin, ``(B, E)``.
        context: The same of context.
        background: The same of background.

    Returns:
        Scalar.

    Source:
        ACM-Net, arXiv:2104.02967, its feature separation loss.

    >>> separation_loss(torch.tensor([[2.0]]), torch.tensor([[1.0]]), torch.tensor([[0.5]]))  # (0 + 0.5 + 0.5) ** 2
    tensor(1.)
    """
    long, middle, short = (part.norm(dim=1) for part in (action, context, background))
    gap: Tensor = (1 - long + middle).relu() + (1 - middle + short).relu() + short
    return (gap * gap).mean()

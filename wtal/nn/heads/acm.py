"""An ACM-Net head, which separates action, background and context, which looks like action but is not."""

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
    """Weights of the terms beside the three MIL losses, from the public code (THUMOS14), for means instead of sums.

    Args:
        sparsity: Weight of the mean share of action and of context (2e-4 per snippet, 750 snippets, halved).
        guidance: Weight of the agreement between action and background class (2e-3 per snippet).
        separation: Weight of the lengths of the embeddings (5e-5, times the square of the code's margin of 50).
    """

    sparsity: float = 0.075
    guidance: float = 1.5
    separation: float = 0.125


@dataclass
class ACMOutput(BranchOutput):
    """Shares of action, context and background in each snippet, which add up to one; actionness is that of action."""

    context: Tensor  # (B, T)
    rest: Tensor  # (B, T)


class ACMHead(Head):
    """Three class-agnostic attentions from one softmax: action instance, its context, background.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features.
        hidden: Width of the embedding (the paper's is ``in_dim``).
        dropout: Dropout before the classifier.
        drop_snippets: Probability that a training step hides a snippet from the classifier.
        margin: Root mean square over the channels of the length by which action exceeds context, and context exceeds
            background (the paper's 50 at its width of 2048).
        ratio: Snippets per vote of action.
        context_ratio: Snippets per vote of context and of background.
        weights: Weights of the loss terms.

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
        """MIL of the three parts, sparsity, guidance, and a loss that makes embeddings of action longer."""
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
        acts = labels.sum(dim=1) > 0  # in a video without any action there is none to be made longer
        separation = separation_loss(*(mean[acts] for mean in means)) if acts.any() else embedding.sum() * 0
        sparsity = sparsity_loss(out.attention, mask) + sparsity_loss(out.context, mask)
        background = out.plain.softmax(dim=2)[..., -1]
        return {
            **mil,
            "sparsity": self.weights.sparsity * sparsity,
            "guidance": self.weights.guidance * guidance_loss(out.attention.detach(), background, mask),
            "separation": self.weights.separation * separation,
        }


def separation_loss(action: Tensor, context: Tensor, background: Tensor) -> Tensor:
    """Make action longer than context and context longer than background, each by the margin, and background short.

    Args:
        action: Mean embedding of the snippets of each video with the most action, in units of the margin, ``(B, E)``.
        context: The same for context.
        background: The same for background.

    Returns:
        Scalar.

    Source:
        The feature separation loss of ACM-Net, arXiv:2104.02967.

    >>> separation_loss(torch.tensor([[2.0]]), torch.tensor([[1.0]]), torch.tensor([[0.5]]))  # (0 + 0.5 + 0.5) ** 2
    tensor(1.)
    """
    long, middle, short = (part.norm(dim=1) for part in (action, context, background))
    gap: Tensor = (1 - long + middle).relu() + (1 - middle + short).relu() + short
    return (gap * gap).mean()

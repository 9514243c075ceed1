"""A UM head: the longer the embedding of a snippet, the more certainly it is action."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.functional.pooling import best_snippets, masked_mean, topk_pool
from wtal.nn.heads.head import Head, joint_background
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import MaskedConv
from wtal.types import BranchOutput

__all__ = ["UMHead", "UMOutput", "entropy_loss", "magnitude_loss", "softmax_bce"]


@dataclass
class UMOutput(BranchOutput):
    """Adds the length of each embedding; the head has no background class of its own."""

    magnitude: Tensor  # (B, T) not negative, 1 at the margin

    @property
    def suppressed(self) -> Tensor:
        """The class logits with a background of no probability, so that the classes compete among themselves."""
        return F.pad(self.cas, (0, 1), value=-torch.inf)


class UMHead(Head):
    """Classes by a softmax without background, action by the length of the embedding.

    ``P(action, class) = P(action) P(class | action)``; ``P(action) = min(magnitude, 1)`` is the actionness, and the
    background logit is set so that a softmax with it gives exactly this product.

    Args:
        class_names: Names of the action classes.
        in_dim: Width of the features.
        hidden: Width of the embedding (the paper's is ``in_dim``).
        dropout: Dropout before the classifier.
        drop_snippets: Probability that a training step bars a snippet from being a pseudo action or background.
        margin: Root mean square over the channels of an embedding that is surely action (the paper's length of 100 at
            its width of 2048).
        ratio: Snippets per vote of top-k pooling and per pseudo action.
        background_ratio: Snippets per pseudo background.
        uncertainty: Weight of the magnitude loss (``alpha``, times the square of its margin of 100: here the margin is
            the unit of length).
        entropy: Weight of the background entropy (``beta``).

    Source:
        UM, arXiv:2006.07006, section 3. As in its public code, classification and entropy are binary cross-entropies of
        a softmax (the paper writes cross-entropies), and snippets may be dropped (the paper does not mention it).
        Actionness is the paper's ``min(length, margin) / margin``; the code stretches the length between those of a
        video's pseudo background and pseudo action. Unlike in both, features are normalised, and 512 channels suffice.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        in_dim: int = 2048,
        hidden: int = 512,
        dropout: float = 0.7,
        drop_snippets: float = 0.7,
        margin: float = 2.21,
        ratio: int = 9,
        background_ratio: int = 4,
        uncertainty: float = 5.0,
        entropy: float = 1.0,
    ) -> None:
        super().__init__(ratio)
        self.drop_snippets, self.margin = drop_snippets, margin * hidden**0.5
        self.background_ratio, self.uncertainty, self.entropy = background_ratio, uncertainty, entropy
        self.norm = FeatureNorm(in_dim)
        self.embed = MaskedConv(in_dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden, len(class_names), bias=False)

    def forward(self, features: Tensor, mask: Tensor) -> UMOutput:
        """Score each snippet."""
        embedding = self.embed(self.norm(features, mask), mask).relu()
        cas = self.classifier(self.dropout(embedding)).float()
        magnitude = embedding.float().norm(dim=2) / self.margin
        attention = magnitude.clamp(max=1)
        background = joint_background(cas, attention)
        return UMOutput(cas, background, attention, embedding, magnitude)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Classification, magnitude of pseudo actions and backgrounds, entropy of pseudo backgrounds."""
        assert isinstance(out, UMOutput)
        allowed = mask
        if self.training:
            kept = mask & (torch.rand(mask.shape, device=mask.device) >= self.drop_snippets)
            allowed = torch.where(kept.any(dim=1, keepdim=True), kept, mask)
        length = out.magnitude.detach()
        action = best_snippets(length.masked_fill(~allowed, -torch.inf), mask, self.ratio) & allowed
        background = best_snippets((-length).masked_fill(~allowed, -torch.inf), mask, self.background_ratio) & allowed
        embedding = out.embedding.float() / self.margin
        acts = labels.sum(dim=1) > 0
        magnitude = magnitude_loss(masked_mean(embedding, action), masked_mean(embedding, background), acts)
        return {
            "mil": softmax_bce(topk_pool(out.cas, mask, self.ratio), labels / labels.sum(1, keepdim=True).clamp(min=1)),
            "magnitude": self.uncertainty * magnitude,
            "entropy": self.entropy * entropy_loss(masked_mean(out.cas, background)),
        }


def softmax_bce(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of each class's probability under a softmax.

    Args:
        logits: Class logits, ``(B, C)``.
        target: Target probabilities in [0, 1], ``(B, C)``.

    Returns:
        Scalar, the mean over videos and classes.

    >>> softmax_bce(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    log_yes = logits.log_softmax(dim=1)
    log_no = torch.log1p(-log_yes.exp().clamp(max=1 - 1e-6))  # PyTorch's own function refuses autocast on a GPU
    return -(target * log_yes + (1 - target) * log_no).mean()


def magnitude_loss(action: Tensor, background: Tensor, acts: Tensor | None = None) -> Tensor:
    """Make pseudo actions as long as the margin and pseudo backgrounds short.

    In a video without any action, the pseudo actions are what must become short.

    Args:
        action: Mean embedding of each video's pseudo actions, in units of the margin, ``(B, E)``.
        background: The same for its pseudo backgrounds.
        acts: Whether there is any action in the video, ``(B,)``; None if there is in all of them.

    Returns:
        Scalar.

    Source:
        The uncertainty modelling loss of UM, arXiv:2006.07006, section 3.

    >>> magnitude_loss(torch.tensor([[0.6, 0.0]]), torch.tensor([[0.0, 0.1]]))  # (1 - 0.6 + 0.1) ** 2
    tensor(0.2500)
    """
    long, rest = action.norm(dim=1), background.norm(dim=1)
    gap = (1 - long).clamp(min=0) + rest
    loss: Tensor = (gap if acts is None else torch.where(acts, gap, long)).square().mean()
    return loss


def entropy_loss(logits: Tensor) -> Tensor:
    """Make all classes equally likely in pseudo backgrounds.

    Args:
        logits: Mean class logits of each video's pseudo backgrounds, ``(B, C)``.

    Returns:
        Scalar, smallest for equal logits.

    Source:
        The background entropy loss of UM, arXiv:2006.07006, section 3.
    """
    return softmax_bce(logits, torch.full_like(logits, 1 / logits.shape[1]))

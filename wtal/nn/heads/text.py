"""The learned VLP head: a class is where its text lies, and the video's context bends what a snippet shows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.losses.video import background_mil_losses, guidance_loss, sparsity_loss
from wtal.nn.heads.head import Head
from wtal.nn.normalization import FeatureNorm
from wtal.nn.prompts import PromptedText, TextSource
from wtal.nn.temporal import TemporalConv, TemporalTransformer
from wtal.types import BranchOutput

__all__ = ["TextFactory", "TextHead", "TextHeadWeights"]

TextFactory = Callable[[list[str]], TextSource]


@dataclass(frozen=True)
class TextHeadWeights:
    """Weights of the terms beside the two MIL losses.

    Args:
        sparsity: Of the mean actionness.
        guidance: Of the agreement between actionness and background class.
    """

    sparsity: float = 0.1
    guidance: float = 0.2


class TextHead(Head):
    """``S = V Z^T / tau`` of temporally modelled CLIP features ``V`` and text features ``Z``.

    Both modalities are centred, images on the training snippets' mean and texts on the classes': raw cosines of CLIP lie
    in a narrow band, and what all images or all texts share says nothing of a class. A learned vector stands for the
    background beside the texts; actionness is a small convolutional head.

    Args:
        class_names: Names of the action classes.
        text: From class names to text features: learned prompts, templates, or a file.
        dim: Width of the CLIP features.
        depth: Layers of the temporal Transformer; 0 for none.
        heads: Of its attention.
        dropout: In the Transformer and the actionness head.
        temperature: ``tau`` to start from; it is learned.
        ratio: Snippets per vote of top-k pooling.
        weights: Of the loss terms.

    Source:
        arXiv:2212.09335, section 3.2. Centring, background vector and actionness head are our choice.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        text: TextFactory = PromptedText,
        dim: int = 512,
        depth: int = 1,
        heads: int = 8,
        dropout: float = 0.3,
        temperature: float = 0.05,
        ratio: int = 8,
        weights: TextHeadWeights = TextHeadWeights(),  # noqa: B008  frozen
    ) -> None:
        super().__init__(ratio)
        self.weights = weights
        self.text = text(list(class_names))
        self.norm = FeatureNorm(dim, scale=False)
        self.temporal = TemporalTransformer(dim, depth=depth, heads=heads, dropout=dropout)
        self.background = nn.Parameter(torch.randn(dim) * 0.02)
        self.bias = nn.Parameter(torch.zeros(len(class_names) + 1))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.embed = TemporalConv(dim + len(class_names), 128, dropout=dropout)
        self.attention = nn.Linear(128, 1)

    @property
    def note(self) -> str:
        """Which texts."""
        return self.text.note

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet."""
        image = F.normalize(self.norm(features, mask), dim=2)
        embedding = F.normalize(self.temporal(image, mask), dim=2)
        texts = self.text()
        texts = F.normalize(torch.cat([texts - texts.mean(dim=0), self.background[None]]), dim=1)
        logits = self.log_scale.exp() * embedding @ texts.T + self.bias
        cas, background = logits[..., :-1], logits[..., -1]
        hidden = self.embed(torch.cat([embedding, cas * self.log_scale.neg().exp()], dim=2), mask)
        return BranchOutput(cas, background, self.attention(hidden).squeeze(2).sigmoid(), embedding)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """MIL with and without suppression, sparsity, guidance."""
        background = out.plain.softmax(dim=2)[..., -1]
        return {
            **background_mil_losses(out.plain, out.suppressed, mask, labels, self.ratio),
            "sparsity": self.weights.sparsity * sparsity_loss(out.attention, mask),
            "guidance": self.weights.guidance * guidance_loss(out.attention, background, mask),
        }

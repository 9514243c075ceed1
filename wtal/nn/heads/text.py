"""The learned VLP head: it compares snippets, adapted to their context, with the texts of the classes."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.errors import ConfigError
from wtal.nn.heads.head import AttentionHead, AttentionWeights
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import TemporalTransformer
from wtal.nn.text.prompts import PromptedText, TextSource
from wtal.types import BranchOutput

__all__ = ["TextFactory", "TextHead", "texts_of"]

TextFactory = Callable[[list[str]], TextSource]


def texts_of(class_names: Sequence[str], text: TextFactory, dim: int) -> TextSource:
    """The texts of a head's classes.

    Raises:
        ConfigError: If they have another width than ``dim``, that of the CLIP features.
    """
    texts = text(list(class_names))
    if texts.dim != dim:
        raise ConfigError(
            f"The class texts have {texts.dim} channels, but the head's `dim` is {dim}: both must be the width of the "
            "CLIP features."
        )
    return texts


def attended_snippets(causal: bool, attended: int) -> int | None:
    """The number of earlier snippets that a head's Transformer attends to; None for one that sees the whole video.

    Raises:
        ConfigError: If it is negative.
    """
    if attended < 0:
        raise ConfigError(f"`attended` must be a number of earlier snippets, 0 or more, got {attended}.")
    return attended if causal else None


class TextHead(AttentionHead):
    """``S = V Z^T / tau`` of temporally modelled CLIP features ``V`` and text features ``Z``.

    Both modalities are centred, images by the mean of the training snippets and texts by that of the classes, because
    raw cosines of CLIP lie in a narrow band, and what all images or all texts share does not tell classes apart. ``V``
    is the image feature plus a residual that the temporal Transformer computes from its surroundings, zero at first. A
    learned vector represents the background beside the texts; actionness comes from the Transformer.

    Args:
        class_names: Names of the action classes.
        text: Function from the class names to text features: learned prompts, templates, or a file.
        dim: Width of the CLIP features.
        width: Width of the temporal Transformer.
        depth: Number of layers of the Transformer; 0 for none.
        heads: Number of attention heads of the Transformer.
        dropout: Dropout in the Transformer and on its output.
        temperature: Initial value of ``tau``, which is learned.
        ratio: Snippets per vote of top-k pooling.
        weights: Weights of the loss terms.
        causal: Whether a snippet is scored by itself and what came before, so that the head can score a stream.
        attended: Number of earlier snippets that each layer of a causal Transformer attends to.

    Source:
        arXiv:2212.09335, section 3.2. Centring, background vector and actionness are our choice.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        text: TextFactory = PromptedText,
        dim: int = 512,
        width: int = 128,
        depth: int = 1,
        heads: int = 8,
        dropout: float = 0.3,
        temperature: float = 0.05,
        ratio: int = 8,
        weights: AttentionWeights = AttentionWeights(),  # noqa: B008  frozen
        causal: bool = False,
        attended: int = 64,
    ) -> None:
        super().__init__(ratio, weights)
        self.text = texts_of(class_names, text, dim)
        self.norm = FeatureNorm(dim, scale=False)
        self.temporal = TemporalTransformer(
            dim + len(class_names), width, depth, heads, dropout=dropout, past=attended_snippets(causal, attended)
        )
        self.dropout, self.residual = nn.Dropout(dropout), nn.Linear(width, dim)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)
        self.attention = nn.Linear(width, 1)
        self.background = nn.Parameter(torch.randn(dim) * 0.02)
        self.bias = nn.Parameter(torch.zeros(len(class_names) + 1))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    @property
    def note(self) -> str:
        """Which texts are used."""
        return self.text.note

    @property
    def past(self) -> int | None:
        """Those of the Transformer, if it is causal."""
        return self.temporal.past

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet."""
        image = F.normalize(self.norm(features, mask), dim=2)
        text = self.text()
        text = F.normalize(text - text.mean(dim=0), dim=1)
        hidden = self.temporal(8 * torch.cat([image, image @ text.T], dim=2), mask)
        seen = image + self.residual(self.dropout(hidden)).float()
        embedding = F.normalize(seen, dim=2, eps=1e-3)  # the gradient of 1e12 at zero would drown all others
        anchors = torch.cat([text, F.normalize(self.background[None], dim=1)])
        logits = (self.log_scale.exp() * embedding @ anchors.T).float() + self.bias
        return BranchOutput(
            logits[..., :-1], logits[..., -1], self.attention(hidden).squeeze(2).float().sigmoid(), embedding
        )

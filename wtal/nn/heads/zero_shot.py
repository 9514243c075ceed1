"""Vanilla VLP: cosines of raw CLIP features and texts, nothing learned."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wtal.functional.pooling import min_max
from wtal.nn.heads.head import Head
from wtal.nn.heads.text import TextFactory
from wtal.nn.text.prompts import TemplateText
from wtal.types import BranchOutput

__all__ = ["ZeroShotHead"]


class ZeroShotHead(Head):
    """``S = F Z^T / tau``; actionness is the largest cosine, min-max normalised within the video.

    It works for class names never seen in training, and only for testing, because it has no losses.

    Args:
        class_names: Names of the action classes.
        text: Function from the class names to text features: hand-written templates, or a file.
        temperature: ``tau``; CLIP's own is 0.01.
        ratio: Snippets per vote of top-k pooling.

    Source:
        Vanilla baseline of arXiv:2212.09335; the actionness is our choice.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        text: TextFactory = TemplateText,
        temperature: float = 0.01,
        ratio: int = 8,
    ) -> None:
        super().__init__(ratio)
        self.text, self.temperature = text(list(class_names)), temperature
        if not any(parameter.any() for parameter in self.parameters()):  # a residual of zeros changes no text
            self.requires_grad_(False)

    @property
    def note(self) -> str:
        """Which texts are used."""
        return self.text.note

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet; the background never has a noticeable probability."""
        image = F.normalize(features, dim=2)
        cosine = image @ self.text().T
        background = torch.full_like(cosine[..., 0], -1 / self.temperature)
        return BranchOutput(cosine / self.temperature, background, min_max(cosine.amax(dim=2), mask), image)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Refuse to train, because nothing is learned.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("ZeroShotHead learns nothing: test it, or train a TextHead.")

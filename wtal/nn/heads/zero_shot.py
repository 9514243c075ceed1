"""Vanilla VLP: cosines of raw CLIP features and texts, nothing learned."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wtal.functional.pooling import min_max, running_min_max
from wtal.nn.heads.head import Head
from wtal.nn.heads.text import TextFactory
from wtal.nn.text.prompts import TemplateText
from wtal.nn.text.tower import Calibration
from wtal.types import BranchOutput

__all__ = ["ZeroShotHead"]


_CLIP = 0.01  # at which CLIP's training caps its temperature


class ZeroShotHead(Head):
    """``S = F Z^T / tau``; actionness is the largest cosine, min-max normalised within the video.

    It works for class names never seen in training, and only for testing, because it has no losses. A model that was
    trained with a sigmoid, such as SigLIP, keeps its own scale and bias, and the background has the logit 0: a class
    alone then has the probability that the model gives it.

    Args:
        class_names: Names of the action classes.
        text: Function from the class names to text features: hand-written templates, or a file.
        temperature: ``tau``; None for the model's own, which for CLIP is 0.01, and with it a sigmoid model's bias.
        ratio: Snippets per vote of top-k pooling.

    Source:
        Vanilla baseline of arXiv:2212.09335; the actionness is our choice.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        text: TextFactory = TemplateText,
        temperature: float | None = None,
        ratio: int = 8,
        past: int | None = None,
    ) -> None:
        super().__init__(ratio)
        self._past = past
        self.text = text(list(class_names))
        known = self.text.calibration if temperature is None else None
        self.temperature, self.bias = _temperature(known) if temperature is None else temperature, 0.0
        self.by_sigmoid = known is not None and known.link == "sigmoid"
        if known is not None:
            self.bias = known.bias
        if not any(parameter.any() for parameter in self.parameters()):  # a residual of zeros changes no text
            self.requires_grad_(False)

    @property
    def note(self) -> str:
        """Which texts are used."""
        return self.text.note

    @property
    def past(self) -> int | None:
        """Those among which a snippet is normalised."""
        return self._past

    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet; without a sigmoid, the background never has a noticeable probability."""
        image = F.normalize(features, dim=2)
        cosine = image @ self.text().T
        if self.by_sigmoid:
            logits, background = cosine / self.temperature + self.bias, torch.zeros_like(cosine[..., 0])
        else:
            logits, background = cosine / self.temperature, torch.full_like(cosine[..., 0], -1 / self.temperature)
        best = cosine.amax(dim=2)
        attention = min_max(best, mask) if self._past is None else running_min_max(best, mask, self._past)
        return BranchOutput(logits, background, attention, image)

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Refuse to train, because nothing is learned.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("ZeroShotHead learns nothing: test it, or train a TextHead.")


def _temperature(known: Calibration | None) -> float:
    """A model's own temperature; CLIP's cap, as a plain number, for those that were trained up to it."""
    if known is None or (known.link == "softmax" and math.isclose(1 / known.scale, _CLIP, rel_tol=0.02)):
        return _CLIP
    return 1 / known.scale

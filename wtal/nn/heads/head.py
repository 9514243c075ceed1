"""The contract of a CBP head, and what the published ones share: a background class and attention-suppressed CAS."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wtal.functional.pooling import topk_pool
from wtal.losses.video import mil_loss, with_background
from wtal.types import BranchOutput

__all__ = ["Head", "HeadOutput"]


@dataclass
class HeadOutput(BranchOutput):
    """A branch's output with the logit of the background class."""

    background: Tensor  # (B, T)


class Head(nn.Module):
    """From I3D features to class logits and actionness, with losses from video-level labels.

    Args:
        ratio: Snippets per vote of top-k pooling, see :func:`~wtal.functional.pooling.topk_pool`.
    """

    def __init__(self, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio

    @abstractmethod
    def forward(self, features: Tensor, mask: Tensor) -> HeadOutput:
        """Score each snippet.

        Args:
            features: ``(B, T, D)``.
            mask: True on real snippets, ``(B, T)``; what is padded changes nothing on the others.
        """

    @abstractmethod
    def losses(self, out: HeadOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Weighted loss terms; they add up.

        Args:
            out: What :meth:`forward` returned.
            mask: True on real snippets, ``(B, T)``.
            labels: Multi-hot of the videos, ``(B, C)``.
        """

    def plain_cas(self, out: HeadOutput) -> Tensor:
        """Logits of all classes and of the background, ``(B, T, C + 1)``."""
        return torch.cat([out.cas, out.background[..., None]], dim=2)

    def suppressed_cas(self, out: HeadOutput) -> Tensor:
        """Logits in which actionness has pulled background snippets down to their smallest, ``(B, T, C + 1)``."""
        cas = self.plain_cas(out)
        low = cas.amin(dim=2, keepdim=True)
        return low + out.attention[..., None] * (cas - low)

    def mil_losses(self, out: HeadOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Background class on for the plain CAS, off for the suppressed one (BaS-Net, arXiv:1911.09963)."""
        plain = topk_pool(self.plain_cas(out), mask, self.ratio)
        suppressed = topk_pool(self.suppressed_cas(out), mask, self.ratio)
        return {
            "mil": mil_loss(plain, with_background(labels, present=True)),
            "mil_suppressed": mil_loss(suppressed, with_background(labels, present=False)),
        }

    def probability(self, out: HeadOutput) -> Tensor:
        """Class probability of each snippet beside the background class, ``(B, T, C)``."""
        return self.plain_cas(out).softmax(dim=2)[..., :-1]

    def video_probability(self, out: HeadOutput, mask: Tensor) -> Tensor:
        """Class probability of each video from the suppressed CAS, ``(B, C)``."""
        return topk_pool(self.suppressed_cas(out), mask, self.ratio).softmax(dim=1)[:, :-1]

"""The contract of a head."""

from abc import abstractmethod

from torch import Tensor, nn

from wtal.types import BranchOutput

__all__ = ["Head"]


class Head(nn.Module):
    """From snippet features to class logits and actionness, with losses from video-level labels.

    Args:
        ratio: Snippets per vote of top-k pooling, see :func:`~wtal.functional.pooling.topk_pool`.
    """

    def __init__(self, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio

    @property
    def note(self) -> str:
        """What a reader of a table must know of the weights, such as a text tower with random ones; else empty."""
        return ""

    @abstractmethod
    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet.

        Args:
            features: ``(B, T, D)``.
            mask: True on real snippets, ``(B, T)``; what is padded changes nothing on the others.
        """

    @abstractmethod
    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Weighted loss terms; they add up.

        Args:
            out: What :meth:`forward` returned.
            mask: True on real snippets, ``(B, T)``.
            labels: Multi-hot of the videos, ``(B, C)``.
        """

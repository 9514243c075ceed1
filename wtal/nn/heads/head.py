"""The contract of a head, and what heads with one actionness and a background class have in common."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from wtal.losses.video import background_mil_losses, guidance_loss, sparsity_loss
from wtal.types import BranchOutput

__all__ = ["AttentionHead", "AttentionWeights", "Head", "joint_background"]


class Head(nn.Module):
    """From snippet features to class logits and actionness, with losses from video-level labels.

    Args:
        ratio: Snippets per vote of top-k pooling, see :func:`~wtal.functional.pooling.topk_pool`.

    Attributes:
        is_trained: Whether the weights were trained or loaded, and so mean something. A training and
            ``load_state_dict`` set it; a head that fills its weights in another way sets it itself.
    """

    is_trained: bool = False

    def __init__(self, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio
        self.register_load_state_dict_post_hook(_mark_trained)  # type: ignore[no-untyped-call]

    @property
    def note(self) -> str:
        """What a reader of a table must know about the weights, such as random ones in a text tower; else empty."""
        return ""

    @property
    def past(self) -> int | None:
        """Number of earlier snippets on which the scores of a snippet depend; None if they depend on later ones, too.

        A head that knows it can score a stream while it comes.
        """
        return None

    @property
    def lag(self) -> float:
        """Number of snippets by which scores come late, as a window that ends with a snippet answers for its middle."""
        return 0.0

    def prepare(self, rows: Iterable[Tensor]) -> None:
        """Measure what the head must know about the training features, once before training.

        Args:
            rows: Some snippets of each training video, ``(n, D)`` each; read only if they are iterated.
        """

    @abstractmethod
    def forward(self, features: Tensor, mask: Tensor) -> BranchOutput:
        """Score each snippet.

        Args:
            features: Features of the snippets, ``(B, T, D)``.
            mask: True on real snippets, ``(B, T)``; padding must not change their scores.
        """

    @abstractmethod
    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Weighted loss terms; the loss is their sum.

        Args:
            out: Output of :meth:`forward`.
            mask: True on real snippets, ``(B, T)``.
            labels: Multi-hot labels of the videos, ``(B, C)``.
        """


def _mark_trained(head: nn.Module, incompatible_keys: object) -> None:
    cast(Head, head).is_trained = True


@dataclass(frozen=True)
class AttentionWeights:
    """Weights of the terms beside the two MIL losses; much smaller ones let actionness saturate at 1.

    Args:
        sparsity: Weight of the mean actionness.
        guidance: Weight of the agreement between actionness and background class.
    """

    sparsity: float = 0.8
    guidance: float = 0.8


class AttentionHead(Head):
    """A head whose losses need only its CAS, background and actionness.

    Args:
        ratio: Snippets per vote of top-k pooling.
        weights: Weights of the loss terms.
    """

    def __init__(self, ratio: int, weights: AttentionWeights) -> None:
        super().__init__(ratio)
        self.weights = weights

    def losses(self, out: BranchOutput, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """MIL with and without suppression, sparsity, guidance.

        Source:
            HAM-Net, arXiv:2101.00545, without its adversarial mask.
        """
        background = out.plain.softmax(dim=2)[..., -1]
        return {
            **background_mil_losses(out.plain, out.suppressed, mask, labels, self.ratio),
            "sparsity": self.weights.sparsity * sparsity_loss(out.attention, mask),
            "guidance": self.weights.guidance * guidance_loss(out.attention, background, mask),
        }


def joint_background(cas: Tensor, attention: Tensor) -> Tensor:
    """A background logit for a head without that class; a softmax with it gives ``P(action) P(class | action)``.

    Args:
        cas: Class logits, ``(B, T, C)``.
        attention: Probability of action, ``(B, T)``.

    Returns:
        Background logits, ``(B, T)``, finite even where actionness is 0 or 1.

    >>> import torch
    >>> cas, attention = torch.zeros(1, 1, 2), torch.tensor([[0.8]])
    >>> torch.cat([cas, joint_background(cas, attention)[..., None]], dim=2).softmax(dim=2)
    tensor([[[0.4000, 0.4000, 0.2000]]])
    """
    return cas.logsumexp(dim=2) - attention.logit(eps=1e-4)

"""The scores of two branches fused into one."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from wtal.types import SnippetScores

__all__ = ["Fusion"]


@dataclass(frozen=True)
class Fusion:
    """Weighted mean of the branches' scores.

    Each weight is the share of the first branch (CBP) in [0, 1], and the second (VLP) has the rest: 1 is the first
    branch alone, 0 the second alone.

    Args:
        probability: Weight for the class probabilities of snippets.
        attention: Weight for actionness.
        video: Weight for the class probabilities of the video.
        mean: ``geometric``, a product, which needs both branches to agree, or ``arithmetic``, the naive average.

    Raises:
        ValueError: For a weight outside [0, 1].

    Source:
        The product is our choice; arXiv:2212.09335 fuses by a weighted sum, in which the over-complete branch still
        counts where the incomplete one sees nothing.
    """

    probability: float = 0.6
    attention: float = 0.8
    video: float = 0.5
    mean: Literal["geometric", "arithmetic"] = "geometric"

    def __post_init__(self) -> None:
        if not all(0 <= weight <= 1 for weight in (self.probability, self.attention, self.video)):
            raise ValueError(f"Fusion weights must lie in [0, 1], got {self}.")

    def __call__(self, first: SnippetScores, second: SnippetScores) -> SnippetScores:
        """Fuse scores of equal shape, those of one video or of a batch."""
        return SnippetScores(
            self._mean(first.probability, second.probability, self.probability),
            self._mean(first.attention, second.attention, self.attention),
            self._mean(first.video, second.video, self.video),
        )

    def _mean(self, first: Tensor, second: Tensor, weight: float) -> Tensor:
        if self.mean == "arithmetic":
            return weight * first + (1 - weight) * second
        return first**weight * second ** (1 - weight)

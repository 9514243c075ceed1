"""Two branches' scores of one video into one."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from wtal.types import SnippetScores

__all__ = ["Fusion"]


@dataclass(frozen=True)
class Fusion:
    """Weighted mean of the branches' scores.

    Each weight is CBP's share in [0, 1], VLP has the rest: 1 is CBP alone, 0 is VLP alone.

    Args:
        probability: For the class probabilities of snippets.
        attention: For actionness.
        video: For the class probabilities of the video.
        mean: ``geometric``, a product, which asks for both branches, or ``arithmetic``, the naive average.

    Raises:
        ValueError: For a weight outside [0, 1].

    Source:
        The product is our choice; arXiv:2212.09335 fuses by a weighted sum, which lets the over-complete branch speak
        where the incomplete one is silent.
    """

    probability: float = 0.6
    attention: float = 0.8
    video: float = 0.5
    mean: Literal["geometric", "arithmetic"] = "geometric"

    def __post_init__(self) -> None:
        if not all(0 <= weight <= 1 for weight in (self.probability, self.attention, self.video)):
            raise ValueError(f"Fusion weights lie in [0, 1], got {self}.")

    def __call__(self, cbp: SnippetScores, vlp: SnippetScores) -> SnippetScores:
        """Fuse scores of equal shape; works for one video and for a batch."""
        return SnippetScores(
            self._mean(cbp.probability, vlp.probability, self.probability),
            self._mean(cbp.attention, vlp.attention, self.attention),
            self._mean(cbp.video, vlp.video, self.video),
        )

    def _mean(self, cbp: Tensor, vlp: Tensor, weight: float) -> Tensor:
        if self.mean == "arithmetic":
            return weight * cbp + (1 - weight) * vlp
        return cbp**weight * vlp ** (1 - weight)

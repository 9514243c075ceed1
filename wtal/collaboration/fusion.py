"""Two branches' scores of one video into one."""

from dataclasses import dataclass

from torch import Tensor

from wtal.types import SnippetScores

__all__ = ["Fusion"]


@dataclass(frozen=True)
class Fusion:
    """Weighted geometric mean of the branches' scores.

    Each weight is CBP's share in [0, 1], VLP has the rest: 1 is CBP alone, 0 is VLP alone.

    Args:
        probability: For the class probabilities of snippets.
        attention: For actionness.
        video: For the class probabilities of the video.

    Raises:
        ValueError: For a weight outside [0, 1].

    Source:
        Our choice; arXiv:2212.09335 fuses by a weighted sum, which lets the over-complete branch speak where the
        incomplete one is silent. A product asks for both.
    """

    probability: float = 0.6
    attention: float = 0.8
    video: float = 0.5

    def __post_init__(self) -> None:
        if not all(0 <= weight <= 1 for weight in (self.probability, self.attention, self.video)):
            raise ValueError(f"Fusion weights lie in [0, 1], got {self}.")

    def __call__(self, cbp: SnippetScores, vlp: SnippetScores) -> SnippetScores:
        """Fuse scores of equal shape; works for one video and for a batch."""
        return SnippetScores(
            _geometric(cbp.probability, vlp.probability, self.probability),
            _geometric(cbp.attention, vlp.attention, self.attention),
            _geometric(cbp.video, vlp.video, self.video),
        )


def _geometric(a: Tensor, b: Tensor, weight: float) -> Tensor:
    return a**weight * b ** (1 - weight)

"""Two branches' scores of one video into one."""

from dataclasses import dataclass

from torch import Tensor

from wtal.types import SnippetScores

__all__ = ["Fusion"]


@dataclass(frozen=True)
class Fusion:
    """Weighted geometric mean of the branches' class probabilities and actionness.

    Args:
        cbp: Weight of CBP in [0, 1], VLP has the rest: 1 is CBP alone, 0 VLP alone.
        video_cbp: The same for the video's class probability; None takes ``cbp``.

    Raises:
        ValueError: For a weight outside [0, 1].

    Source:
        Our choice; arXiv:2212.09335 fuses by a weighted sum, which lets the over-complete branch speak where the
        incomplete one is silent and the other way round. A product asks for both.
    """

    cbp: float = 0.5
    video_cbp: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.cbp <= 1 or not 0 <= (self.video_cbp or 0) <= 1:
            raise ValueError(f"Fusion weights lie in [0, 1], got {self.cbp} and {self.video_cbp}.")

    def __call__(self, cbp: SnippetScores, vlp: SnippetScores) -> SnippetScores:
        """Fuse scores of equal shape; works for one video and for a batch."""
        video = self.cbp if self.video_cbp is None else self.video_cbp
        return SnippetScores(
            _geometric(cbp.probability, vlp.probability, self.cbp),
            _geometric(cbp.attention, vlp.attention, self.cbp),
            _geometric(cbp.video, vlp.video, video),
        )


def _geometric(a: Tensor, b: Tensor, weight: float) -> Tensor:
    return a**weight * b ** (1 - weight)

"""The contract of a frozen tower that encodes the frames of snippets; its model's other half is a text tower."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:  # it needs PyAV
    from wtal.video.snippets import ToImage

__all__ = ["FrameTower", "encode_images"]


class FrameTower(nn.Module):
    """The part of a vision-language model that sees; its features have unit norm.

    Attributes:
        note: Model and weights, for the manifest of a store.
        together: Number of frames of a snippet that the model reads together, as a video; 0 for a model of images.
        packed: Whether a prepared image is no picture, ``(3, h, w)``, but a row of patches.
    """

    note: str
    together: int = 0
    packed: bool = False

    @property
    @abstractmethod
    def width(self) -> int:
        """Number of channels of the features."""

    @property
    def layers(self) -> list[tuple[nn.Module, int]]:
        """Layers of a Transformer that yield tokens of single images ``(N, L, C)``, with ``C``; none for others."""
        return []

    @abstractmethod
    def preparation(self, bgr: bool = False) -> "ToImage":
        """The model's own preparation of a frame, ``(H, W, 3)`` uint8; it can be pickled.

        Args:
            bgr: Swap red and blue, as two public extractors do by mistake, to reproduce their features.
        """

    @abstractmethod
    def forget_texts(self) -> None:
        """Drop whatever encodes texts."""

    def save_memory(self) -> None:
        """Keep only the activations between layers in training, where the network can."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Unit-norm features ``(N, D)`` of prepared images ``(N, ...)``, or of videos ``(N, together, ...)``."""


def encode_images(tower: FrameTower, images: Tensor) -> Tensor:
    """Features of snippets: of their frames together, or averaged over them.

    Args:
        tower: The tower.
        images: Prepared frames, ``(N, images, 3, h, w)``.

    Returns:
        Features, ``(N, D)`` float32.
    """
    if tower.together:
        return tower(images).float()  # type: ignore[no-any-return]
    rows = tower(images.flatten(0, 1)).float()
    return rows.view(*images.shape[:2], -1).mean(dim=1)  # type: ignore[no-any-return]

"""The contract of an encoder of snippets, the same for extraction and for training from video."""

import hashlib
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from wtal.types import Pixels

if TYPE_CHECKING:  # it needs PyAV
    from wtal.video.film import Look

__all__ = ["SnippetEncoder"]


class SnippetEncoder(nn.Module):
    """Maps the frames of snippets to their features; each snippet by itself.

    Attributes:
        look: What it wants to see of a snippet, with the time grid.
        dim: Number of channels of the features.
        frames: Number of frames of a snippet that its blocks see as separate images; 1 where they see maps over time.
        crop: Part of each frame that it sees, for the manifest of a store.
    """

    look: "Look"
    dim: int
    frames: int = 1
    crop: str = "whole"

    @property
    @abstractmethod
    def origin(self) -> dict[str, Any]:
        """What the features are made from, for the manifest of a store: equal for equal features."""

    @property
    def blocks(self) -> list[tuple[nn.Module, int]]:
        """Blocks behind which a temporal adapter fits, with their numbers of output channels."""
        return []

    def save_memory(self) -> None:
        """Keep few activations inside the network in training, for a third more time; not every network can."""

    @abstractmethod
    def forward(self, pixels: Pixels) -> Tensor:
        """Features of snippets, ``(N, D)`` float32."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights and the preparation, of when it was first asked for."""
        cut = self.look.cut
        grid = tuple(map(float, (cut.grid.fps, cut.grid.stride, cut.grid.window)))
        seen = (sorted(self.look.streams), grid, cut.flow, cut.images, cut.short_side, self.crop)
        digest = hashlib.sha256(repr((type(self).__name__, self.origin, seen)).encode())
        for name, value in self.state_dict().items():
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().numpy().data if value.numel() else b"")
        return digest.hexdigest()

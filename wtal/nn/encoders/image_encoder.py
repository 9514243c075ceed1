"""The image or video tower of any model as an encoder of snippets."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wtal.errors import ConfigError
from wtal.io.fingerprint import checksum
from wtal.nn.encoders.frame_tower import encode_images
from wtal.nn.encoders.open_tower import open_frame_tower
from wtal.nn.encoders.snippet_encoder import SnippetEncoder
from wtal.types import Pixels, TimeGrid
from wtal.video.film import Look
from wtal.video.snippets import Cut

__all__ = ["ImageEncoder"]


class ImageEncoder(SnippetEncoder):
    """An image or video tower, as ``wtal extract`` makes its features.

    Args:
        model: See :func:`~wtal.nn.encoders.open_tower.open_frame_tower`.
        pretrained: See :func:`~wtal.nn.encoders.open_tower.open_frame_tower`.
        images: Number of frames of a snippet that an image model sees.
        bgr: Whether to swap red and blue.
        fps: Frames per second.
        stride: Frames between neighbouring snippets.
        window: Frames in a snippet.
        frames_per_snippet: Number of frames that a video model reads together; None for its own.

    Raises:
        ConfigError: As :func:`~wtal.nn.encoders.open_tower.open_frame_tower` does, and for a model whose images are no
            pictures, as they cannot be mirrored.
    """

    crop = "as open_clip"

    def __init__(
        self,
        model: str = "ViT-B-16",
        pretrained: str = "openai",
        images: int = 1,
        bgr: bool = False,
        fps: float = 25.0,
        stride: int = 16,
        window: int = 16,
        frames_per_snippet: int | None = None,
    ) -> None:
        super().__init__()
        tower = open_frame_tower(model, pretrained, images, frames_per_snippet)
        if tower.packed:
            raise ConfigError(f"{model} cannot be trained from video: take a model of images of one size.")
        note = tower.note + (f" (sha256 {checksum(Path(pretrained))})" if Path(pretrained).is_file() else "")
        seen = {"frames together": tower.together} if tower.together else {"frames a snippet": images}
        self._origin = {"clip": note, **seen, "colours": "bgr" if bgr else "rgb"}
        cut = Cut(TimeGrid(fps, stride, window), images=tower.together or images)
        self.look = Look(cut, frozenset(["clip"]), tower.preparation(bgr))
        tower.forget_texts()
        self.tower, self.frames = tower, 1 if tower.together else images
        self.dim = tower.width

    @property
    def origin(self) -> dict[str, Any]:
        """As in the manifest of a store that ``wtal extract`` writes."""
        return dict(self._origin)

    @property
    def blocks(self) -> list[tuple[nn.Module, int]]:
        """The layers of the Transformer; none for a convolutional tower."""
        return self.tower.layers

    def save_memory(self) -> None:
        """Keep only the activations between the layers of the Transformer."""
        self.tower.save_memory()

    def forward(self, pixels: Pixels) -> Tensor:
        """Features of snippets, ``(N, D)``."""
        assert pixels.images is not None
        return encode_images(self.tower, pixels.images)

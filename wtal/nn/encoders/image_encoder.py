"""The image tower of any open_clip model as an encoder of snippets."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wtal.io.fingerprint import checksum
from wtal.nn.encoders.clip_image import ImageTower, Preprocess
from wtal.nn.encoders.snippet_encoder import SnippetEncoder
from wtal.types import Pixels, TimeGrid
from wtal.video.film import Look
from wtal.video.snippets import Cut

__all__ = ["ImageEncoder", "encode_images"]


def encode_images(tower: ImageTower, images: Tensor) -> Tensor:
    """Features of snippets, averaged over their frames.

    Args:
        tower: The tower.
        images: Prepared frames, ``(N, images, 3, h, w)``.

    Returns:
        Features, ``(N, D)`` float32.
    """
    rows = tower(images.flatten(0, 1)).float()
    return rows.view(*images.shape[:2], -1).mean(dim=1)  # type: ignore[no-any-return]


class ImageEncoder(SnippetEncoder):
    """An open_clip image tower, as ``wtal extract`` makes its features.

    Args:
        model: See :func:`~wtal.nn.encoders.clip_model.load_clip`.
        pretrained: See :func:`~wtal.nn.encoders.clip_model.load_clip`.
        images: Number of frames of a snippet that it sees.
        bgr: Whether to swap red and blue.
        fps: Frames per second.
        stride: Frames between neighbouring snippets.
        window: Frames in a snippet.

    Raises:
        ConfigError: As :class:`~wtal.nn.encoders.clip_image.ImageTower` does.
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
    ) -> None:
        super().__init__()
        tower = ImageTower(model, pretrained)
        note = tower.note + (f" (sha256 {checksum(Path(pretrained))})" if Path(pretrained).is_file() else "")
        self._origin = {"clip": note, "frames a snippet": images, "colours": "bgr" if bgr else "rgb"}
        to_image = Preprocess(tower.settings, bgr)
        tower.forget_texts()
        self.tower, self.frames = tower, images
        self.look = Look(Cut(TimeGrid(fps, stride, window), images=images), frozenset(["clip"]), to_image)
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
        self.tower.model.visual.set_grad_checkpointing(True)

    def forward(self, pixels: Pixels) -> Tensor:
        """Features of snippets, ``(N, D)``."""
        assert pixels.images is not None
        return encode_images(self.tower, pixels.images)

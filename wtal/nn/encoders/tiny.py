"""Encoders small enough to be trained on a CPU in seconds, with random weights."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.nn.encoders.snippet_encoder import SnippetEncoder
from wtal.types import Pixels, TimeGrid
from wtal.video.film import Look
from wtal.video.flow import to_network_range
from wtal.video.snippets import Cut

__all__ = ["TinyImageEncoder", "TinyMotionEncoder"]

_CONTRAST = 4.0  # differences between frames are small


class TinyMotionEncoder(SnippetEncoder):
    """Three convolutions over space and time of what moves, in place of I3D.

    It sees how each frame differs from the mean of its snippet, so that a scene that stands still says nothing, and
    pools by mean and maximum: means alone hardly differ between snippets, so that small steps of training shift all
    features at once.

    Args:
        dim: Number of channels of the features.
        width: Number of channels of the first block; later ones have twice as many.
        fps: Frames per second.
        stride: Frames between neighbouring snippets.
        window: Frames in a snippet.
        size: Short side of the frames in pixels.
        dropout: Dropout before the last layer; only a training of the whole encoder has a use for it.
        seed: Seed of the weights.
    """

    def __init__(
        self,
        dim: int = 32,
        width: int = 8,
        fps: float = 10.0,
        stride: int = 8,
        window: int = 8,
        size: int = 24,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.dim, self.seed = dim, seed
        self.look = Look(Cut(TimeGrid(fps, stride, window), short_side=size), frozenset(["rgb"]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first, self.second = _block(3, width, (1, 2, 2)), _block(width, 2 * width, (2, 2, 2))
            self.third = _block(2 * width, 2 * width, (1, 1, 1))
            self.dropout, self.last = nn.Dropout(dropout), nn.Linear(4 * width, dim)
            for layer in (*self.first, *self.second, *self.third):
                if isinstance(layer, nn.Conv3d):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    @property
    def origin(self) -> dict[str, Any]:
        """The seed of its random weights."""
        return {"tiny motion": f"random weights, seed {self.seed}"}

    @property
    def blocks(self) -> list[tuple[nn.Module, int]]:
        """Its three convolutions."""
        width = self.last.in_features // 4
        return [(self.first, width), (self.second, 2 * width), (self.third, 2 * width)]

    def forward(self, pixels: Pixels) -> Tensor:
        """Features of snippets, ``(N, D)``."""
        assert pixels.rgb is not None
        x = to_network_range(pixels.rgb.permute(0, 4, 1, 2, 3))
        moving = _CONTRAST * (x - x.mean(dim=2, keepdim=True))
        x = self.third(self.second(self.first(moving))).float()
        pooled = torch.cat([x.mean(dim=(2, 3, 4)), x.amax(dim=(2, 3, 4))], dim=1)
        return self.last(self.dropout(pooled)).float()  # type: ignore[no-any-return]


def _block(inputs: int, outputs: int, stride: tuple[int, int, int]) -> nn.Sequential:
    convolution = nn.Conv3d(inputs, outputs, 3, stride, padding=1)
    return nn.Sequential(convolution, nn.GroupNorm(1, outputs), nn.ReLU())


class TinyImageEncoder(SnippetEncoder):
    """Two convolutions over single frames, in place of CLIP's image tower; features have unit norm.

    Args:
        dim: Number of channels of the features.
        width: Number of channels of the first convolution; the second has twice as many.
        fps: Frames per second.
        stride: Frames between neighbouring snippets.
        window: Frames in a snippet.
        images: Number of frames of a snippet that are seen.
        size: Side of the images in pixels.
        seed: Seed of the weights.
    """

    def __init__(
        self,
        dim: int = 32,
        width: int = 16,
        fps: float = 10.0,
        stride: int = 8,
        window: int = 8,
        images: int = 1,
        size: int = 24,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.dim, self.frames, self.seed = dim, images, seed
        cut = Cut(TimeGrid(fps, stride, window), images=images)
        self.look = Look(cut, frozenset(["clip"]), _ToImage(size))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first, self.second = nn.Conv2d(3, width, 5, 2, padding=2), nn.Conv2d(width, 2 * width, 5, 2, padding=2)
            self.last = nn.Linear(2 * width, dim)

    @property
    def origin(self) -> dict[str, Any]:
        """The seed of its random weights."""
        return {"tiny images": f"random weights, seed {self.seed}", "frames a snippet": self.frames}

    def forward(self, pixels: Pixels) -> Tensor:
        """Features of snippets, ``(N, D)``, of unit norm but for the mean over several frames."""
        assert pixels.images is not None
        x = F.relu(self.second(F.relu(self.first(pixels.images.flatten(0, 1)))))
        rows = F.normalize(self.last(x.float().mean(dim=(2, 3))).float(), dim=1)
        return rows.view(-1, self.frames, self.dim).mean(dim=1)


class _ToImage:
    """Resizes a frame to a square; a class of its own, as workers receive it pickled."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, frame: np.ndarray) -> Tensor:
        """Convert an RGB frame of any size, ``(H, W, 3)`` uint8, to ``(3, size, size)`` in [-1, 1]."""
        image = to_network_range(torch.from_numpy(frame).permute(2, 0, 1)[None])
        return F.interpolate(image, (self.size, self.size), mode="bilinear", antialias=True)[0]

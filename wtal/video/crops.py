"""Crops of frames, as a network sees them."""

from typing import Literal

import torch
from torch import Tensor

from wtal.video.flow import to_network_range

__all__ = ["Crops", "crop", "to_clip"]

Crops = Literal["center", "ten"]


def crop(frames: Tensor, crops: Crops = "center", flow: bool = False, size: int = 224) -> Tensor:
    """Cut squares out of windows of frames.

    Ten crops are the four corners and the centre, of the frames and of their mirror images. A mirror reverses motion
    along x, so flow is negated along x there.

    Args:
        frames: Images of 8 bits, ``(N, T, H, W, C)``.
        crops: ``center`` for one crop, ``ten`` for ten.
        flow: Whether the frames are images of flow, x first, as :func:`quantize` makes them.
        size: Side of a crop in pixels.

    Returns:
        ``K`` crops, ``(N, K, T, size, size, C)``: top left, top right, centre, bottom left, bottom right, and the same
        mirrored; a view of the frames for ``center``.

    Raises:
        ValueError: If the frames are smaller than a crop.

    Source:
        Order and rounding are those of the public I3D extractors for ten crops (340 by 256 pixels, centre at 58 and
        16), which mirror flow but do not negate it; negation is as in TSN, arXiv:1608.00859.
    """
    height, width = frames.shape[2:4]
    if min(height, width) < size:
        raise ValueError(
            f"Crops of {size} pixels need larger frames than {width} by {height}: resize the frames first."
        )
    bottom, right = height - size, width - size
    places = [(0, 0), (0, right), (bottom // 2, right // 2), (bottom, 0), (bottom, right)]
    if crops == "center":
        top, left = places[2]
        return frames[:, None, :, top : top + size, left : left + size]
    views = (frames, mirror(frames, flow))
    return torch.stack(
        [view[:, :, top : top + size, left : left + size] for view in views for top, left in places], dim=1
    )


def mirror(frames: Tensor, flow: bool = False) -> Tensor:
    """Mirror frames ``(..., H, W, C)``, negating x of 8-bit flow.

    Exact, except that no motion, stored as 128 in place of 127.5, becomes 127.

    >>> mirror(torch.tensor([[[128, 128], [147, 118]]], dtype=torch.uint8), flow=True).tolist()
    [[[108, 118], [127, 128]]]
    """
    mirrored = frames.flip(-2)
    if flow:
        mirrored[..., 0] = 255 - mirrored[..., 0]
    return mirrored


def to_clip(frames: Tensor) -> Tensor:
    """Convert frames of 8 bits, ``(N, T, H, W, C)``, to the input of I3D, ``(N, C, T, H, W)`` in [-1, 1]."""
    return to_network_range(frames.permute(0, 4, 1, 2, 3))

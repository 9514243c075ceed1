"""Frozen encoders of frames and optical flow."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.nn.encoders.clip_image import ImageTower, Preprocess
    from wtal.nn.encoders.clip_model import ClipModel, load_clip
    from wtal.nn.encoders.i3d import I3D, LoadedI3D, load_i3d
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "I3D",
    "ClipModel",
    "ImageTower",
    "LoadedI3D",
    "Preprocess",
    "load_clip",
    "load_i3d",
]

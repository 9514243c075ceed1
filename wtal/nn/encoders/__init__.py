"""Encoders of frames and optical flow, for extraction and for training from video."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.nn.encoders.clip_image import ImageTower, Preprocess
    from wtal.nn.encoders.clip_model import ClipModel, load_clip
    from wtal.nn.encoders.frame_tower import FrameTower
    from wtal.nn.encoders.i3d import I3D, LoadedI3D, load_i3d
    from wtal.nn.encoders.i3d_encoder import I3DEncoder
    from wtal.nn.encoders.image_encoder import ImageEncoder
    from wtal.nn.encoders.model_list import ModelInfo, list_models
    from wtal.nn.encoders.open_tower import open_frame_tower
    from wtal.nn.encoders.snippet_encoder import SnippetEncoder
    from wtal.nn.encoders.tiny import TinyImageEncoder, TinyMotionEncoder
    from wtal.nn.encoders.transformers_frames import TransformersFrameTower
    from wtal.nn.encoders.transformers_model import Family, LoadedTransformers, load_transformers
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "I3D",
    "ClipModel",
    "Family",
    "FrameTower",
    "I3DEncoder",
    "ImageEncoder",
    "ImageTower",
    "LoadedI3D",
    "LoadedTransformers",
    "ModelInfo",
    "Preprocess",
    "SnippetEncoder",
    "TinyImageEncoder",
    "TinyMotionEncoder",
    "TransformersFrameTower",
    "list_models",
    "load_clip",
    "load_i3d",
    "load_transformers",
    "open_frame_tower",
]

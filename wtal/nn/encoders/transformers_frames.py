"""The frozen image or video tower of a model of ``transformers``, and its preparation of frames."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from wtal.errors import ConfigError
from wtal.nn.encoders.frame_tower import FrameTower
from wtal.nn.encoders.transformers_model import load_transformers, unavailable

__all__ = ["TransformersFrameTower"]

_FRAMES = 16  # of a model that reads any number, as VideoPrism and PE audio-video were trained
_TEXT_PARTS = ("text_model", "text_projection", "text_video_head", "prompts_generator")
_OF_VIDEO = ("pe_video", "videoprism")  # whose preparation is that of videos


class TransformersFrameTower(FrameTower):
    """A frozen model of ``transformers`` that encodes images, or several frames of a snippet together.

    Args:
        model: See :func:`~wtal.nn.encoders.transformers_model.load_transformers`.
        pretrained: See :func:`~wtal.nn.encoders.transformers_model.load_transformers`.
        frames_per_snippet: Number of frames that a video model reads; None for its own.

    Raises:
        ConfigError: If the model cannot be loaded, or reads another number of frames.
        MissingPackageError: If ``transformers`` is not installed.
    """

    def __init__(self, model: str, pretrained: str = "main", frames_per_snippet: int | None = None) -> None:
        super().__init__()
        loaded = load_transformers(model, pretrained)
        self.model, self.note, self.kind, self.packed = loaded.model, loaded.note, loaded.kind, loaded.family.packed
        if loaded.family.video:
            vision = getattr(self.model.config, "vision_config", None)
            own = getattr(vision, "num_frames", None)
            self.together = int(frames_per_snippet or own or _FRAMES)
            if own is not None and self.together != own:
                raise ConfigError(
                    f"{model} reads {own} frames of a snippet, not {self.together}: leave out `frames_per_snippet`."
                )
        self.processor = _processor(loaded.place, loaded.revision, loaded.kind, model)

    @property
    def width(self) -> int:
        """Number of channels of the features, of a black frame."""
        frame = self.preparation()(np.zeros((64, 64, 3), np.uint8))[None]
        with torch.no_grad():
            return int(self(frame[:, None].expand(-1, self.together, -1, -1, -1) if self.together else frame).shape[1])

    def preparation(self, bgr: bool = False) -> "_Preparation":
        """The model's own preparation of a frame."""
        return _Preparation(self.processor, self.kind in _OF_VIDEO, self.packed, bgr)

    def forget_texts(self) -> None:
        """Drop whatever encodes texts."""
        for name in _TEXT_PARTS:
            if hasattr(self.model, name):
                setattr(self.model, name, None)

    def forward(self, images: Tensor) -> Tensor:
        """Unit-norm features ``(N, D)`` of prepared images, or of videos ``(N, together, 3, h, w)``."""
        return F.normalize(self._features(images).flatten(1), dim=1)

    def _features(self, images: Tensor) -> Tensor:
        if self.kind == "pe_video":  # the library's own function for this is out of reach inside its constructor
            seen = self.model.video_encoder(pixel_values_videos=images).pooler_output
            return self.model.video_head(seen)  # type: ignore[no-any-return]
        if self.together:
            inputs = {"pixel_values_videos" if self.kind in _OF_VIDEO else "pixel_values": images}
            return self.model.get_video_features(**inputs).pooler_output  # type: ignore[no-any-return]
        inputs = _unpacked(images) if self.packed else {"pixel_values": images}
        return self.model.get_image_features(**inputs).pooler_output  # type: ignore[no-any-return]


class _Preparation:
    """Prepares single frames; a class of its own, as workers receive it pickled."""

    def __init__(self, processor: Any, of_video: bool, packed: bool, bgr: bool) -> None:  # noqa: ANN401
        self.processor, self.of_video, self.packed, self.bgr = processor, of_video, packed, bgr

    def __call__(self, frame: np.ndarray) -> Tensor:
        """Convert an RGB frame of any size, ``(H, W, 3)`` uint8, to ``(3, h, w)``, or to a row of patches."""
        frame = np.ascontiguousarray(frame[..., ::-1] if self.bgr else frame)
        if self.of_video:
            video = torch.from_numpy(frame).permute(2, 0, 1)[None]
            made = self.processor([video], do_sample_frames=False, return_tensors="pt")
            return made["pixel_values_videos"][0, 0]  # type: ignore[no-any-return]
        made = self.processor(images=[Image.fromarray(frame)], return_tensors="pt")
        pixels: Tensor = made["pixel_values"]
        if self.packed:
            return _packed(pixels[0], made["spatial_shapes"][0])
        return pixels.reshape(-1, *pixels.shape[-3:])[0]


def _packed(patches: Tensor, shape: Tensor) -> Tensor:
    """Patches ``(P, C)`` of an image with their numbers along height and width in one more row."""
    last = patches.new_zeros(1, patches.shape[1])
    last[0, :2] = shape
    return torch.cat([patches, last])


def _unpacked(images: Tensor) -> dict[str, Tensor]:
    """What the model takes, from images with that row; the patches of an image are those in front."""
    shapes, patches = images[:, -1, :2].round().long(), images[:, :-1]
    real = torch.arange(patches.shape[1], device=images.device) < shapes.prod(dim=1, keepdim=True)
    return {"pixel_values": patches, "pixel_attention_mask": real.long(), "spatial_shapes": shapes}


def _processor(place: str, revision: str, kind: str, model: str) -> Any:  # noqa: ANN401
    """The preparation of images or videos that a repository states.

    Raises:
        ConfigError: If it has none that can be used.
    """
    import transformers

    made: Any = transformers.AutoVideoProcessor if kind in _OF_VIDEO else transformers.AutoImageProcessor
    try:
        return made.from_pretrained(place, revision=revision)
    except Exception as error:  # as with the model
        raise ConfigError(unavailable(f"The preparation of images of {model}", place, error)) from error

"""The frozen image tower of any open_clip model, and its preprocessing."""

from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from torch import Tensor, nn

from wtal.nn.encoders.clip_model import load_clip
from wtal.nn.encoders.frame_tower import FrameTower

__all__ = ["ImageTower", "Preprocess"]


class Preprocess:
    """Preprocessing of frames: open_clip's own transform for inference, with the settings of the model.

    Args:
        settings: Settings of the model.
        bgr: Swap red and blue, as two public extractors do by mistake, to reproduce their features.
    """

    def __init__(self, settings: dict[str, Any], bgr: bool = False) -> None:
        config = open_clip.transform.PreprocessCfg(**settings)
        self._transform: Any = open_clip.transform.image_transform_v2(config, is_train=False)
        self._bgr = bgr

    def __call__(self, frame: np.ndarray) -> Tensor:
        """Convert an RGB frame of any size, ``(H, W, 3)`` uint8, to ``(3, h, w)``."""
        image = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]) if self._bgr else frame)
        return self._transform(image)  # type: ignore[no-any-return]


class ImageTower(FrameTower):
    """A frozen open_clip model that encodes images.

    Args:
        model: See :func:`~wtal.nn.encoders.clip_model.load_clip`.
        pretrained: See :func:`~wtal.nn.encoders.clip_model.load_clip`.

    Raises:
        ConfigError: If the model or tag is unknown, or the weights cannot be found or downloaded.
    """

    def __init__(self, model: str = "ViT-B-16", pretrained: str = "openai") -> None:
        super().__init__()
        self.model, _, self.note = load_clip(model, pretrained, ("--clip-weights", "--clip-model"))

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the model for :class:`Preprocess`."""
        return dict(self.model.visual.preprocess_cfg)

    @property
    def width(self) -> int:
        """Number of channels of the features."""
        known = getattr(self.model.visual, "output_dim", None)
        if known is not None:
            return int(known)
        size = self.model.visual.preprocess_cfg["size"]
        with torch.no_grad():
            return int(self(torch.zeros(1, 3, *(size if isinstance(size, list | tuple) else (size, size)))).shape[1])

    @property
    def layers(self) -> list[tuple[nn.Module, int]]:
        """Layers of a Transformer that yield tokens ``(N, L, C)``, with ``C``; none for other networks."""
        visual = self.model.visual
        if getattr(getattr(visual, "transformer", None), "batch_first", False):
            return [(layer, int(visual.transformer.width)) for layer in visual.transformer.resblocks]
        trunk: Any = getattr(visual, "trunk", None)
        return [(layer, int(trunk.embed_dim)) for layer in trunk.blocks] if hasattr(trunk, "blocks") else []

    def preparation(self, bgr: bool = False) -> Preprocess:
        """The model's own preparation of a frame."""
        return Preprocess(self.settings, bgr)

    def save_memory(self) -> None:
        """Keep only the activations between the layers of the Transformer."""
        self.model.visual.set_grad_checkpointing(True)

    def forget_texts(self) -> None:
        """Drop whatever encodes texts."""
        model = self.model
        for name in ("transformer", "token_embedding", "ln_final", "text", "text_decoder"):
            if hasattr(model, name):
                delattr(model, name)
        for name in list(model._parameters):
            model.register_parameter(name, None)

    def forward(self, images: Tensor) -> Tensor:
        """Unit-norm features ``(N, D)`` of images ``(N, 3, h, w)``."""
        return self.model.encode_image(images, normalize=True)  # type: ignore[no-any-return]

"""Opens the image or video tower of any model by its name."""

from wtal.errors import ConfigError
from wtal.nn.encoders.clip_image import ImageTower
from wtal.nn.encoders.frame_tower import FrameTower
from wtal.nn.encoders.transformers_frames import TransformersFrameTower
from wtal.nn.encoders.transformers_model import is_of_transformers

__all__ = ["open_frame_tower"]


def open_frame_tower(
    model: str = "ViT-B-16", pretrained: str = "openai", images: int = 1, frames_per_snippet: int | None = None
) -> FrameTower:
    """The frozen image or video tower of a model.

    Args:
        model: Name of an open_clip model, path of a JSON file with its configuration, or ``transformers:`` and a
            repository or folder; ``wtal vlp`` lists them.
        pretrained: Tag of its weights, path of a local file, revision of a repository, or ``random``.
        images: Number of single frames of a snippet that are averaged; only for a model of images.
        frames_per_snippet: Number of frames that a video model reads together; None for its own.

    Raises:
        ConfigError: If the model cannot be found, loaded or downloaded, or sees frames in the other way.
        MissingPackageError: If it needs an extra that is not installed.
    """
    if is_of_transformers(model):
        tower: FrameTower = TransformersFrameTower(model, pretrained, frames_per_snippet)
    else:
        tower = ImageTower(model, pretrained)
    if tower.together and images != 1:
        raise ConfigError(
            f"{model} reads {tower.together} frames of a snippet together, and averages none: leave out `images`, or "
            "give `frames_per_snippet`."
        )
    if frames_per_snippet is not None and not tower.together:
        raise ConfigError(f"{model} sees single images, not videos: give `images` instead of `frames_per_snippet`.")
    return tower

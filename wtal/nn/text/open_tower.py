"""Opens the text tower of any model by its name."""

from wtal.nn.encoders.transformers_model import is_of_transformers
from wtal.nn.text.clip_text import ClipTextTower
from wtal.nn.text.tower import TextTower
from wtal.nn.text.transformers_text import TransformersTextTower

__all__ = ["open_text_tower"]


def open_text_tower(model: str = "ViT-B-16", pretrained: str = "openai") -> TextTower:
    """The frozen text tower of a model.

    Args:
        model: Name of an open_clip model, path of a JSON file with its configuration, or ``transformers:`` and a
            repository or folder; ``wtal vlp`` lists them.
        pretrained: Tag of its weights, path of a local file, revision of a repository, or ``random``.

    Raises:
        ConfigError: If the model cannot be found, loaded or downloaded.
        MissingPackageError: If it needs an extra that is not installed.
    """
    tower = TransformersTextTower if is_of_transformers(model) else ClipTextTower
    return tower(model, pretrained)

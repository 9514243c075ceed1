"""The frozen text tower of any open_clip model; the only file that knows open_clip's models for text."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.errors import ConfigError

__all__ = ["TextTower"]


class TextTower:
    """An open_clip model without its visual part, frozen, and its tokenizer.

    Deliberately no ``nn.Module``: inside one it is neither saved, nor trained, nor broadcast.

    Args:
        model: Name of an open_clip model, such as ``ViT-B-16``, or path of a JSON with its configuration.
        pretrained: Tag of open_clip's weights, path of a local checkpoint, or ``random`` to do without weights.

    Raises:
        ConfigError: For an unknown model or tag, or where weights can be neither found nor fetched.
    """

    def __init__(self, model: str = "ViT-B-16", pretrained: str = "openai") -> None:
        import open_clip  # takes seconds, and most commands need no tower

        name = _registered(model)
        if name not in open_clip.list_models():
            raise ConfigError(f"open_clip knows no model {model!r}: `python -c 'import open_clip; print(open_clip.list_models())'`.")
        weights = None if pretrained == "random" else pretrained
        known = open_clip.list_pretrained_tags_by_model(name)
        if weights is not None and weights not in known and not Path(weights).is_file():
            raise ConfigError(
                f"{pretrained!r} is neither a file nor a tag of {model}'s weights; tags: {', '.join(known) or 'none'}; "
                "`random` asks for random weights."
            )
        try:
            logging.disable(logging.WARNING)  # open_clip warns of missing weights, which were asked for
            self.model = open_clip.create_model(name, pretrained=weights)
        except (OSError, RuntimeError) as error:
            raise ConfigError(
                f"The weights {pretrained!r} of {model} cannot be fetched or read ({type(error).__name__}): download them where "
                "there is a network and give the path of the file as `pretrained`, or ask for `random` ones."
            ) from error
        finally:
            logging.disable(logging.NOTSET)
        self.tokenizer: Callable[[Sequence[str]], Tensor] = open_clip.get_tokenizer(name)
        self.model.visual = None
        self.model.eval().requires_grad_(False)
        self.note = f"{Path(model).stem} ({'random weights' if weights is None else Path(pretrained).name})"

    @property
    def text(self) -> nn.Module:
        """The part that holds the text Transformer: the model itself, or its ``text`` (CustomTextCLIP)."""
        part: nn.Module = getattr(self.model, "text", self.model)
        return part

    @property
    def dim(self) -> int:
        """Width of the text features."""
        projection = self.text.text_projection
        return int(projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1])  # type: ignore[union-attr, index]

    @property
    def width(self) -> int:
        """Width of a token's embedding."""
        return int(self.text.token_embedding.embedding_dim)  # type: ignore[union-attr, arg-type]

    @property
    def causal(self) -> bool:
        """Whether no token sees a later one."""
        return self.text.attn_mask is not None

    def place_of_end(self, ids: Tensor) -> Tensor:
        """Where the end token is, ``(N,)``, of token ids ``(N, L)``."""
        if getattr(self.text, "pool_type", None) == "eos":
            return (ids == self.text.eos_id).int().argmax(dim=1)
        return ids.argmax(dim=1)

    def encode(self, ids: Tensor) -> Tensor:
        """Unit-norm features ``(N, D)`` of token ids ``(N, L)``."""
        return F.normalize(self.model.encode_text(ids), dim=-1)

    def to(self, device: torch.device) -> None:
        """Move the tower."""
        self.model.to(device)


def _registered(model: str) -> str:
    """Register a model that is given by the path of its configuration; the name under which open_clip knows it."""
    import open_clip

    if model.endswith(".json"):
        if not Path(model).is_file():
            raise ConfigError(f"There is no model configuration {model}.")
        open_clip.add_model_config(model)
        return Path(model).stem
    return model

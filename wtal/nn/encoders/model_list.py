"""What vision-language models there are, from configuration files alone: nothing is downloaded or built."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from wtal.nn.encoders.clip_model import known_models
from wtal.nn.encoders.transformers_model import FAMILIES, PREFIX

__all__ = ["ModelInfo", "list_models"]

_SPECIAL = {  # how many special tokens a tokenizer puts around a text
    "bert-base-uncased": 2,
    "facebook/xlm-v-base": 2,
    "google/mt5-base": 1,
}
_LICENCES = {  # by the beginning of the tag
    "openai": "MIT",
    "laion": "MIT",
    "merged2b": "MIT",
    "webli": "Apache-2.0",
    "metaclip": "CC-BY-NC-4.0",
    "meta": "Apache-2.0",
    "datacompdr": "apple-amlr",
    "dfndr": "apple-amlr",
    "dfn": "apple-ascl",
}
_CONTEXT = 77  # where a configuration does not say it


class ModelInfo(NamedTuple):
    """One model.

    Args:
        name: Its name for every option that takes one.
        dim: Number of channels of its features; None where only its repository says it, here and below.
        context: Number of tokens that it reads.
        tokenizer: Its tokenizer; empty where only its repository says it.
        room: Number of tokens beside the special ones, for a class name and learned vectors; None also where no prompts
            can be learned.
        prompts: Whether prompts can be learned.
        frames: What it sees of a snippet.
        extra: The extra of this package that it needs; empty if none.
        weights: Licence of each of its weights by their tag; empty where it is not known.
    """

    name: str
    dim: int | None
    context: int | None
    tokenizer: str
    room: int | None
    prompts: bool
    frames: str
    extra: str
    weights: dict[str, str]


def list_models() -> list[ModelInfo]:
    """All models of open_clip, then one of each family of ``transformers``.

    Source:
        Licences: those that timm 1.0 states for the image towers, and for OpenAI's and LAION's the model cards.
    """
    listed = [_of_open_clip(name, *known) for name, known in known_models().items()]
    for family in FAMILIES.values():
        frames = "several together" if family.video else "single images"
        name = PREFIX + (family.example or f"REPOSITORY of {family.title}")
        listed.append(ModelInfo(name, None, None, "", None, True, frames, "transformers", {}))
    return listed


def _of_open_clip(name: str, config: Mapping[str, Any], tags: list[str]) -> ModelInfo:
    text = config.get("text_cfg", {})
    wrapped, tokenizer = "hf_model_name" in text, text.get("hf_tokenizer_name")
    context = int(text.get("context_length") or _CONTEXT)
    special = _special(tokenizer)
    room = None if wrapped or special is None else context - special
    shown = "CLIP's BPE" if tokenizer is None else str(tokenizer).rpartition("/")[2]
    extra = "transformers" if tokenizer or wrapped else ""
    weights = {tag: _licence(tag) for tag in tags}
    return ModelInfo(name, config.get("embed_dim"), context, shown, room, not wrapped, "single images", extra, weights)


def _special(tokenizer: str | None) -> int | None:
    if tokenizer is None:
        return 2
    return 1 if "SigLIP" in tokenizer else _SPECIAL.get(tokenizer)


def _licence(tag: str) -> str:
    return next((licence for start, licence in _LICENCES.items() if tag.startswith(start)), "")

"""Any open_clip model by its name, frozen, or a sentence that says why not and what to do."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wtal.errors import ConfigError

__all__ = ["ClipModel", "load_clip"]


class ClipModel(NamedTuple):
    """A frozen model, its tokenizer, and which weights it has, for every table."""

    model: Any  # open_clip has no types
    tokenizer: Callable[[Sequence[str]], Tensor]
    note: str


def load_clip(model: str, pretrained: str) -> ClipModel:
    """Load a model, in evaluation mode.

    Random weights are the same in every process and run, so that a checkpoint, which does not hold them, finds them
    again.

    Args:
        model: Name of an open_clip model, such as ``ViT-B-16``, or path of a JSON with its configuration. With a local
            file of OpenAI's weights it is ``ViT-B-16-quickgelu``; their tag finds out by itself.
        pretrained: Tag of open_clip's weights, path of a local checkpoint, or ``random`` to do without weights.

    Raises:
        ConfigError: For an unknown model or tag, or where weights can be neither found nor fetched.
    """
    import open_clip

    name = _registered(model)
    if name not in open_clip.list_models():
        raise ConfigError(
            f"open_clip knows no model {model!r}: `python -c 'import open_clip; print(open_clip.list_models())'`."
        )
    weights = None if pretrained == "random" else pretrained
    known = open_clip.list_pretrained_tags_by_model(name)
    if weights is not None and weights not in known and not Path(weights).is_file():
        raise ConfigError(
            f"{pretrained!r} is neither a file nor a tag of {model}'s weights; tags: {', '.join(known) or 'none'}; "
            "`random` asks for random weights."
        )
    origin = open_clip.get_pretrained_cfg(name, pretrained) if weights in known else {}
    quick = bool(origin.get("quick_gelu"))  # open_clip only warns, and gives other features
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = open_clip.create_model(name, pretrained=weights, force_quick_gelu=quick)
        tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # whatever a library meets in a file or on the way to one
        raise ConfigError(_unavailable(model, pretrained, origin, error)) from error
    made.eval().requires_grad_(False)
    note = f"{Path(model).stem} ({'random weights' if weights is None else Path(pretrained).name})"
    return ClipModel(made, tokenizer, note)


def _registered(model: str) -> str:
    """Register a model that is given by the path of its configuration; the name under which open_clip knows it."""
    import open_clip

    if not model.endswith(".json"):
        return model
    if not Path(model).is_file():
        raise ConfigError(f"There is no model configuration {model}.")
    try:
        json.loads(Path(model).read_text(encoding="utf-8"))  # open_clip would stumble over it from now on
    except ValueError as error:
        raise ConfigError(f"The model configuration {model} is no JSON: {error}.") from error
    open_clip.add_model_config(model)
    return Path(model).stem


@contextmanager
def _quiet() -> Iterator[None]:
    """Without open_clip's remarks on weights that are missing because they were not asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logging.disable(before)


def _unavailable(model: str, pretrained: str, origin: dict[str, Any], error: Exception) -> str:
    """What to do about weights that did not load."""
    if not origin:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        reason = reason.rstrip(".:")
        if pretrained == "random":
            return f"open_clip cannot build {model}: {reason}; mend its configuration."
        return f"The weights {pretrained} do not load into {model}: {reason}; give the open_clip model they belong to."
    source = origin.get("hf_hub", "").strip("/") or origin.get("url", "")
    name = f"{model}-quickgelu" if origin.get("quick_gelu") and not model.endswith("-quickgelu") else model
    return (
        f"The weights {pretrained!r} of {model} cannot be fetched: where there is a network, download {source}, then "
        f"give the path of the file as `pretrained` and {name} as `model`; or ask for `random` weights."
    )

"""Loads any open_clip model by name, frozen; an error explains the cause and the remedy."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from torch import Tensor

from wtal.errors import ConfigError
from wtal.io.extras import MissingPackageError

__all__ = ["ClipModel", "how_to_fetch", "known_models", "load_clip"]

Options = tuple[str, str]  # by which a user gives the file of the weights, and the model
TEXT_OPTIONS = ("--model.vlp.head.text.pretrained", "--model.vlp.head.text.model")


class ClipModel(NamedTuple):
    """A frozen model, its tokenizer, and a note on its weights for every table."""

    model: Any  # open_clip has no types
    tokenizer: Callable[[Sequence[str]], Tensor]
    note: str


def load_clip(model: str, pretrained: str, options: Options = TEXT_OPTIONS) -> ClipModel:
    """Load a model, in evaluation mode.

    Random weights are the same in every process and run, so that they need not be in the checkpoint. Weights that are
    not on this machine are downloaded, which is stated first.

    Args:
        model: Name of an open_clip model, such as ``ViT-B-16``, or path of a JSON file with its configuration. For a
            local file of OpenAI's weights, use ``ViT-B-16-quickgelu``; with their tag this is automatic.
        pretrained: Tag of open_clip's weights, path of a local checkpoint, or ``random`` for random weights.
        options: Options that take a file and its model, for the message about weights that cannot be downloaded.

    Raises:
        ConfigError: If the model or tag is unknown, or the weights cannot be found or downloaded.
        MissingPackageError: If its tokenizer needs an extra that is not installed.
    """
    import open_clip

    name = _registered(model)
    if name not in open_clip.list_models():
        raise ConfigError(
            f"open_clip has no model {model!r}; `wtal vlp` lists its models, and those of transformers, whose names "
            "begin with `transformers:`."
        )
    weights = None if pretrained == "random" else pretrained
    known = open_clip.list_pretrained_tags_by_model(name)
    if weights is not None and weights not in known and not Path(weights).is_file():
        raise ConfigError(
            f"{pretrained!r} is neither a file nor a tag of {model}'s weights; tags: {', '.join(known) or 'none'}; "
            "`random` means random weights."
        )
    origin = open_clip.get_pretrained_cfg(name, pretrained) if weights in known else {}
    quick = bool(origin.get("quick_gelu"))  # open_clip only warns, and returns other features
    if origin and not _is_cached(origin):
        Console(stderr=True).print(f"Downloading the weights {pretrained} of {model} ...", highlight=False)
    _refuse_without_extra(name, model)
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = open_clip.create_model(name, pretrained=weights, force_quick_gelu=quick)
        tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # a library may raise anything about a file or a download
        raise ConfigError(_unavailable(model, pretrained, options, error)) from error
    made.eval().requires_grad_(False)
    note = f"{Path(model).stem} ({'random weights' if weights is None else Path(pretrained).name})"
    return ClipModel(made, tokenizer, note)


def known_models() -> dict[str, tuple[dict[str, Any], list[str]]]:
    """The configuration and the tags of the weights of every model of open_clip, by its name."""
    import open_clip

    return {
        n: (open_clip.get_model_config(n), open_clip.list_pretrained_tags_by_model(n)) for n in open_clip.list_models()
    }


def _registered(model: str) -> str:
    """Name of a model for open_clip, which is registered first if it is given by the path of its configuration."""
    import open_clip

    if not model.endswith(".json"):
        return model
    if not Path(model).is_file():
        raise ConfigError(f"There is no model configuration {model}.")
    try:
        json.loads(Path(model).read_text(encoding="utf-8"))  # open_clip would fail on it from now on
    except ValueError as error:
        raise ConfigError(f"The model configuration {model} is not valid JSON: {error}.") from error
    open_clip.add_model_config(model)
    return Path(model).stem


def _refuse_without_extra(name: str, model: str) -> None:
    """Refuse a model whose tokenizer or text tower is one of ``transformers``, where that is not installed.

    Raises:
        MissingPackageError: If it is not.
    """
    import open_clip

    text = open_clip.get_model_config(name).get("text_cfg", {})
    if ("hf_tokenizer_name" in text or "hf_model_name" in text) and find_spec("transformers") is None:
        raise MissingPackageError(
            f"{model} reads texts with a tokenizer of transformers, which is not installed: run `pip install "
            "'wtal[transformers]'`, or take a model without it, such as ViT-B-16 or PE-Core-B-16."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress open_clip's warnings about missing weights where random ones are requested."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logging.disable(before)


def how_to_fetch(model: str, pretrained: str, options: Options = TEXT_OPTIONS) -> str | None:
    """The commands that get weights onto a machine without a network; None where nothing needs to be downloaded.

    Args:
        model: See :func:`load_clip`.
        pretrained: See :func:`load_clip`.
        options: Options that take a file and its model.
    """
    origin = _origin(model, pretrained)
    if not origin or _is_cached(origin):
        return None
    repository, name = _place_on_hub(origin)
    address = f"https://huggingface.co/{repository}/resolve/main/{name}" if repository else origin["url"]
    file = f"weights/{model}-{pretrained}{Path(address).suffix}"
    own = f"{model}-quickgelu" if origin.get("quick_gelu") and not model.endswith("-quickgelu") else model
    return (
        f"run `curl -L --create-dirs -o {file} {address}` where there is a network, then add `{options[0]}={file} "
        f"{options[1]}={own}`"
    )


def _origin(model: str, pretrained: str) -> dict[str, Any]:
    """Where open_clip downloads weights from; empty for a file, random weights and unknown tags."""
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model)
    return open_clip.get_pretrained_cfg(model, pretrained) if pretrained in tags else {}


def _place_on_hub(origin: dict[str, Any]) -> tuple[str, str]:
    """Repository on Hugging Face, empty if the weights are elsewhere, and name of the file in it."""
    repository, _, name = origin.get("hf_hub", "").rpartition("/")
    return repository, name or "open_clip_model.safetensors"


def _is_cached(origin: dict[str, Any]) -> bool:
    """Whether weights have been downloaded to this machine before."""
    from huggingface_hub import try_to_load_from_cache

    repository, name = _place_on_hub(origin)
    if not repository:
        return (Path("~/.cache/clip").expanduser() / Path(origin["url"]).name).is_file()
    names = {name, "open_clip_model.safetensors", "open_clip_pytorch_model.bin"}
    return any(isinstance(try_to_load_from_cache(repository, each), str) for each in names)


def _unavailable(model: str, pretrained: str, options: Options, error: Exception) -> str:
    """A message about weights that did not load, with the remedy."""
    fetch = how_to_fetch(model, pretrained, options)
    if fetch is not None:
        return f"The weights {pretrained!r} of {model} cannot be downloaded: {fetch}."
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    reason = reason.rstrip(".:")
    if pretrained == "random":
        return f"open_clip cannot build {model}: {reason}; correct its configuration."
    return f"The weights {pretrained} do not load into {model}: {reason}; give the open_clip model of these weights."

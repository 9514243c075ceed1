"""Loads a vision-language model of ``transformers`` by name or folder, frozen; an error explains cause and remedy."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import torch

from wtal.errors import ConfigError, one_line
from wtal.io.extras import from_extra

__all__ = ["FAMILIES", "PREFIX", "Family", "LoadedTransformers", "family_of", "is_of_transformers", "load_transformers"]

PREFIX = "transformers:"
_DEFAULTS = ("openai", "main", "")  # what stands for the repository's own weights; the first is every option's default


class Family(NamedTuple):
    """What the code must know of the models of one type.

    Args:
        title: Name for people.
        example: A repository on the Hub.
        video: Whether a model reads several frames together.
        causal: Whether no token of a text attends to a later one, and features come from the end token.
        packed: Whether images come as a row of patches of their own size.
        remark: What a reader of a table must know; empty if nothing.
    """

    title: str
    example: str
    video: bool = False
    causal: bool = False
    packed: bool = False
    remark: str = ""


FAMILIES = {
    "clip": Family("CLIP", "openai/clip-vit-base-patch16", causal=True),
    "metaclip_2": Family("MetaCLIP 2", "facebook/metaclip-2-worldwide-huge-quickgelu", causal=True),
    "pe_video": Family("PE video", "", video=True),
    "siglip": Family("SigLIP, SigLIP2 of fixed size", "google/siglip2-base-patch16-224"),
    "siglip2": Family("SigLIP2 NaFlex", "google/siglip2-base-patch16-naflex", packed=True),
    "videoprism": Family("VideoPrism", "google/videoprism-lvt-base-f16r288", video=True),
    "xclip": Family(
        "X-CLIP",
        "microsoft/xclip-base-patch32",
        video=True,
        causal=True,
        remark="texts without its prompts from the video",
    ),
}


class LoadedTransformers(NamedTuple):
    """A frozen model with where it came from."""

    model: Any  # the library's classes share no useful type
    family: Family
    kind: str
    place: str
    revision: str
    note: str


def is_of_transformers(model: str) -> bool:
    """Whether a name is one of ``transformers``, not of open_clip.

    >>> is_of_transformers("transformers:microsoft/xclip-base-patch32"), is_of_transformers("ViT-B-16")
    (True, False)
    """
    return model.startswith(PREFIX)


def load_transformers(model: str, pretrained: str) -> LoadedTransformers:
    """Load a model, in evaluation mode.

    Random weights are the same in every process and run. No code of a repository is run.

    Args:
        model: ``transformers:`` and a repository of the Hub, such as ``transformers:microsoft/xclip-base-patch32``, or
            a folder with its files.
        pretrained: Revision of the repository; ``openai``, the default of all options, and ``main`` mean the newest,
            ``random`` means random weights.

    Raises:
        ConfigError: If the model cannot be found, downloaded or used.
        MissingPackageError: If ``transformers`` is not installed.
    """
    with from_extra("transformers"):
        import transformers

    place, random = model.removeprefix(PREFIX), pretrained == "random"
    revision = "main" if random or pretrained in _DEFAULTS else pretrained
    try:
        with _quiet():
            config = transformers.AutoConfig.from_pretrained(place, revision=revision)
            kind, family = config.model_type, family_of(config.model_type, model)
            if random:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(0)
                    made = transformers.AutoModel.from_config(config)  # type: ignore[no-untyped-call]
            else:
                made = transformers.AutoModel.from_pretrained(place, revision=revision, config=config)
    except ConfigError:
        raise
    except Exception as error:  # a library may raise anything about a file or a download
        raise ConfigError(unavailable(model, place, error)) from error
    made.eval().requires_grad_(False)
    name = f"{PREFIX}{Path(place).name if Path(place).is_dir() else place}"
    note = f"{name} ({'random weights' if random else revision})"
    return LoadedTransformers(made, family, kind, place, revision, note)


def family_of(kind: str, model: str) -> Family:
    """The family of a model.

    Args:
        kind: Its type, as its configuration names it.
        model: Its name in the message.

    Raises:
        ConfigError: If it has no image or video tower beside a text tower, or none that can be used here.
    """
    if kind not in FAMILIES:
        raise ConfigError(
            f"{model} is a model of the type {kind!r}, which has no towers that can be used here: take one of "
            f"{', '.join(FAMILIES)}, or another that `wtal vlp` lists."
        )
    return FAMILIES[kind]


def unavailable(model: str, place: str, error: Exception) -> str:
    """A message about files that did not load, with the remedy."""
    reason = one_line(str(error).strip().split("\n")[0] or type(error).__name__).rstrip(".:")
    if Path(place).is_dir():
        return f"{model} cannot be loaded: {reason}; give a folder that `save_pretrained` has written."
    return (
        f"{model} cannot be loaded: {reason}; correct its name, or without a network run `hf download {place} "
        f"--local-dir weights/{Path(place).name}` where there is one, and give `{PREFIX}weights/{Path(place).name}`."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the library's remarks and bars, but not those of a download."""
    from transformers.utils import logging as library

    before, bars = logging.root.manager.disable, library.is_progress_bar_enabled()
    logging.disable(logging.WARNING)
    library.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with redirect_stdout(io.StringIO()):  # it prints what it thinks of its own documentation
            yield
    finally:
        logging.disable(before)
        if bars:
            library.enable_progress_bar()  # type: ignore[no-untyped-call]

"""What the text tower of a configuration needs: weights on this machine, and CLIP features of the same model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wtal.data import SnippetDataModule
from wtal.errors import WTALError
from wtal.nn.encoders.transformers_model import PREFIX
from wtal.training.settings import read_settings

__all__ = ["another_clip", "remarks_on_texts"]

_TOWERS = ("PromptedText", "TemplateText")


def remarks_on_texts(configs: Sequence[Path], data: SnippetDataModule) -> list[str]:
    """What a training with these configurations still lacks for its texts, a sentence each.

    Args:
        configs: Configurations, each merged over the ones before; only their ``model`` parts are read.
        data: The data.
    """
    contents = list(map(read_settings, configs))
    models = [{"model": content["model"]} for content in contents if isinstance(content, dict) and "model" in content]
    remarks = []
    for place, (model, pretrained) in _towers(models).items():
        from wtal.nn.encoders.clip_model import how_to_fetch  # slow, and not needed for texts of a file

        fetch = how_to_fetch(model, pretrained, (f"--{place}.pretrained", f"--{place}.model"))
        if fetch is not None:
            remarks.append(
                f"The weights {pretrained!r} of {model} are not on this machine: `wtal fit` downloads them; without a "
                f"network, {fetch}."
            )
    source = data.streams.get("clip")
    if source is not None and not source.path.exists():
        remarks.append(
            "CLIP features are still lacking: `wtal extract VIDEOS --streams clip --output features` makes them, then "
            "add `--data.clip.path=features/clip`."
        )
    return remarks + another_clip(models, data)


def another_clip(settings: Sequence[Mapping[str, Any]], data: SnippetDataModule) -> list[str]:
    """A sentence for each text tower that is not of the model that the CLIP features came from.

    Args:
        settings: Settings with a ``model`` part, each merged over the ones before.
        data: The data; features without a manifest are not compared.
    """
    made_by = _clip_of(data)
    if made_by is None:
        return []
    return [
        f"The CLIP features were made by {made_by[0]} ({made_by[1]}), but texts are read by {model} ({pretrained}): "
        f"their cosines mean little; give `--{place}.model` and `--{place}.pretrained` of the features."
        for place, (model, pretrained) in _towers(settings).items()
        if _differ(made_by, (model, pretrained))
    ]


def _towers(settings: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Model and weights of each text tower, by the option that holds it."""
    found: dict[str, dict[str, Any]] = {}
    for content in settings:
        for place, text in _texts(content, ""):
            former = found.get(place, {})
            if text.get("class_path", former.get("class_path")) != former.get("class_path"):
                former = {}
            arguments = {**former.get("init_args", {}), **(text.get("init_args") or {})}
            found[place] = {**former, **text, "init_args": arguments}
    return {
        place.replace(".init_args", ""): (
            str(text["init_args"].get("model", "ViT-B-16")),
            str(text["init_args"].get("pretrained", "openai")),
        )
        for place, text in found.items()
        if str(text.get("class_path")).rpartition(".")[2] in _TOWERS
    }


def _texts(settings: object, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Settings of texts, wherever a branch has its head."""
    if not isinstance(settings, Mapping):
        return
    for key, value in settings.items():
        where = f"{place}.{key}" if place else str(key)
        if key == "text" and isinstance(value, dict):
            yield where, value
        else:
            yield from _texts(value, where)


def _clip_of(data: SnippetDataModule) -> tuple[str, str] | None:
    """Model and weights that made the CLIP features; None if their manifest does not say it."""
    if "clip" not in data.streams:
        return None
    try:
        manifest = data.open_stream("clip", data.split_table("train")).manifest
    except WTALError:  # reported where the features are needed
        return None
    stated = re.match(r"(\S+) \((.+?)\)", str(manifest.origin.get("clip", ""))) if manifest else None
    return (stated[1], stated[2]) if stated else None


def _differ(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two models differ; the weights are compared where both are known by a tag, and not by a file."""
    models = {Path(name.removeprefix(PREFIX)).stem.removesuffix("-quickgelu") for name, _ in (one, other)}
    weights = [pretrained.removesuffix(" weights") for _, pretrained in (one, other)]
    if one[0].startswith(PREFIX):  # whose weights come with the model, whatever the default of the option
        weights = ["main" if name == "openai" else name for name in weights]
    tags = [name for name in weights if not Path(name).suffix]
    return len(models) > 1 or len(set(tags)) > 1 or (len(set(weights)) > 1 and "random" in weights)

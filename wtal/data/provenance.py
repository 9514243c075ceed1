"""What tables say about the origin of features."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wtal.data.features import FeatureSource, part_of
from wtal.data.manifest import read_manifest

__all__ = ["NOT_STATED", "described"]

NOT_STATED = "not stated"
_RANDOM = "random weights"  # how the notes of a manifest begin if a network had none


def described(given: str, streams: Mapping[str, FeatureSource]) -> str:
    """The features in words: as given, unless their manifests say that they mean nothing, or nothing is given.

    Args:
        given: Description in the configuration.
        streams: Sources of the features, by name of the stream.
    """
    found = {name: read_manifest(Path(part_of(source, name).path)) for name, source in streams.items()}
    manifests = {name: manifest for name, manifest in found.items() if manifest is not None}
    random = [name for name, manifest in manifests.items() if manifest.notes.startswith(_RANDOM)]
    if random:
        return f"{' and '.join(random)} of random weights, which mean nothing"
    if given != NOT_STATED:
        return given
    origins = {name: _in_words(manifest.origin) for name, manifest in manifests.items()}
    return "; ".join(f"{name}: {text}" for name, text in origins.items() if text) or given


def _in_words(origin: Mapping[str, Any]) -> str:
    """The values of an origin, each once and without checksums."""
    texts = [re.sub(r" ?\(sha256 \w+\)", "", str(value)) for value in origin.values()]
    return ", ".join(dict.fromkeys(filter(None, texts)))

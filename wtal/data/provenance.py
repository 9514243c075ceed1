"""What tables say about the origin of features."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wtal.data.features import FeatureSource, part_of
from wtal.data.manifest import read_manifest
from wtal.errors import AnnotationError

__all__ = ["NOT_STATED", "described", "trained_on"]

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


def trained_on(train_table: Callable[[], pd.DataFrame], test: pd.DataFrame) -> str:
    """What the benchmark's name must add if test videos are training videos; empty if none is.

    Args:
        train_table: Gives the training videos, by name; it raises if the annotations are of test videos alone.
        test: Test videos, by name.
    """
    try:
        train = train_table()
    except AnnotationError:
        return ""
    count = int(test.index.isin(train.index).sum())
    return f"{count} of {len(test)} videos trained on" if count else ""


def _in_words(origin: Mapping[str, Any]) -> str:
    """The values of an origin, each once and without checksums."""
    texts = [re.sub(r" ?\(sha256 \w+\)", "", str(value)) for value in origin.values()]
    return ", ".join(dict.fromkeys(filter(None, texts)))

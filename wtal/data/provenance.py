"""What tables say about the origin of features."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wtal.data.features import FeatureSource, part_of
from wtal.data.manifest import Manifest, read_manifest
from wtal.errors import AnnotationError, FeatureError
from wtal.io.bounds import read_json

__all__ = ["NOT_STATED", "SIMULATION", "described", "trained_on"]

NOT_STATED = "not stated"
SIMULATION = "simulation.json"  # beside features that `wtal simulate` has made, with a `note` about them
_RANDOM = "random weights"  # how the notes of a manifest begin if a network had none


def described(given: str, streams: Mapping[str, FeatureSource]) -> str:
    """The features in words: as given, unless files say that they mean nothing or are simulated, or nothing is given.

    Args:
        given: Description in the configuration.
        streams: Sources of the features, by name of the stream.
    """
    found = {name: read_manifest(Path(part_of(source, name).path)) for name, source in streams.items()}
    manifests = {name: manifest for name, manifest in found.items() if manifest is not None}
    stated = _random(manifests) or _simulated(streams, manifests, given)
    if stated or given != NOT_STATED:
        return stated or given
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


def _random(manifests: Mapping[str, Manifest]) -> str:
    """The note on features of random weights; empty without any."""
    names = [name for name, manifest in manifests.items() if manifest.notes.startswith(_RANDOM)]
    return f"{' and '.join(names)} of random weights, which mean nothing" if names else ""


def _simulated(streams: Mapping[str, FeatureSource], manifests: Mapping[str, Manifest], given: str) -> str:
    """The note that simulated features require, by stream if others are not; empty if it is given already."""
    if "simulated" in given:
        return ""
    notes = {name: _simulation(source, manifests.get(name)) for name, source in streams.items()}
    if len(set(notes.values())) == 1:
        return next(iter(notes.values()))
    return "; ".join(f"{name}: {note}" for name, note in notes.items() if note)


def _simulation(source: FeatureSource, manifest: Manifest | None) -> str:
    """The note on simulated features in their manifest or a file beside them; empty for others."""
    if manifest is not None and "simulation" in manifest.origin:
        return str(manifest.origin["simulation"])
    for folder in (Path(source.path), Path(source.path).parent):
        if (folder / SIMULATION).is_file():
            content = read_json(folder / SIMULATION, FeatureError)
            return str(content.get("note", "simulated")) if isinstance(content, dict) else "simulated"
    return ""


def _in_words(origin: Mapping[str, Any]) -> str:
    """The values of an origin, each once and without checksums."""
    texts = [re.sub(r" ?\(sha256 \w+\)", "", str(value)) for value in origin.values()]
    return ", ".join(dict.fromkeys(filter(None, texts)))

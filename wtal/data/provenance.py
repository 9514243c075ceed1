"""What tables say about the origin of features and annotations."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wtal.data.features import FeatureSource, part_of
from wtal.data.manifest import read_manifest
from wtal.errors import AnnotationError
from wtal.io.folders import files_below

__all__ = ["NOT_STATED", "described", "fingerprint", "trained_on"]

NOT_STATED = "not stated"
_LARGEST_ANNOTATIONS = 2**26  # bytes; a larger file holds features
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


def fingerprint(path: Path) -> str:
    """Name of a file and its SHA-256; empty if it is gone.

    Args:
        path: The file, or a folder, which is represented by the names and contents of its files of at most 64 MiB.
    """
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            for file in (file for file in files_below(path) if file.stat().st_size <= _LARGEST_ANNOTATIONS):
                digest.update(
                    f"{file.relative_to(path).as_posix()}\0{_sha256(file)}\n".encode(errors="backslashreplace")
                )
            return f"{path.name} (sha256 {digest.hexdigest()} of its files)"
        return f"{path.name} (sha256 {_sha256(path)})"
    except OSError:
        return ""


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


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

"""The joint feature file of W-TALC, converted once into a store."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wtal.data.manifest import read_manifest
from wtal.data.store import Grids, StoreWriter
from wtal.errors import FeatureError
from wtal.io.locks import alone
from wtal.io.unpickle import iterate_joint_arrays, load_object_array

__all__ = ["convert_wtalc", "joint_file", "names_beside"]


def convert_wtalc(path: Path, names: Path | None, folder: Path, grids: Grids) -> None:
    """Convert the joint feature file of W-TALC into a store, unless this was done before.

    The file is a pickled object array with one ``(T, D)`` array per video. It is read as a stream, so memory holds only
    one video at a time. If there are several processes, one converts while the others wait.

    Args:
        path: Path of the file ``<Set>-I3D-JOINTFeatures.npy``.
        names: The ``videoname.npy`` that names its rows, or the folder with it.
        folder: Folder of the store.
        grids: Time grids of the videos; corrected in an existing store.

    Raises:
        FeatureError: If the file is damaged or holds anything but arrays, or its videos do not match the names.
    """
    if names is None:
        raise FeatureError(
            f"{path} does not name its videos: set `names` to the annotation folder with `videoname.npy`."
        )
    names = names / "videoname.npy" if names.is_dir() else names
    try:
        order = [name.decode() if isinstance(name, bytes) else str(name) for name in load_object_array(names).ravel()]
        _ = [name.encode() for name in order]  # refuses unpaired surrogates
    except ValueError as error:  # also raised for bytes that are not text
        raise FeatureError(
            f"{names} does not hold names of videos ({error}): give the `videoname.npy` of the annotations."
        ) from error
    origin = _origin(path, order)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not _is_made_from(origin, folder):
            with alone(folder):
                if not _is_made_from(origin, folder):
                    _convert(path, names, order, StoreWriter(folder, grids.grid, origin=origin))
        _correct_grid(folder, grids)
    except OSError as error:
        raise FeatureError(
            f"{folder} cannot be written ({error.strerror}): set `store` of the features to a writable folder with "
            "free space."
        ) from error


def _convert(path: Path, names: Path, order: Sequence[str], writer: StoreWriter) -> None:
    with writer:

        def write(index: int, rows: np.ndarray) -> None:
            if index >= len(order):
                raise FeatureError(
                    f"{path} has more videos than the {len(order)} of {names}: give files of the same set."
                )
            try:
                writer.add(order[index], rows)
            except FeatureError as error:
                raise FeatureError(f"{path}, row {index}: {error}") from error

        count = iterate_joint_arrays(path, write)
        if count != len(order):
            raise FeatureError(f"{path} has {count} videos and {names} names {len(order)}: give files of the same set.")


def _is_made_from(origin: dict[str, Any], folder: Path) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.origin == origin


def _correct_grid(folder: Path, grids: Grids) -> None:
    manifest = read_manifest(folder)
    assert manifest is not None
    rates = None if grids.fps is None else {name: grids(name).fps for name in manifest.videos}
    corrected = replace(manifest, grid=grids.grid, fps=rates)
    if corrected != manifest:
        corrected.write(folder)


def _origin(path: Path, order: Sequence[str]) -> dict[str, Any]:
    """Fingerprint of a file, without reading it whole: size, time, a few blocks and the names of its videos."""
    stat, digest = path.stat(), hashlib.blake2b("\n".join(order).encode(), digest_size=16)
    with path.open("rb") as file:
        for block in range(32):
            file.seek(stat.st_size * block // 32)
            digest.update(file.read(4096))
    return {"file": path.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "digest": digest.hexdigest()}


def joint_file(path: Path) -> Path:
    """The joint feature file at a path: the path itself, or the only such file in a folder.

    Raises:
        FeatureError: If the folder holds no such file, or several.
    """
    if path.is_file():
        return path
    found = sorted(path.glob("*JOINTFeatures.npy"))
    if len(found) != 1:
        raise FeatureError(f"{path} holds {len(found)} files *JOINTFeatures.npy: give one of them as `path`.")
    return found[0]


def names_beside(path: Path) -> Path | None:
    """The ``videoname.npy`` in the annotation folder that W-TALC keeps beside the features of a set, or None."""
    file = path.parent / f"{path.name.partition('-')[0]}-Annotations" / "videoname.npy"
    return file if file.is_file() else None

"""Readers of a file of snippet features in any format of the field; the file may come from an untrusted source."""

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from wtal.data.store import npy_shape, read_npy
from wtal.errors import FeatureError
from wtal.io.bounds import check_size, check_torch_archive, is_bounded, read_npy_header
from wtal.io.unpickle import load_pickle

__all__ = ["HDF5", "SUFFIXES", "features_shape", "hdf5_names", "hdf5_shape", "read_features", "read_hdf5"]

HDF5 = (".h5", ".hdf5")
SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".pkl", ".pickle", ".csv")


def read_features(file: Path) -> np.ndarray:
    """Read the array in a file, memory-mapped where possible.

    Raises:
        FeatureError: If the file is damaged, or does not hold exactly one array of features.
    """
    if file.suffix == ".npy":
        return read_npy(file)
    with _naming_file(file):
        if file.suffix == ".npz":
            return _read_npz(file)
        if file.suffix == ".csv":
            return np.loadtxt(file, delimiter=",", dtype=np.float32, ndmin=2, skiprows=int(_has_header(file)))
        if file.suffix in (".pt", ".pth"):
            import torch

            check_torch_archive(file)
            content = torch.load(file, map_location="cpu", weights_only=True)
        else:
            content = load_pickle(file)
        if isinstance(content, dict):
            content = content[_only(file, list(content))]
        if hasattr(content, "detach"):  # a tensor, possibly of a precision that numpy lacks
            check_size(content.nbytes, content.untyped_storage().nbytes())
            content = content.detach().float().numpy()
        if not is_bounded(content, file.stat().st_size):
            raise ValueError("its lists contain each other")
        return np.asarray(content)


def _read_npz(file: Path) -> np.ndarray:
    with zipfile.ZipFile(file) as archive:
        name, (shape, dtype) = _npz_header(file, archive)
    check_size(math.prod(shape) * dtype.itemsize, file.stat().st_size)
    with np.load(file, allow_pickle=False) as arrays:
        return np.asarray(arrays[name])


def _npz_header(file: Path, archive: zipfile.ZipFile) -> tuple[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    name = _only(file, [name.removesuffix(".npy") for name in archive.namelist()])
    with archive.open(f"{name}.npy") as opened:
        return name, read_npy_header(file, opened, archive.getinfo(f"{name}.npy").file_size)


def features_shape(file: Path) -> tuple[int, ...]:
    """Shape of the array in a file, read from the header where there is one.

    Raises:
        FeatureError: See :func:`read_features`.
    """
    if file.suffix == ".npy":
        return npy_shape(file)
    if file.suffix == ".npz":
        with _naming_file(file), zipfile.ZipFile(file) as archive:
            return _npz_header(file, archive)[1][0]
    if file.suffix == ".csv":
        with _naming_file(file), file.open(encoding="utf-8") as lines:
            columns = lines.readline().count(",") + 1
            return sum(bool(line.strip()) for line in lines) + (not _has_header(file)), columns
    return read_features(file).shape


@contextmanager
def _naming_file(file: Path) -> Iterator[None]:
    """Turn any error from a damaged file into one that names the file."""
    try:
        yield
    except FeatureError:
        raise
    except Exception as error:  # readers of foreign formats may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise FeatureError(f"{file} cannot be read and may be damaged ({reason}): extract it again.") from error


def _only(file: Path, keys: Sequence[str]) -> str:
    """Name of the array that holds the features."""
    found = [key for key in keys if len(keys) == 1 or key in ("features", "feature", "feats", "feat")]
    if len(found) != 1:
        raise FeatureError(
            f"{file} holds {', '.join(map(str, keys)) or 'no array'}: save the features alone, or name them `features`."
        )
    return found[0]


def _has_header(file: Path) -> bool:
    with file.open(encoding="utf-8") as lines:
        first = lines.readline().split(",")[0]
    try:
        float(first)
    except ValueError:
        return True
    return False


def hdf5_names(path: Path) -> list[str]:
    """Names of the videos in an HDF5 file.

    Raises:
        FeatureError: If the file is damaged.
    """
    import h5py

    with _naming_file(path), h5py.File(path) as file:
        names = list(file)
        if not all(isinstance(name, str) for name in names):
            raise ValueError("one of its names is not text")
        return names


@contextmanager
def _hdf5_data(path: Path, name: str) -> Iterator[Any]:
    """The matrix of a video, which is a dataset, or one in a group."""
    import h5py

    with _naming_file(path), h5py.File(path) as file:
        node = file[name]
        if isinstance(node, h5py.Group):
            matrices = {key: item for key, item in node.items() if isinstance(item, h5py.Dataset) and item.ndim == 2}
            node = matrices[_only(path, list(matrices))]
        if node.file.filename != file.filename or node.external or node.is_virtual:
            raise ValueError(f"{name} is stored in another file")
        check_size(node.nbytes, path.stat().st_size)
        yield node


def read_hdf5(path: Path, name: str) -> np.ndarray:
    """Read the array of a video in an HDF5 file.

    Raises:
        FeatureError: See :func:`read_features`.
    """
    with _hdf5_data(path, name) as data:
        return np.asarray(data)


def hdf5_shape(path: Path, name: str) -> tuple[int, ...]:
    """Shape of the array of a video in an HDF5 file.

    Raises:
        FeatureError: See :func:`read_features`.
    """
    with _hdf5_data(path, name) as data:
        return tuple(data.shape)

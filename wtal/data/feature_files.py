"""Readers of files of snippet features in any format of the field; a file may come from an untrusted source."""

import math
import pickle
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wtal.data.axes import FeatureArray
from wtal.data.containers import Keys, Tree, array_keys, video_keys
from wtal.data.feature_tables import read_feature_table, table_shape
from wtal.data.store import npy_shape, read_npy
from wtal.errors import FeatureError
from wtal.io.bounds import check_size, check_torch_archive, is_bounded, read_npy_header
from wtal.io.unpickle import load_object_array, load_pickle

__all__ = ["CONTAINERS", "HDF5", "SUFFIXES", "TABLES", "file_array", "holds_dictionary", "video_arrays"]

HDF5 = (".h5", ".hdf5")
TABLES = (".csv", ".tsv")
CONTAINERS = (*HDF5, ".npz", ".pt", ".pth", ".pkl", ".pickle")  # what may hold several arrays
SUFFIXES = (".npy", *TABLES, *CONTAINERS)
_READ_AT_ONCE = (".pt", ".pth", ".pkl", ".pickle", ".npy")


def file_array(file: Path) -> FeatureArray:
    """The features of the one video in a file.

    Reading them raises a FeatureError if the file is damaged, or does not hold exactly one array of features.
    """
    return FeatureArray(partial(_read, file), partial(_file_shape, file), file)


def video_arrays(file: Path) -> dict[str, FeatureArray]:
    """The features of each video in a file of several; a file of one array is the video of its own name.

    Raises:
        FeatureError: If the file is damaged.
    """
    with _naming_file(file):
        tree = _tree(file)
        if not isinstance(tree, Mapping) or _is_one_video(tree):
            return {file.stem: file_array(file)}
        try:
            videos = video_keys(tree)
        except FeatureError as error:
            raise FeatureError(f"{file}: {error}") from error
    return {
        name: FeatureArray(partial(_read_parts, file, keys), partial(_parts_shape, file, keys), file)
        for name, keys in videos.items()
    }


def _is_one_video(tree: Tree) -> bool:
    try:
        found = array_keys(tree, "")
    except FeatureError:
        return False
    return len(found) > 1 or (len(tree) > 1 and len(found[0]) == 1) or found[0][0].lower().startswith("feat")


def holds_dictionary(file: Path) -> bool:
    """Whether a ``.npy`` file holds a Python dictionary, of videos for example, instead of an array."""
    try:
        with file.open("rb") as opened:
            shape, dtype = read_npy_header(file, opened, file.stat().st_size)
    except (FeatureError, OSError):
        return False
    return shape == () and dtype.hasobject


# Formats --------------------------------------------------------------------------------------------------------


def _read(file: Path) -> np.ndarray:
    """The array in a file of one video, memory-mapped where possible."""
    if file.suffix == ".npy" and not holds_dictionary(file):
        return read_npy(file)
    with _naming_file(file):
        if file.suffix in TABLES:
            return read_feature_table(file)
    tree, parts = _parts_of(file)
    if parts is not None:
        return _read_parts(file, parts)
    with _naming_file(file):
        return _numbers(file, tree)


def _file_shape(file: Path) -> tuple[int, ...]:
    """Shape of the array in a file of one video, read from the header where there is one."""
    if file.suffix == ".npy" and not holds_dictionary(file):
        return npy_shape(file)
    with _naming_file(file):
        if file.suffix in TABLES:
            return table_shape(file)
    _, parts = _parts_of(file)
    return _read(file).shape if parts is None else _parts_shape(file, parts)


def _parts_of(file: Path) -> tuple[Any, Sequence[Keys] | None]:
    """What a file holds, and the keys of its arrays; None instead of keys if it is an array itself."""
    with _naming_file(file):
        tree = _tree(file)
    return tree, array_keys(tree, str(file)) if isinstance(tree, Mapping) else None


def _read_parts(file: Path, parts: Sequence[Keys]) -> np.ndarray:
    """One array of a container, or several side by side, cut to the length of the shortest."""
    arrays = [_read_part(file, keys) for keys in parts]
    if len(arrays) == 1:
        return arrays[0]
    length, _ = _parts_shape(file, parts)
    return np.concatenate([array.reshape(len(array), -1)[:length] for array in arrays], axis=1)


def _parts_shape(file: Path, parts: Sequence[Keys]) -> tuple[int, ...]:
    shapes = [_part_shape(file, keys) for keys in parts]
    if len(shapes) == 1:
        return shapes[0]
    if any(len(shape) != 2 for shape in shapes) or max(s[0] for s in shapes) - min(s[0] for s in shapes) > 2:
        names = " and ".join("/".join(keys) for keys in parts)
        raise FeatureError(f"{file} holds {names} of shapes {', '.join(map(str, shapes))}, which do not fit together.")
    return min(shape[0] for shape in shapes), sum(shape[1] for shape in shapes)


def _read_part(file: Path, keys: Keys) -> np.ndarray:
    with _naming_file(file):
        if file.suffix in HDF5:
            with _hdf5_node(file, keys) as node:
                return np.asarray(node)
        if file.suffix == ".npz":
            return _read_npz(file, keys[0])
        return _numbers(file, _descend(_tree(file), keys))


def _part_shape(file: Path, keys: Keys) -> tuple[int, ...]:
    with _naming_file(file):
        if file.suffix in HDF5:
            with _hdf5_node(file, keys) as node:
                return tuple(node.shape)
        found = _descend(_tree(file), keys)
        return tuple(found.shape) if hasattr(found, "shape") else _numbers(file, found).shape


def _tree(file: Path) -> Any:  # noqa: ANN401  a Tree, or one array
    """What a file holds: an array, or arrays by name; of HDF5 and npz only their shapes."""
    found = file.stat()
    return _tree_of(file, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _tree_of(file: Path, *version: int) -> Any:  # noqa: ANN401
    """The same, kept, as a file of all videos is asked for each of them."""
    if file.suffix in HDF5:
        return _hdf5_tree(file)
    if file.suffix == ".npz":
        return _npz_tree(file)
    if file.suffix in (".pt", ".pth"):
        content = _load_torch(file)
    elif file.suffix == ".npy":
        content = load_object_array(file).item()
    else:
        content = load_pickle(file)
    if not is_bounded(content, file.stat().st_size):
        raise ValueError("its lists contain each other")
    return _with_text_keys(content)


def _load_torch(file: Path) -> Any:  # noqa: ANN401
    import torch

    check_torch_archive(file)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch reads no arrays of numpy, which are common in such files
        try:
            with zipfile.ZipFile(file) as archive, tempfile.NamedTemporaryFile() as plain:
                plain.write(archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl"))))
                plain.flush()
                return load_pickle(Path(plain.name))
        except (FeatureError, zipfile.BadZipFile, StopIteration):
            raise error from None


def _with_text_keys(content: Any, depth: int = 6) -> Any:  # noqa: ANN401
    """The same with names for keys, which Python 2 pickled as bytes."""
    if not isinstance(content, dict) or not depth:
        return content
    names = [key.decode(errors="replace") if isinstance(key, bytes) else str(key) for key in content]
    return {name: _with_text_keys(part, depth - 1) for name, part in zip(names, content.values(), strict=True)}


def _descend(tree: Any, keys: Keys) -> Any:  # noqa: ANN401
    for key in keys:
        tree = tree[key]
    return tree


def _numbers(file: Path, content: Any) -> np.ndarray:  # noqa: ANN401
    """An array of an array, a tensor of any precision, or a list of rows."""
    if hasattr(content, "detach"):
        check_size(content.nbytes, content.untyped_storage().nbytes())
        return content.detach().float().numpy()  # type: ignore[no-any-return]
    if isinstance(content, list | tuple) and any(hasattr(row, "detach") for row in content):
        return np.stack([_numbers(file, row) for row in content])
    return np.asarray(content)


class _Shape(NamedTuple):
    """An array of which only the shape has been read."""

    shape: tuple[int, ...]


def _npz_tree(file: Path) -> Tree:
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        return {name: _Shape(_npz_header(file, archive, name)[0]) for name in names}


def _npz_header(file: Path, archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(f"{name}.npy") as opened:
        return read_npy_header(file, opened, archive.getinfo(f"{name}.npy").file_size)


def _read_npz(file: Path, name: str) -> np.ndarray:
    with zipfile.ZipFile(file) as archive:
        shape, dtype = _npz_header(file, archive, name)
    check_size(math.prod(shape) * dtype.itemsize, file.stat().st_size)
    with np.load(file, allow_pickle=False) as arrays:
        return np.asarray(arrays[name])


def _hdf5_tree(file: Path) -> Tree:
    import h5py

    seen = set()

    def below(group: h5py.Group) -> dict[str, Any]:
        seen.add(h5py.h5o.get_info(group.id).addr)
        found: dict[str, Any] = {}
        for name in group:
            if not isinstance(name, str):
                raise ValueError("one of its names is not text")
            linked = isinstance(group.get(name, getlink=True), h5py.ExternalLink)
            node = None if linked else group.get(name)
            if isinstance(node, h5py.Dataset):
                found[name] = _Shape(tuple(node.shape or ()))
            elif not isinstance(node, h5py.Group):  # a video as well, so that reading it names the problem
                found[name] = _Shape((0, 0))
            elif h5py.h5o.get_info(node.id).addr not in seen:  # groups may contain each other
                found[name] = below(node)
        return found

    with h5py.File(file) as opened:
        return below(opened)


@contextmanager
def _hdf5_node(file: Path, keys: Keys) -> Iterator[Any]:
    """An array in an HDF5 file."""
    import h5py

    with h5py.File(file) as opened:
        node = opened["/".join(keys)]
        if (
            not isinstance(node, h5py.Dataset)
            or node.file.filename != opened.filename
            or node.external
            or node.is_virtual
        ):
            raise ValueError(f"{'/'.join(keys)} is stored in another file")
        check_size(node.nbytes, file.stat().st_size)
        yield node


@contextmanager
def _naming_file(file: Path) -> Iterator[None]:
    """Turn any error from a damaged file into one that names the file."""
    try:
        yield
    except FeatureError:
        raise
    except Exception as error:  # readers of foreign formats may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        if "nsupported global" in str(error):  # torch refuses anything that could run code
            raise FeatureError(
                f"{file} holds more than tensors and plain values, which is not read as it could run code: save the "
                "features alone, `torch.save(torch.as_tensor(features), file)`."
            ) from error
        remedy = "keep the numbers alone in it, or extract it again" if file.suffix in TABLES else "extract it again"
        raise FeatureError(f"{file} cannot be read and may be damaged ({reason}): {remedy}.") from error

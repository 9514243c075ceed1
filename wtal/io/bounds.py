"""Readers of untrusted files: nothing in a file can run code or claim time and memory out of proportion to its size."""

import json
import math
import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml

from wtal.errors import CheckpointError, FeatureError, WTALError, brief
from wtal.io.text import read_any_text

__all__ = [
    "check_size",
    "check_torch_archive",
    "checked_floors",
    "is_bounded",
    "is_file_name",
    "read_checkpoint",
    "read_json",
    "read_npy_header",
    "read_text",
    "read_yaml",
]

_MAX_YAML_NODES = 1_000_000  # aliases counted as often as they are used
_MAX_YAML_LENGTH = 1 << 20  # characters; more would take many seconds
_MAX_HEADER_BYTES = 1 << 16
_MAX_AXES = 32
_ALWAYS_ALLOWED = 1 << 26  # bytes that any file may unpack to
_MAX_COMPRESSION = 200  # bytes unpacked per byte stored, beyond that


def read_text(path: Path, error: type[WTALError]) -> str:
    """Read UTF-8 text, with or without a byte-order mark.

    Raises:
        WTALError: Of the given type, if the file is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as problem:  # a ValueError for a name that no file can have
        raise error(f"{path} cannot be read as UTF-8 text: {problem}.") from problem


def read_json(path: Path, error: type[WTALError], join: bool = False) -> Any:  # noqa: ANN401
    """Read a JSON file.

    Args:
        path: The file.
        error: Type of the errors that are raised.
        join: Whether to join the lists and objects of a name that an object has twice, rather than to take the last
            one; of equal items in lists, one is kept.

    Raises:
        WTALError: Of the given type, if the file is missing, not JSON or nested too deeply, or if a name has two values
            that cannot be joined.
    """
    try:
        text = read_any_text(path, error)[0]
        return json.loads(text, object_pairs_hook=_joined_pairs if join else None)
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is not valid JSON: {problem}.") from problem


def _joined_pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        content = {}
        for name, value in pairs:
            content[name] = _joined(name, content[name], value) if name in content else value
    return content


def _joined(name: str, one: Any, other: Any) -> Any:  # noqa: ANN401
    """The values of one name, joined.

    Raises:
        ValueError: If they differ and are neither lists nor objects.
    """
    if isinstance(one, list) and isinstance(other, list):
        return one + [item for item in other if item not in one]
    if isinstance(one, dict) and isinstance(other, dict):
        return _joined_pairs([*one.items(), *other.items()])
    if one != other:
        raise ValueError(f"{name!r} is given twice, as {brief(one)} and as {brief(other)}; keep one of them")
    return one


def read_yaml(path: Path, error: type[WTALError]) -> Any:  # noqa: ANN401
    """Read a YAML file into plain values.

    Raises:
        WTALError: Of the given type, if the file is missing, not YAML, too long, or its aliases expand too far.
    """
    text = read_text(path, error)
    if len(text) > _MAX_YAML_LENGTH:
        raise error(f"{path} cannot be read as YAML: it has {len(text)} characters, far more than any configuration.")
    try:
        content = yaml.safe_load(text)
    except Exception as problem:  # a malformed date, number or key may raise anything
        raise error(f"{path} cannot be read as YAML: {' '.join(str(problem).split())}.") from problem
    if not is_bounded(content, _MAX_YAML_NODES):
        raise error(f"{path} expands to more than {_MAX_YAML_NODES} values through its aliases: write them out.")
    return content


def is_bounded(content: Any, limit: int) -> bool:  # noqa: ANN401
    """Whether nested content has at most ``limit`` values, each counted at every place that holds it, arrays by bytes.

    A list that holds one list several times, level by level, is small in memory but takes forever to traverse.

    >>> twice = [0, 0]
    >>> for _ in range(40):
    ...     twice = [twice, twice]
    >>> is_bounded(twice, limit=1000)
    False
    """
    count, waiting = 0, [content]
    while waiting and count <= limit:
        value = waiting.pop()
        count += max(1, getattr(value, "nbytes", 1))
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
    return count <= limit


def read_npy_header(path: Path, file: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of a ``.npy`` file and stop where the array begins.

    Args:
        path: Path of the file, for messages.
        file: The opened file, at its beginning.
        size: Size of the file in bytes.

    Returns:
        Shape and data type of the array.

    Raises:
        FeatureError: If this is not a ``.npy`` file, or one that is too short for its shape.
    """
    try:
        shape, dtype = _npy_header(file)
    except Exception as error:  # a damaged header may raise anything
        raise FeatureError(
            f"{path} is not a .npy file, or a damaged one ({str(error)[:100]}): download it again."
        ) from error
    found, needed = size - file.tell(), math.prod(shape) * max(dtype.itemsize, 1)
    if found < needed and not dtype.hasobject:
        raise FeatureError(
            f"{path} is truncated: it has {found} of the {needed} bytes of its array; download it again."
        )
    return shape, dtype


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if np.lib.format.read_magic(file) == (1, 0):
        width, read = 2, np.lib.format.read_array_header_1_0
    else:
        width, read = 4, np.lib.format.read_array_header_2_0
    begin, prefix = file.tell(), file.read(width)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < width or length > _MAX_HEADER_BYTES:
        raise ValueError(f"a header of {length} bytes")
    file.seek(begin)
    shape, _, dtype = read(file)
    sizes = all(type(size) is int and size >= 0 for size in shape)
    if not sizes or len(shape) > _MAX_AXES or math.prod(size or 1 for size in shape) >> 60:
        raise ValueError(f"shape {brief(shape)}")
    return shape, dtype


def check_size(unpacked: int, stored: int) -> None:
    """Refuse an array that would unpack to far more than is stored; features are hardly compressible.

    Args:
        unpacked: Size of the array in bytes, as the file states it.
        stored: Size in bytes of the file or storage that holds it.

    Raises:
        ValueError: If the array is too large.
    """
    if unpacked > max(_ALWAYS_ALLOWED, _MAX_COMPRESSION * stored):
        raise ValueError(f"an array of {unpacked} bytes out of {stored}")


def check_torch_archive(path: Path) -> None:
    """Refuse an archive of ``torch.save`` that would unpack to more than its size; torch itself compresses nothing.

    Raises:
        ValueError: If a member of the archive is compressed.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed, which torch never does")


def read_checkpoint(path: Path, mmap: bool = False) -> Any:  # noqa: ANN401  any content
    """Read the tensors and plain values in a file of ``torch.save``; nothing in it can run code.

    Args:
        path: Path of the file.
        mmap: Leave tensors on the disk until they are used, if the file's format allows it.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged or hostile.
    """
    import torch  # slow, and not needed for other files

    try:
        check_torch_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap and zipfile.is_zipfile(path))
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is not loaded: it is not a checkpoint, or it holds more than plain values and could run code."
        ) from error
    except Exception as error:  # arbitrary bytes may raise anything
        raise CheckpointError(
            f"{path} is not a checkpoint, or a damaged one ({' '.join(str(error).split())[:100]})."
        ) from error


def is_file_name(name: str) -> bool:
    r"""Whether a name is valid for a file in a folder, and cannot lead out of it.

    >>> [is_file_name(name) for name in ("video_1", "../video_1", "a\0b", "\ud800", "")]
    [True, False, False, False, False]
    """
    try:
        return bool(name) and Path(name).name == name and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def checked_floors(content: Mapping[Any, Any]) -> dict[str, dict[str, float]]:
    """The floors in a file: for each source, the lowest score of each class.

    Raises:
        AttributeError, TypeError, ValueError: If the content has another form, or a score is not finite.
    """
    floors = {str(s): {str(name): float(floor) for name, floor in of.items()} for s, of in content.items()}
    if not all(math.isfinite(floor) for of_source in floors.values() for floor in of_source.values()):
        raise ValueError("a lowest score is not finite")
    return floors

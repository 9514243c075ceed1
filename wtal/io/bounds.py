"""Files of strangers, read so that they can neither run code nor ask for more time and memory than they are worth."""

import json
import math
import os
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml

from wtal.errors import CheckpointError, FeatureError, WTALError, brief

__all__ = [
    "check_size",
    "check_torch_archive",
    "is_bounded",
    "is_file_name",
    "read_checkpoint",
    "read_json",
    "read_npy_header",
    "read_text",
    "read_yaml",
]

_MOST_NODES = 1_000_000  # of a YAML file, aliases counted as often as they are used
_LONGEST_YAML = 1 << 20  # characters; more would take many seconds
_LONGEST_HEADER = 1 << 16  # bytes
_FREE = 1 << 26  # bytes that any file may unpack to
_INFLATION = 200  # how many times its size a larger one may


def read_text(path: Path, error: type[WTALError]) -> str:
    """Text, with or without the mark that spreadsheets put first.

    Raises:
        WTALError: Of the given type, if the file is missing or no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as problem:  # a ValueError also for a name that no file can have
        raise error(f"{path} cannot be read as UTF-8 text: {problem}.") from problem


def read_json(path: Path, error: type[WTALError]) -> Any:  # noqa: ANN401
    """What a JSON file says.

    Raises:
        WTALError: Of the given type, if the file is missing or no JSON, or nested too deep.
    """
    try:
        return json.loads(read_text(path, error))
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is not valid JSON: {problem}.") from problem


def read_yaml(path: Path, error: type[WTALError]) -> Any:  # noqa: ANN401
    """What a YAML file says, in plain values.

    Raises:
        WTALError: Of the given type, if the file is missing or no YAML, or if its aliases multiply.
    """
    text = read_text(path, error)
    if len(text) > _LONGEST_YAML:
        raise error(f"{path} cannot be read as YAML: it has {len(text)} characters, a configuration far fewer.")
    try:
        content = yaml.safe_load(text)
    except Exception as problem:  # a wrong date, number or key fails in any way there is
        raise error(f"{path} cannot be read as YAML: {' '.join(str(problem).split())}.") from problem
    if not is_bounded(content, _MOST_NODES):
        raise error(f"{path} holds more than {_MOST_NODES} values by its aliases: write them out.")
    return content


def is_bounded(content: Any, most: int) -> bool:  # noqa: ANN401
    """Whether nested content has at most so many values, each counted as often as it is held, arrays by their bytes.

    Lists that hold the same list several times, level by level, are small in memory and endless for whoever walks them.

    >>> twice = [0, 0]
    >>> for _ in range(40):
    ...     twice = [twice, twice]
    >>> is_bounded(twice, most=1000)
    False
    """
    count, waiting = 0, [content]
    while waiting and count <= most:
        value = waiting.pop()
        count += max(1, getattr(value, "nbytes", 1))
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
    return count <= most


def read_npy_header(path: Path, file: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the head of a ``.npy`` file and stop where its content begins.

    Args:
        path: For messages.
        file: The opened file, at its beginning.
        size: Its bytes.

    Returns:
        Shape and type of the array.

    Raises:
        FeatureError: If this is no ``.npy`` file, or too short for that shape.
    """
    try:
        version = np.lib.format.read_magic(file)
        width, read = (2, np.lib.format.read_array_header_1_0)
        if version != (1, 0):
            width, read = (4, np.lib.format.read_array_header_2_0)
        begin, said = file.tell(), file.read(width)
        length = int.from_bytes(said, "little")
        if len(said) < width or length > _LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        file.seek(begin)
        shape, _, dtype = read(file)
        if (
            len(shape) > 32
            or not all(type(n) is int and n >= 0 for n in shape)
            or math.prod(n or 1 for n in shape) >> 60
        ):
            raise ValueError(f"shape {brief(shape)}")
    except Exception as error:  # a broken header fails in any way there is
        raise FeatureError(f"{path} is no .npy file or damaged ({str(error)[:100]}): download it again.") from error
    has, needs = size - file.tell(), math.prod(shape) * max(dtype.itemsize, 1)
    if has < needs and not dtype.hasobject:
        raise FeatureError(f"{path} is truncated: {has} of {needs} bytes of its array are there; download it again.")
    return shape, dtype


def check_size(asked: int, stored: int) -> None:
    """Refuse what would unpack to far more than is stored; features are hardly compressible.

    Args:
        asked: Bytes that an array is said to have.
        stored: Bytes that hold it.

    Raises:
        ValueError: If it is too large.
    """
    if asked > max(_FREE, _INFLATION * stored):
        raise ValueError(f"an array of {asked} bytes out of {stored}")


def check_torch_archive(path: Path) -> None:
    """Refuse a file of torch that would unpack to more than it holds; torch itself compresses nothing.

    Raises:
        ValueError: If a part of the archive is compressed.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed, as torch writes none")


def read_checkpoint(path: Path, mmap: bool = False) -> Any:  # noqa: ANN401  whatever is in it
    """Tensors and plain values of a file of ``torch.save``; nothing in it can run code.

    Args:
        path: The file.
        mmap: Leave tensors on the disk until they are used, if the file's format allows it.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged or hostile.
    """
    import torch  # reading other files needs none

    try:
        check_torch_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap and zipfile.is_zipfile(path))
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is not loaded: it is no checkpoint, or holds more than plain values and could run code."
        ) from error
    except Exception as error:  # whatever bytes that are none make of the reader
        raise CheckpointError(
            f"{path} is no checkpoint, or a damaged one ({' '.join(str(error).split())[:100]})."
        ) from error


def is_file_name(name: str) -> bool:
    r"""Whether a name can be that of a file in a folder, and leads nowhere else.

    >>> [is_file_name(name) for name in ("video_1", "../video_1", "a\0b", "\ud800", "")]
    [True, False, False, False, False]
    """
    try:
        return bool(name) and Path(name).name == name and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False

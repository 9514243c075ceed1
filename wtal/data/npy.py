"""Arrays of numbers, one a file, on this machine or at an address."""

import io
import weakref
from pathlib import Path

import numpy as np

from wtal.errors import FeatureError
from wtal.io.bounds import read_npy_header
from wtal.io.remote_cache import RemoteFolder

__all__ = ["npy_shape", "read_npy", "read_remote_npy", "write_npy"]


def read_npy(file: Path) -> np.ndarray:
    """Read an array of numbers, memory-mapped.

    Raises:
        FeatureError: If the file is missing, damaged or not an array of numbers.
    """
    if 0 in npy_shape(file):
        return np.load(file, allow_pickle=False)  # type: ignore[no-any-return]
    return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))  # np.memmap, a subclass, is slow to slice


def read_remote_npy(folder: RemoteFolder, file: Path) -> np.ndarray:
    """Read an array that is downloaded if need be; its copy stays as long as the array is in memory.

    Raises:
        FeatureError: As :func:`read_npy` does.
        RemoteError: As :meth:`~wtal.io.remote_cache.RemoteFolder.hold` does.
    """
    held = folder.hold(file)
    rows = read_npy(file)
    if rows.base is None:  # read whole
        held.close()
    else:
        weakref.finalize(rows.base, held.close)
    return rows


def npy_shape(file: Path) -> tuple[int, ...]:
    """Shape of an array of numbers, from the header of its file.

    Raises:
        FeatureError: If the file is missing, damaged or not an array of numbers.
    """
    try:
        with file.open("rb") as opened:
            shape, dtype = read_npy_header(file, opened, file.stat().st_size)
    except (OSError, ValueError) as error:  # a ValueError for a name that no file can have
        raise FeatureError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if dtype.kind not in "fiu":
        kind = "Python objects" if dtype.hasobject else f"an array of {dtype}"
        raise FeatureError(f"{file} holds {kind} instead of numbers: save it again as one plain array.")
    return shape


def write_npy(file: Path, rows: np.ndarray) -> None:
    """Write an array whole, or raise OSError.

    ``np.save`` into a file raises nothing if the disk is full at the last block.
    """
    whole = io.BytesIO()
    np.save(whole, rows)
    file.write_bytes(whole.getbuffer())

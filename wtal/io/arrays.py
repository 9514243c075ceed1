"""Arrays of numbers in `.npy` files from anyone."""

from pathlib import Path

import numpy as np

from wtal.errors import FeatureError, WTALError
from wtal.io.bounds import read_npy_header

__all__ = ["read_array"]


def read_array(path: Path, error: type[WTALError]) -> np.ndarray:
    """Read an array of numbers; nothing in the file can run code.

    Raises:
        WTALError: Of the given type, if the file is missing, damaged or not an array of numbers.
    """
    try:
        with path.open("rb") as file:
            _, dtype = read_npy_header(path, file, path.stat().st_size)
        array = np.load(path, allow_pickle=False) if dtype.kind in "biuf" else None
    except (FeatureError, OSError, ValueError) as problem:  # a ValueError for a name that no file can have
        raise error(f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}") from problem
    if array is None:
        raise error(f"{path} holds {dtype} instead of numbers: save it again as one plain array.")
    return np.asarray(array)

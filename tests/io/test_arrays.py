from pathlib import Path

import numpy as np
import pytest

from wtal.errors import PredictionError
from wtal.io.arrays import read_array


@pytest.mark.parametrize("dtype", [np.float32, np.int8, bool])
def test_numbers_are_read(tmp_path: Path, dtype: type):
    np.save(tmp_path / "a.npy", np.array([0, 1, 1], dtype))
    assert read_array(tmp_path / "a.npy", PredictionError).tolist() == [0, 1, 1]


def test_anything_else_is_refused(tmp_path: Path):
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "text.npy", np.array(["a"]))
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY\x01")
    for name, message in (
        ("objects", "instead of numbers"),
        ("text", "instead of numbers"),
        ("damaged", "cannot be read"),
        ("missing", "No such file"),
    ):
        with pytest.raises(PredictionError, match=message):
            read_array(tmp_path / f"{name}.npy", PredictionError)

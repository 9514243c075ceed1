from pathlib import Path

import numpy as np
import pytest

from wtal.data.features import FeatureSource, open_features
from wtal.data.selection import column_numbers, renamed
from wtal.errors import FeatureError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos; column ``c`` of row ``t`` is ``10 t + c``."""
    for name, length in (("a", 3), ("b", 5)):
        rows = 10 * np.arange(length)[:, None] + np.arange(6)
        np.save(tmp_path / f"{name}.npy", rows.astype(np.float32))
    return tmp_path


@pytest.mark.parametrize(
    ("columns", "first_row"), [("1:3", [1, 2]), ("0, 4:6", [0, 4, 5]), ("5", [5]), ("3,1", [3, 1])]
)
def test_two_views_of_one_file_are_selections_of_its_columns(folder: Path, columns: str, first_row: list[int]) -> None:
    store = open_features(FeatureSource(folder, layout="joint", columns=columns), ["a", "b"])
    assert store.dim == len(first_row)
    assert store.length("b") == 5
    assert store["a"].shape == (3, len(first_row))
    assert store["a"][0].tolist() == first_row
    assert store.grid("a") == open_features(FeatureSource(folder, layout="joint"), ["a"]).grid("a")


@pytest.mark.parametrize("columns", ["", "a", "2:2", "1,1", "0:3,2", "-1", "1:", "1;2"])
def test_columns_that_name_nothing_or_one_twice_are_refused(columns: str) -> None:
    with pytest.raises(FeatureError, match="`columns` is"):
        column_numbers(columns)


def test_a_column_beyond_the_features_is_refused(folder: Path) -> None:
    with pytest.raises(FeatureError, match="have 6 channels, so there is no column 6"):
        open_features(FeatureSource(folder, layout="joint", columns="4:7"), ["a"])


def test_a_video_is_found_under_its_other_name(folder: Path) -> None:
    store = renamed(open_features(FeatureSource(folder, layout="joint", columns="2"), ["a"]), {"long name": "a"})
    assert list(store) == ["long name"]
    assert store["long name"][:, 0].tolist() == [2, 12, 22]
    assert (store.length("long name"), store.dim) == (3, 1)

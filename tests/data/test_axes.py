from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wtal.data.features import FeatureSource, open_features
from wtal.data.store import FeatureStore
from wtal.errors import FeatureError

LENGTHS = {"a": 10, "b": 1, "c": 7, "d": 12}
WIDTH = 6


def rows_of(name: str) -> np.ndarray:
    return np.random.default_rng(ord(name)).normal(size=(LENGTHS[name], WIDTH)).astype(np.float32)


def crops(rows: np.ndarray, axis: int, count: int = 10) -> np.ndarray:
    """Crop ``i`` is the rows plus ``i - mean``, so that the mean of all is the rows."""
    moved = np.stack([rows + (number - (count - 1) / 2) for number in range(count)], axis)
    return moved.astype(np.float16 if count == 5 else np.float32)


FORMS: dict[str, Any] = {
    "T11D": lambda rows: rows[:, None, None],
    "T1D": lambda rows: rows[:, None],
    "1TD": lambda rows: rows[None],
    "1DT11": lambda rows: rows.T[None, :, :, None, None],
    "TD111": lambda rows: rows[:, :, None, None, None],
    "one row without its axis": lambda rows: rows[0] if len(rows) == 1 else rows,
    "T10D": lambda rows: crops(rows, 1),
    "10TD": lambda rows: crops(rows, 0),
    "T5D": lambda rows: crops(rows, 1, 5),
    "10DT": lambda rows: crops(rows, 0).transpose(0, 2, 1),
    "1T10D": lambda rows: crops(rows, 1)[None],
    "T1011D": lambda rows: crops(rows, 1)[:, :, None, None],
}


def opened(folder: Path, form: str, **options: Any) -> FeatureStore:
    for name in LENGTHS:
        np.save(folder / f"{name}.npy", FORMS[form](rows_of(name)))
    return open_features(FeatureSource(folder, **options), list(LENGTHS))


@pytest.mark.parametrize("form", FORMS)
def test_axes(tmp_path: Path, form: str) -> None:
    store = opened(tmp_path, form)
    assert store.dim == WIDTH
    for name, length in LENGTHS.items():
        assert store.length(name) == length
        np.testing.assert_allclose(store[name], rows_of(name), atol=1e-2)
    count = next((number for number in ("10", "5") if number in form), None)
    told = [note.partition(": ")[2].partition(" (")[0] for note in store.notes()]
    assert told == ([f"the {count} crops are averaged"] if count else [])


def test_a_chosen_crop(tmp_path: Path) -> None:
    store = opened(tmp_path, "T10D", crop=2)
    np.testing.assert_allclose(store["c"], rows_of("c") - 2.5, atol=1e-5)
    assert "crop 2 of 10 is read (arrays such as (10, 10, 6)" in store.notes()[0]


def test_a_crop_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"a.npy: shape \(10, 10, 6\) has 10 crops, so `crop` is 0 to 9 or `mean`"):
        opened(tmp_path, "T10D", crop=10)["a"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 49, 6), r"a.npy: shape \(8, 49, 6\) instead of \(snippets, channels\); .*set `crop` .* to `mean`"),
        ((10, 10, 6), r"shape \(10, 10, 6\) .* more than one axis may count the crops"),
        ((8, 7, 7, 6), r"shape \(8, 7, 7, 6\) .* pool the other axes, and save the features again"),
        ((6,), r"holds no array of the form \(snippets, channels\), but one of shape \(6,\)"),
    ],
)
def test_other_axes_are_refused(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    with pytest.raises(FeatureError, match=message):
        open_features(FeatureSource(tmp_path), ["a"])["a"]


def test_any_axis_is_averaged_on_request(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(8 * 49 * 6, dtype=np.float32).reshape(8, 49, 6))
    np.save(tmp_path / "b.npy", np.zeros((60, 49, 6), np.float32))
    store = open_features(FeatureSource(tmp_path, crop="mean"), ["a"])
    assert store["a"].shape == (8, 6)
    assert store["a"][0, 0] == 24 * 6

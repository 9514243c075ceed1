import json
import pickle
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from wtal.data.store import FeatureStore, Grids, StoreWriter, open_store
from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.types import TimeGrid

GRID = TimeGrid(30, 4, 16, 0.1)


def numbered(length: int, dim: int = 3) -> np.ndarray:
    return np.arange(length * dim, dtype=np.float32).reshape(length, dim)


def write(folder: Path, videos: Iterable[tuple[str, np.ndarray]]) -> None:
    with StoreWriter(folder, GRID) as store:
        for name, rows in videos:
            store.add(name, rows)


def interrupted() -> Iterator[tuple[str, np.ndarray]]:
    yield "a", numbered(4)
    raise KeyboardInterrupt


def in_memory(dim: int | None = None, transposed: bool | None = None, **arrays: np.ndarray) -> FeatureStore:
    return FeatureStore(
        Path("some/folder"),
        {name: partial(np.asarray, rows) for name, rows in arrays.items()},
        {name: partial(np.shape, rows) for name, rows in arrays.items()},
        Grids(GRID),
        dim,
        transposed=transposed,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with StoreWriter(tmp_path / "made" / "store", GRID, crop="center", notes="BGR", origin={"a": 1}) as store:
        store.add("a", numbered(4))
        store.add("v_b", numbered(2).astype(np.float32), fps=24)
    return tmp_path / "made" / "store"


# The folder -----------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(folder: Path) -> None:
    store = open_store(folder)
    assert (list(store), len(store), store.dim) == (["a", "v_b"], 2, 3)
    assert (store.length("a"), store.length("b")) == (4, 2)
    np.testing.assert_array_equal(store["a"], numbered(4))
    assert not store["a"].flags.writeable
    assert (store.grid("a"), store.grid("b")) == (GRID, TimeGrid(24, 4, 16, 0.1))
    manifest = store.manifest
    assert manifest is not None
    assert (manifest.crop, manifest.notes, manifest.origin, manifest.dtype) == ("center", "BGR", {"a": 1}, "float32")
    assert [path.name for path in folder.parent.iterdir()] == ["store"]


def test_opening_and_lengths_read_the_manifest_alone(folder: Path) -> None:
    (folder / "a.npy").unlink()
    store = open_store(folder)
    assert (store.dim, store.length("a")) == (3, 4)
    with pytest.raises(FeatureError, match=rf"{folder}/a.npy cannot be read: No such file"):
        store["a"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "store", interrupted())
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_older_store(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(folder, interrupted())
    assert list(open_store(folder)) == ["a", "v_b"]


def test_a_newer_store_replaces_an_older_one(folder: Path) -> None:
    opened = open_store(folder)["a"]
    write(folder, [("c", numbered(1))])
    assert list(open_store(folder)) == ["c"]
    assert opened[3, 2] == 11  # an open array stays readable


def test_nothing_else_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with (
        pytest.raises(FeatureError, match=f"{tmp_path} is in the way and is not a feature store"),
        StoreWriter(tmp_path, GRID),
    ):
        pass
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("a", numbered(2), "'a' is given to two videos"),
        ("../b", numbered(2), r"'../b' is given .* or cannot be the name of a file"),
        ("b", numbered(2, 5), r"Video b has an array of float32 \(2, 5\) instead of \(snippets, 3\)"),
        ("b", np.zeros(3), r"\(3,\) instead of"),
        ("b", np.full((2, 3), "x"), "<U1"),
    ],
)
def test_a_video_that_does_not_fit_is_not_written(tmp_path: Path, name: str, rows: np.ndarray, message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        write(tmp_path / "store", [("a", numbered(2)), (name, rows)])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"has no manifest\.json"):
        open_store(tmp_path)


def test_an_array_that_disagrees_with_the_manifest(folder: Path) -> None:
    np.save(folder / "a.npy", numbered(9))
    with pytest.raises(FeatureError, match=rf"{folder}/a.npy, video a: shape \(9, 3\) instead of the stated \(4, 3\)"):
        open_store(folder)["a"]


def test_a_manifest_may_be_edited_by_hand(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    assert set(content) == {"version", "grid", "dim", "dtype", "videos", "fps", "origin", "crop", "notes"}
    content["grid"]["offset_s"], content["fps"] = 2, None
    (folder / "manifest.json").write_text(json.dumps(content))
    assert open_store(folder).grid("a").offset_s == 2


# The mapping ----------------------------------------------------------------------------------------------------


def test_names_match_with_and_without_prefix() -> None:
    store = in_memory(a=numbered(1), v_b=numbered(2))
    assert all(name in store for name in ("a", "v_a", "b", "v_b"))
    assert "c" not in store
    assert 3 not in store
    assert [store.length(name) for name in ("v_a", "a", "b")] == [1, 1, 2]
    for look_up in (store.__getitem__, store.length, store.grid):
        with pytest.raises(FeatureNotFoundError, match="Video c has no features in some/folder"):
            look_up("c")


@pytest.mark.parametrize(
    ("dim", "transposed", "expected"), [(None, None, True), (3, None, True), (None, True, True), (7, None, False)]
)
def test_transposed_arrays_are_found(dim: int | None, transposed: bool | None, expected: bool) -> None:
    store = in_memory(dim, transposed, a=numbered(4).T, b=numbered(7).T, c=numbered(5).T)
    if expected:
        assert (store.dim, store.length("b")) == (3, 7)
        np.testing.assert_array_equal(store["b"], numbered(7))
    else:  # only b has 7 columns
        assert store.length("b") == 3
        with pytest.raises(FeatureError, match="some/folder, video a: 4 channels instead of 7"):
            store.length("a")


def test_a_square_array_is_not_transposed() -> None:
    store = in_memory(a=numbered(3), b=numbered(3))
    np.testing.assert_array_equal(store["a"], numbered(3))
    store = in_memory(a=numbered(4).T, b=numbered(5).T, c=numbered(3).T)
    np.testing.assert_array_equal(store["c"], numbered(3))  # as its neighbours are


def test_the_video_that_differs_from_the_majority_is_named() -> None:
    store = in_memory(odd=numbered(4, 2), a=numbered(5), b=numbered(6))
    assert store.dim == 3
    with pytest.raises(FeatureError, match="video odd: 2 channels instead of 3"):
        store["odd"]
    assert store["a"].shape == (5, 3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros(3), r"shape \(3,\) instead of"),
        (np.zeros((0, 3)), r"shape \(0, 3\) instead of"),
        (np.zeros((2, 3, 1)), r"shape \(2, 3, 1\) instead of"),
        (np.array([["a", "b", "c"]]), "an array of <U1 instead of numbers"),
        (np.zeros((2, 3), bool), "an array of bool"),
        (np.array([[0, 0, 0], [0, np.nan, 0], [0, 0, np.inf]]), "NaN or infinity in 2 of 3 rows, first in row 1"),
    ],
)
def test_unusable_features_are_named(rows: np.ndarray, message: str) -> None:
    store = in_memory(a=numbered(5), b=numbered(5), bad=rows)
    with pytest.raises(FeatureError, match=rf"^some/folder, video bad: {message}.*extract the video again"):
        store["bad"]
    assert store["a"].shape == (5, 3)


def test_a_store_can_be_sent_to_worker_processes(folder: Path) -> None:
    store = pickle.loads(pickle.dumps(open_store(folder)))
    np.testing.assert_array_equal(store["b"], numbered(2))
    assert store.grid("b").fps == 24

"""A store that grows."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wtal.data.appending import StoreAppender
from wtal.data.features import FeatureSource, open_features
from wtal.data.manifest import read_manifest
from wtal.data.store import open_store
from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.types import TimeGrid

GRID = TimeGrid()
ORIGIN = {"model": "toy", "weights": "random"}


def rows(length: int, seed: int = 0, dim: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(length, dim)).astype(np.float32)


def appender(folder: Path, **changed: object) -> StoreAppender:
    return StoreAppender(folder, **{"grid": GRID, "origin": ORIGIN, "crop": "center", **changed})  # type: ignore[arg-type]


def test_an_added_video_can_be_read_at_once(tmp_path: Path) -> None:
    store = appender(tmp_path / "new" / "store")
    for count, name in enumerate(["b", "v_a"], start=1):
        assert name not in store
        store.add(name, rows(3, count))
        assert name in store
        found = open_store(store.folder)
        assert len(found) == count
        np.testing.assert_array_equal(found[name], rows(3, count))
    manifest = read_manifest(store.folder)
    assert manifest is not None
    assert (manifest.dim, manifest.dtype, manifest.origin, manifest.crop) == (4, "float32", ORIGIN, "center")


def test_continues_where_another_process_ended(tmp_path: Path) -> None:
    first, second = appender(tmp_path), appender(tmp_path)
    first.add("a", rows(3))
    second.add("b", rows(5))
    assert "a" in second
    assert {*open_store(tmp_path)} == {"a", "b"}
    assert {"a", "b"} <= {name for name in ("a", "b", "c") if name in appender(tmp_path)}


def test_an_array_that_was_deleted_is_not_there(tmp_path: Path) -> None:
    store = appender(tmp_path)
    store.add("a", rows(3))
    (tmp_path / "a.npy").unlink()
    assert "a" not in appender(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"origin": {**ORIGIN, "weights": "kinetics"}}, "another origin (weights: random; now kinetics)"),
        ({"crop": "ten"}, "another crop (center; now ten)"),
        ({"grid": TimeGrid(stride=8)}, "another grid"),
    ],
)
def test_features_of_other_settings_are_not_mixed(tmp_path: Path, changed: dict, message: str) -> None:
    appender(tmp_path).add("a", rows(3))
    with pytest.raises(FeatureError) as error:
        appender(tmp_path, **changed)
    assert message in str(error.value)


def test_refuses_other_channels(tmp_path: Path) -> None:
    store = appender(tmp_path)
    store.add("a", rows(3))
    with pytest.raises(FeatureError, match="holds 4 channels of float32, but video b has 5"):
        store.add("b", rows(3, dim=5))
    assert [*open_store(tmp_path)] == ["a"]


def test_leaves_another_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(FeatureError, match="in the way"):
        appender(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FeatureError, match="cannot be written"):
        appender(tmp_path / "file")


def test_an_empty_store_is_reported(tmp_path: Path) -> None:
    appender(tmp_path)
    with pytest.raises(FeatureNotFoundError, match="among the 0"):
        open_features(FeatureSource(tmp_path), ["a"])


ADD = """
import sys, itertools, numpy as np
from pathlib import Path
from wtal.data.appending import StoreAppender
from wtal.types import TimeGrid
store = StoreAppender(Path(sys.argv[1]), TimeGrid(), origin={})
print("ready", flush=True)
for i in itertools.count() if sys.argv[3] == "forever" else range(int(sys.argv[3])):
    store.add(f"{sys.argv[2]}{i}", np.full((50, 2048), i, np.float32))
"""


def test_several_processes_add_at_once(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", ADD, tmp_path, name, "20"]) for name in "ab"]
    assert [process.wait() for process in running] == [0, 0]
    store = open_store(tmp_path)
    assert len(store) == 40
    assert all((store[name] == float(name[1:])).all() for name in store)


def test_a_killed_process_leaves_a_whole_store(tmp_path: Path) -> None:
    for kill in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", ADD, tmp_path, f"{kill}_", "forever"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 + 0.03 * kill)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = open_store(tmp_path)
        assert len(store) > kill
        assert all((store[name] == float(name.partition("_")[2])).all() for name in store)


def test_a_store_without_any_video_takes_other_settings(tmp_path: Path) -> None:
    """It is left by a start that was interrupted."""
    appender(tmp_path / "store")
    store = appender(tmp_path / "store", origin={"model": "toy", "flow": "dis"}, grid=TimeGrid(stride=8))
    store.add("a", rows(3))
    manifest = read_manifest(tmp_path / "store")
    assert manifest is not None
    assert (manifest.origin["flow"], manifest.grid.stride) == ("dis", 8)
    with pytest.raises(FeatureError, match="was made with another origin"):
        appender(tmp_path / "store")


def test_a_late_picture_is_an_offset_of_its_video_alone(tmp_path: Path) -> None:
    store = appender(tmp_path / "store")
    store.add("late", rows(3), offset_s=4.0)
    store.add("usual", rows(3))
    found = open_store(tmp_path / "store")
    assert [found.grid(name).edge_s(3) for name in ("late", "usual")] == pytest.approx([4 + 3 * 0.64, 3 * 0.64])
    store.add("late", rows(3))
    manifest = read_manifest(tmp_path / "store")
    assert manifest is not None
    assert manifest.offset_s == {}
    assert "offset_s" not in json.loads((tmp_path / "store" / "manifest.json").read_text())  # as older versions expect

"""Stores at an address: arrays on demand, and writers without locks that lose nothing."""

import gc
import json
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from storage import memory

from wtal.commands.main import main
from wtal.data import FeatureSource, open_features, read_manifest
from wtal.data.appending import StoreAppender
from wtal.data.remote_store import RemoteAppender, open_appender, videos_in
from wtal.errors import FeatureError, RemoteError
from wtal.io.remote_cache import RemoteFolder, fetch_remote
from wtal.types import TimeGrid

__all__ = ["memory"]  # a fixture of a module of its own

PLACE = Path("memory://bucket/features/i3d")
DIM = 32


def rows(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(length, DIM)).astype(np.float32)


def appender(place: Path = PLACE, **changed: object) -> RemoteAppender:
    store = open_appender(place, TimeGrid(), **{"origin": {"model": "toy"}, "crop": "center", **changed})  # type: ignore[arg-type]
    assert isinstance(store, RemoteAppender)
    return store


def fill(lengths: dict[str, int]) -> None:
    store = appender()
    for seed, (name, length) in enumerate(lengths.items()):
        store.add(name, rows(length, seed))
    store.close()


# Reading ------------------------------------------------------------------------------------------------------------


def test_only_the_arrays_that_are_read_are_downloaded_and_the_listing_is_read_once(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill({name: 3 for name in "abcdefgh"})
    asked: list[str] = []
    for method in ("find", "get_file"):
        real = getattr(MemoryFileSystem, method)

        def counted(self: MemoryFileSystem, path: str, *rest: object, method=method, real=real, **named: object):
            asked.append(f"{method} {path.rpartition('/')[2]}")
            return real(self, path, *rest, **named)

        monkeypatch.setattr(MemoryFileSystem, method, counted)
    source = FeatureSource(PLACE)
    assert source == FeatureSource(str(PLACE).replace(":/", "://"))
    store = open_features(source, list("abcdefgh"))
    assert [store.length(name) for name in "abcdefgh"] == [3] * 8  # from the manifest
    asked_of_arrays = [text for text in asked if text.endswith(".npy")]
    assert asked_of_arrays == []
    for _ in range(2):
        np.testing.assert_array_equal(store["c"], rows(3, 2))
    assert [text for text in asked if text.startswith("get")] == ["get_file manifest.json", "get_file c.npy"]
    assert asked.count("find i3d") == 2  # one for each of the two sources


def test_an_epoch_over_more_than_the_cache_holds_is_right_and_bounded(memory: MemoryFileSystem, tmp_path: Path) -> None:
    lengths = {f"v{number}": 2000 for number in range(10)}  # 10 quarters of a MiB
    fill(lengths)
    store = open_features(FeatureSource(PLACE), list(lengths))
    for _ in range(2):
        for seed, name in enumerate(lengths):
            np.testing.assert_array_equal(store[name][-1], rows(2000, seed)[-1])
            there = [path.stat().st_size for path in (tmp_path / "cache").rglob("*.npy") if path.name[0] != "."]
            assert sum(there) <= 2**20


def test_an_array_in_memory_keeps_its_file(memory: MemoryFileSystem) -> None:
    fill({f"v{number}": 2000 for number in range(5)})
    source = FeatureSource(PLACE)
    store = open_features(source, ["v0"])
    part = store["v0"][5:9]  # a part of it
    for _ in range(2):
        for number in range(1, 5):
            store[f"v{number}"]
    assert (source.path / "v0.npy").is_file()
    np.testing.assert_array_equal(part, rows(2000)[5:9])
    del part
    gc.collect()
    for _ in range(2):
        for number in range(1, 5):
            store[f"v{number}"]
    assert not (source.path / "v0.npy").exists()


def test_an_array_that_the_manifest_names_but_is_missing_is_one_sentence(memory: MemoryFileSystem) -> None:
    fill({"a": 3, "b": 3})
    memory.rm_file("/bucket/features/i3d/b.npy")
    store = open_features(FeatureSource(PLACE), ["a", "b"])
    np.testing.assert_array_equal(store["a"], rows(3, 0))
    with pytest.raises(
        RemoteError, match=r"^memory://bucket/features/i3d/b\.npy does not exist: upload it, or extract"
    ):
        store["b"]


def test_other_layouts_are_downloaded_whole(memory: MemoryFileSystem, tmp_path: Path) -> None:
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", rows(7))
        memory.pipe_file(f"/plain/{name}.npy", (tmp_path / f"{name}.npy").read_bytes())
    store = open_features(FeatureSource("memory://plain"), ["a", "b"])
    assert {*store} == {"a", "b"}
    np.testing.assert_array_equal(store["b"], rows(7))


def test_a_command_says_in_one_sentence_what_is_missing(
    memory: MemoryFileSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "compare", "memory://nowhere/i3d", "memory://nowhere/i3d"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "wtal: error: memory://nowhere/i3d does not exist, or is empty: look for a mistake in the address."
    ]


def test_a_command_takes_an_address_where_it_takes_features(
    memory: MemoryFileSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    fill({"a": 30, "b": 40})
    assert main(["data", "compare", str(PLACE).replace(":/", "://"), "memory://bucket/features/i3d"]) == 0
    assert "2 videos" in capsys.readouterr().out


# Writing ------------------------------------------------------------------------------------------------------------


def test_what_is_added_is_what_is_read(memory: MemoryFileSystem) -> None:
    store = appender()
    store.add("v_a", rows(3), offset_s=1.5)
    assert "v_a" in store
    assert "b" not in store
    store.close()
    found = open_features(FeatureSource(PLACE), ["v_a"])
    np.testing.assert_array_equal(found["v_a"], rows(3))
    assert found.grid("v_a").offset_s == 1.5
    manifest = read_manifest(fetch_remote(PLACE))
    assert manifest is not None
    assert (manifest.dim, manifest.dtype, manifest.origin) == (DIM, "float32", {"model": "toy"})


def test_a_killed_writer_loses_no_finished_video(memory: MemoryFileSystem) -> None:
    store = appender()
    store.add("a", rows(3), offset_s=2.0)
    memory.pipe_file("/bucket/features/i3d/half.npy", b"an array whose entry was not written")
    del store  # without close
    assert json.loads(memory.cat_file("/bucket/features/i3d/manifest.json"))["videos"] == {}
    assert videos_in(PLACE) == {"a"}
    again = appender()
    assert "a" in again
    assert "half" not in again
    again.close()
    manifest = read_manifest(fetch_remote(PLACE))
    assert manifest is not None
    assert (manifest.videos, manifest.offset_s, manifest.dim) == ({"a": 3}, {"a": 2.0}, DIM)


def test_several_writers_lose_nothing_of_each_other(memory: MemoryFileSystem) -> None:
    first, second = appender(), appender()
    first.add("a", rows(3))
    second.add("b", rows(4, 1))
    second._write(second._own)  # what it does once a minute
    first.close()
    late = appender()
    late.add("c", rows(5, 2))
    stale = dict(json.loads(memory.cat_file("/bucket/features/i3d/manifest.json")))
    late.close()
    memory.pipe_file("/bucket/features/i3d/manifest.json", json.dumps(stale).encode())  # the slower write of another
    second.close()
    manifest = read_manifest(fetch_remote(PLACE))
    assert manifest is not None
    assert manifest.videos == {"a": 3, "b": 4, "c": 5}


def test_a_store_within_a_store_is_another(memory: MemoryFileSystem) -> None:
    """As of the layout `joint`, whose I3D features lie in OUTPUT itself and CLIP's in OUTPUT/clip."""
    outer, inner = appender(Path("memory://joint")), appender(Path("memory://joint/clip"))
    inner.add("a", rows(3))
    memory.pipe_file("/joint/a.npy", b"an array whose entry was not written")
    inner.close()
    outer.close()
    assert videos_in(Path("memory://joint")) == set()
    assert videos_in(Path("memory://joint/clip")) == {"a"}


def test_a_store_of_other_settings_is_not_added_to(memory: MemoryFileSystem) -> None:
    fill({"a": 3})
    with pytest.raises(
        FeatureError, match=r"^memory://bucket/features/i3d was made with another origin \(model: toy; n"
    ):
        appender(origin={"model": "other"})
    with pytest.raises(FeatureError, match="holds 32 channels of float32, but video b has 7 of float32"):
        appender().add("b", np.zeros((3, 7), np.float32))


def test_an_address_of_this_machine_is_a_folder(tmp_path: Path) -> None:
    store = open_appender(Path(f"file://{tmp_path}/i3d"), TimeGrid(), origin={})
    assert isinstance(store, StoreAppender)
    store.add("a", rows(3))
    store.close()
    assert videos_in(tmp_path / "i3d") == videos_in(Path(f"file://{tmp_path}/i3d")) == {"a"}
    assert videos_in(tmp_path / "none") == set()


def test_a_damaged_manifest_there_is_one_sentence(memory: MemoryFileSystem) -> None:
    memory.pipe_file("/bucket/features/i3d/manifest.json", b"nonsense")
    with pytest.raises(
        FeatureError, match=r"^memory://bucket/features/i3d/manifest\.json is not the manifest of a fea"
    ):
        appender()


def test_the_folder_of_a_copy_is_found_from_below(memory: MemoryFileSystem) -> None:
    fill({"a": 3})
    home = fetch_remote("memory://bucket/features")
    folder = RemoteFolder.of(home / "i3d")
    assert folder is not None
    assert (folder.address, "i3d/a.npy" in folder.files) == ("memory://bucket/features", True)

"""Addresses of fsspec, by its storage in memory: listings, transfers, and a cache that is bounded and whole."""

import fcntl
import os
import sys
from pathlib import Path
from typing import IO

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from storage import memory

from wtal.errors import ConfigError, RemoteError
from wtal.io import remote_cache
from wtal.io.addresses import fetched, is_address
from wtal.io.extras import MissingPackageError
from wtal.io.remote import download_folder, list_remote, read_remote, upload_file, upload_folder, upload_text
from wtal.io.remote_cache import RemoteFolder, cache_bytes, fetch_remote

__all__ = ["memory"]  # a fixture of a module of its own

MIB = 2**20


def put(storage: MemoryFileSystem, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        storage.pipe_file(f"/{path}", content)


def copies(folder: RemoteFolder) -> set[str]:
    return {path.name for path in folder.home.rglob("*") if path.is_file() and not path.name.startswith(".")}


def held(folder: RemoteFolder, name: str) -> IO[bytes]:
    return folder.hold(folder.home / name)


# Addresses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["s3://b/run", "gs://b/run", "memory://run", "file:///run", "hf://me/run"])
def test_an_address_is_told_from_a_path_and_survives_being_one(text: str) -> None:
    assert is_address(text)
    assert is_address(Path(text))


@pytest.mark.parametrize("text", ["runs/s3", "/s3:/x", "C:/runs", "rtsp://camera", "http://host/x", "nonsense://x"])
def test_anything_else_is_no_address(text: str) -> None:
    assert not is_address(text)


def test_a_file_address_is_the_path_itself(tmp_path: Path) -> None:
    assert fetched(Path(f"file://{tmp_path}")) == tmp_path
    assert fetched(tmp_path) == tmp_path


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setattr(sys.modules["fsspec.registry"], "_registry", {})
    with pytest.raises(MissingPackageError, match=r"^s3fs is not installed: run `pip install 'wtal\[remote\]'`\.$"):
        list_remote("s3://bucket/run")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingPackageError, match=r"^gcsfs is not installed: run `pip install gcsfs`\.$"):
        list_remote("gs://bucket/run")


# Transfers ----------------------------------------------------------------------------------------------------------


def test_a_folder_goes_there_and_back_and_is_not_sent_twice(memory: MemoryFileSystem, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "record.json").write_text("{}")
    (run / "checkpoints" / "last.ckpt").write_bytes(b"weights")
    (run / ".lock").write_text("")
    assert upload_folder(run, "memory://runs/mine") == 2
    assert list_remote("memory://runs/mine").keys() == {"record.json", "checkpoints/last.ckpt"}
    download_folder("memory://runs/mine", tmp_path / "back")
    assert (tmp_path / "back" / "checkpoints" / "last.ckpt").read_bytes() == b"weights"


def test_what_says_that_others_are_there_is_sent_last(
    memory: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.npy", "manifest.json", "z.npy"):
        (tmp_path / name).write_text(name)
    sent: list[str] = []
    monkeypatch.setattr("wtal.io.remote.upload_file", lambda path, address: sent.append(path.name))
    upload_folder(tmp_path, "memory://features", last="manifest.json")
    assert sent == ["a.npy", "z.npy", "manifest.json"]


def test_storage_that_shows_half_files_gets_a_draft_that_is_moved(
    memory: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wtal.io.remote._WHOLE", set())
    (tmp_path / "a").write_text("new")
    put(memory, {"runs/a": b"old"})
    moved: list[tuple[str, str]] = []
    move = MemoryFileSystem.mv
    monkeypatch.setattr(MemoryFileSystem, "mv", lambda self, a, b: (moved.append((a, b)), move(self, a, b)))
    upload_file(tmp_path / "a", "memory://runs/a")
    assert moved == [(f"/runs/.a.{os.getpid()}.tmp", "/runs/a")]
    assert list_remote("memory://runs").keys() == {"a"}
    assert read_remote("memory://runs/a") == b"new"


def test_nothing_there_is_one_sentence(memory: MemoryFileSystem) -> None:
    with pytest.raises(
        RemoteError, match=r"^memory://nowhere does not exist, or is empty: look for a mistake in the a"
    ):
        fetch_remote("memory://nowhere")
    assert list_remote("memory://nowhere", missing=True) == {}
    assert read_remote("memory://nowhere/x") is None


# The cache ----------------------------------------------------------------------------------------------------------


def test_a_file_is_downloaded_once_and_again_when_it_changes(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(memory, {"run/a": b"one", "run/b": b"other"})
    asked: list[str] = []
    get = MemoryFileSystem.get_file
    monkeypatch.setattr(MemoryFileSystem, "get_file", lambda self, p, *a: (asked.append(p), get(self, p, *a))[1])
    for _ in range(2):
        home = fetch_remote("memory://run")
        assert ((home / "a").read_bytes(), (home / "b").read_bytes()) == (b"one", b"other")
    assert sorted(asked) == ["/run/a", "/run/b"]
    put(memory, {"run/a": b"two"})  # of the same size
    assert (fetch_remote("memory://run") / "a").read_bytes() == b"two"
    assert sorted(asked) == ["/run/a", "/run/a", "/run/b"]


def test_a_single_file_has_its_name(memory: MemoryFileSystem) -> None:
    put(memory, {"run/last.ckpt": b"weights"})
    path = fetch_remote(Path("memory://run/last.ckpt"))
    assert (path.name, path.read_bytes()) == ("last.ckpt", b"weights")


def test_the_arrays_of_a_store_wait_until_they_are_used(memory: MemoryFileSystem) -> None:
    put(memory, {"features/i3d/manifest.json": b"{}", "features/i3d/a.npy": b"x", "features/clip/b.npy": b"x"})
    home = fetch_remote("memory://features")
    folder = RemoteFolder.of(home / "i3d")
    assert folder is not None
    assert folder.home == home
    assert copies(folder) == {"manifest.json"}
    with folder.hold(home / "i3d" / "a.npy") as copy:
        assert copy.read() == b"x"
    assert copies(folder) == {"manifest.json", "a.npy"}
    assert RemoteFolder.of(home.parents[2]) is None


def test_a_cache_smaller_than_the_data_keeps_what_was_used_last(memory: MemoryFileSystem) -> None:
    put(memory, {f"videos/{name}": bytes(MIB // 4) for name in "abcdef"})
    folder = RemoteFolder.listed("memory://videos")
    for name in "abc":
        held(folder, name).close()
    for place, name in enumerate("bca"):  # the order of their last use
        os.utime(folder.home / f".{name}.remote", (place, place))
    held(folder, "d").close()  # 4 of 4 quarters are full
    assert copies(folder) == set("abcd")
    held(folder, "e").close()
    assert copies(folder) == set("ade")
    used = int((folder.home.parents[1] / ".size").read_text())
    assert used == sum((folder.home / name).stat().st_size for name in copies(folder)) <= cache_bytes()


def test_a_file_in_use_is_never_removed_and_a_full_cache_is_one_sentence(memory: MemoryFileSystem) -> None:
    put(memory, {f"videos/{name}": bytes(MIB // 4) for name in "abcdef"})
    folder = RemoteFolder.listed("memory://videos")
    in_use = [held(folder, name) for name in "abcd"]
    with pytest.raises(
        RemoteError, match=r"^The cache .* is full: 0\.000977 of its 0\.000977 GiB are in use, and a file"
    ):
        held(folder, "e")
    assert copies(folder) == set("abcd")
    assert not [path for path in folder.home.iterdir() if path.name.endswith(".part")]
    in_use.pop(1).close()
    held(folder, "e").close()
    assert copies(folder) == set("acde")


def test_what_a_process_has_fetched_stays_until_it_ends(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(memory, {"run/last.ckpt": bytes(MIB // 2), **{f"videos/{name}": bytes(MIB // 4) for name in "abcd"}})
    checkpoint = fetch_remote("memory://run") / "last.ckpt"
    folder = RemoteFolder.listed("memory://videos")
    for name in "abcd":
        held(folder, name).close()
    assert checkpoint.is_file()
    for lock in remote_cache._locks.values():  # as at the end of the process
        fcntl.flock(lock, fcntl.LOCK_UN)
    held(folder, "a").close()
    held(folder, "b").close()
    held(folder, "c").close()
    assert not checkpoint.exists()


def test_a_folder_larger_than_the_cache_is_refused_before_anything_is_downloaded(memory: MemoryFileSystem) -> None:
    put(memory, {"videos/a": bytes(MIB), "videos/b": bytes(1)})
    with pytest.raises(
        RemoteError, match=r"memory://videos has 0\.0 GiB, more than the cache's .*raise WTAL_CACHE_GIB"
    ):
        fetch_remote("memory://videos")


def test_a_transfer_that_breaks_off_is_tried_again_and_leaves_nothing_half(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(memory, {"run/a": b"whole"})
    get, broken = MemoryFileSystem.get_file, [2]

    def breaking(self: MemoryFileSystem, place: str, path: str) -> None:
        if broken[0]:
            broken[0] -= 1
            Path(path).write_bytes(b"wh")
            raise ConnectionResetError("connection reset")
        get(self, place, path)

    monkeypatch.setattr(MemoryFileSystem, "get_file", breaking)
    assert (fetch_remote("memory://run") / "a").read_bytes() == b"whole"
    put(memory, {"run/b": b"whole"})
    broken[0] = 3
    with pytest.raises(
        RemoteError, match=r"^memory://run/b was not downloaded: the transfer failed \(ConnectionResetEr"
    ):
        fetch_remote("memory://run")
    folder = RemoteFolder.listed("memory://run")
    assert copies(folder) == {"a"}
    assert not [path for path in folder.home.iterdir() if path.name.endswith(".part")]
    assert (fetch_remote("memory://run") / "b").read_bytes() == b"whole"


def test_a_file_that_changes_while_it_is_read_is_refused(memory: MemoryFileSystem) -> None:
    put(memory, {"run/a": b"one"})
    folder = RemoteFolder.listed("memory://run")
    put(memory, {"run/a": b"two"})
    with pytest.raises(RemoteError, match=r"^memory://run/a was changed while it was being read: start again\.$"):
        held(folder, "a")


def test_the_draft_of_a_killed_process_is_removed(memory: MemoryFileSystem) -> None:
    put(memory, {f"videos/{name}": bytes(MIB // 4) for name in "abcde"})
    folder = RemoteFolder.listed("memory://videos")
    folder.home.mkdir(parents=True, exist_ok=True)
    left = folder.home / f".x.{MIB}.part"
    left.write_bytes(b"half")
    for name in "abcde":
        held(folder, name).close()
    assert not left.exists()


def test_two_processes_download_a_file_once(memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    put(memory, {"run/a": b"whole"})
    folder = RemoteFolder.listed("memory://run")
    with (folder.home / ".a.5.part").open("a+b") as draft:  # the other one's
        fcntl.flock(draft, fcntl.LOCK_EX)
        waited: list[float] = []

        def other(seconds: float) -> None:  # it ends while this one waits
            waited.append(seconds)
            fcntl.flock(draft, fcntl.LOCK_UN)

        monkeypatch.setattr("time.sleep", other)
        with held(folder, "a") as copy:
            assert copy.read() == b"whole"
    assert len(waited) == 1


@pytest.mark.parametrize("given", ["0", "-1", "much"])
def test_a_size_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("WTAL_CACHE_GIB", given)
    with pytest.raises(ConfigError, match=f"WTAL_CACHE_GIB is {given}"):
        cache_bytes()


def test_a_text_is_written_whole(memory: MemoryFileSystem) -> None:
    upload_text("ä", "memory://x/manifest.json")
    assert read_remote("memory://x/manifest.json") == "ä".encode()

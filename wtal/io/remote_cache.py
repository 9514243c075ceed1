"""Copies of remote files on this machine: of bounded size, whole, and never removed while they are read.

Beside a copy lies ``.<name>.remote``, which says of which version it is; the time of its last change is that of the
copy's last use. A copy in use is locked (``flock``), so that other processes see it, and a killed one leaves no lock.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO

from wtal.errors import ConfigError, RemoteError
from wtal.io.files import write_text
from wtal.io.remote import RemoteFile, download_file, list_remote, local_of, remote_address

__all__ = ["RemoteFolder", "cache_bytes", "cache_root", "fetch_remote"]

_LISTING, _IN_USE = ".listing.json", ".in_use"
_MANIFEST = "manifest.json"  # of a feature store
_GIB = 50.0
_KEPT = 0.9  # of the cache when room is made, so that this is not done for every file
_SIDE_BY_SIDE = 8  # downloads
_POLL_S = 0.05
_locks: dict[Path, IO[bytes]] = {}  # of folders that this process uses until it ends


def cache_root() -> Path:
    """Folder of the copies: ``WTAL_CACHE``, by default ``wtal/remote`` in the user's folder of caches."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "wtal", "remote")
    return Path(os.environ.get("WTAL_CACHE") or usual).absolute()


def cache_bytes() -> int:
    """Largest size of all copies together: ``WTAL_CACHE_GIB``, by default 50 GiB.

    Raises:
        ConfigError: If that is no number above 0.
    """
    given = os.environ.get("WTAL_CACHE_GIB") or _GIB
    with suppress(ValueError):
        if 0 < float(given) < 1e9:
            return int(float(given) * 2**30)
    raise ConfigError(f"WTAL_CACHE_GIB is {given}: give the size of the cache in GiB, a number above 0.")


@dataclass(frozen=True)
class RemoteFolder:
    """A folder at an address, listed once, whose files are downloaded when they are used.

    Args:
        address: The address.
        home: Folder of the copies; a file has the same path below it as below the address.
        files: The files by that path, as they were listed.
    """

    address: str
    home: Path
    files: Mapping[str, RemoteFile]

    @classmethod
    def listed(cls, address: str) -> "RemoteFolder":
        """List a folder; a single file is listed as the only one in its folder.

        Raises:
            RemoteError: If there is nothing, or it cannot be read.
        """
        files = list_remote(address)
        base = cache_root() / hashlib.sha256(address.encode()).hexdigest()[:16]
        above, _, name = address.rpartition("/")
        single = set(files) == {""}
        found = cls(above, base, {name: files[""]}) if single else cls(address, base / name, files)
        content = {"address": found.address, "files": {path: astuple(file) for path, file in found.files.items()}}
        write_text(found.home / _LISTING, json.dumps(content))
        return found

    @classmethod
    def of(cls, folder: Path) -> "RemoteFolder | None":
        """The listed folder whose copies lie in a folder or above it; None for any other folder."""
        root, folder = cache_root(), folder.absolute()
        while folder.is_relative_to(root) and folder != root:
            with suppress(FileNotFoundError):
                content = json.loads((folder / _LISTING).read_text(encoding="utf-8"))
                files = {path: RemoteFile(*file) for path, file in content["files"].items()}
                return cls(content["address"], folder, files)
            folder = folder.parent
        return None

    def fetch(self, paths: list[str]) -> None:
        """Download files, which stay until this process ends.

        Args:
            paths: Their paths below the address.

        Raises:
            RemoteError: If a transfer fails, or they are larger than the cache.
        """
        total = sum(self.files[path].size for path in paths)
        if total > cache_bytes():
            raise RemoteError(
                f"{self.address} has {total / 2**30:.1f} GiB, more than the cache's {cache_bytes() / 2**30:g}: raise "
                "WTAL_CACHE_GIB, or keep features as `wtal extract` writes them, which are read one by one."
            )
        if self.home not in _locks:
            self.home.mkdir(parents=True, exist_ok=True)
            _locks[self.home] = (self.home / _IN_USE).open("ab")
            fcntl.flock(_locks[self.home], fcntl.LOCK_SH)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            for copy in pool.map(lambda path: self.hold(self.home / path, stays=True), paths):
                copy.close()

    def hold(self, path: Path, stays: bool = False) -> IO[bytes]:
        """Download a file unless its copy is here, and keep it until the returned file is closed.

        Args:
            path: Path of the copy.
            stays: Whether the copy stays as long as the folder is in use, see :meth:`fetch`.

        Raises:
            RemoteError: If there is no such file, the transfer fails, or the cache is full of files in use.
        """
        relative = path.relative_to(self.home).as_posix()
        file = self.files.get(relative)
        if file is None:
            raise RemoteError(f"{self.address}/{relative} does not exist: upload it, or extract the video again.")
        while True:
            if (copy := _copy(path, file)) is not None:
                return copy
            with _draft(path, file.size) as draft:
                if draft is None:
                    time.sleep(_POLL_S)  # another process downloads it
                elif (copy := _copy(path, file)) is not None:
                    return copy
                else:
                    _make_room(file.size, self.address)
                    part = Path(draft.name)
                    download_file(f"{self.address}/{relative}", file, part)
                    if file.changed_s:
                        os.utime(part, (file.changed_s, file.changed_s))
                    fcntl.flock(draft, fcntl.LOCK_SH)
                    write_text(_side(path), json.dumps(_Side(file.version, part.stat().st_mtime_ns, stays).__dict__))
                    part.replace(path)
                    return os.fdopen(os.dup(draft.fileno()), "rb")  # the same lock


def fetch_remote(text: str | Path) -> Path:
    """The local copy of what lies at an address.

    A folder of feature stores is listed, and each array is downloaded when it is first read. Anything else, such as a
    run or a checkpoint, is downloaded whole.

    Raises:
        RemoteError: If there is nothing, it is larger than the cache, or a transfer fails.
        MissingPackageError: If fsspec needs a package that is not installed.
    """
    local = local_of(text)
    if local is not None:
        return local
    folder = RemoteFolder.listed(remote_address(text))
    is_store = any(path.count("/") <= 1 and path.rpartition("/")[2] == _MANIFEST for path in folder.files)
    later = (".npy", ".json") if is_store else ()  # arrays, and the entries of which the manifest was made
    folder.fetch([path for path in folder.files if not path.endswith(later) or path.endswith(_MANIFEST)])
    names = list(folder.files)
    single = len(names) == 1 and folder.address != remote_address(text)
    return folder.home / names[0] if single else folder.home


# Copies -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Side:
    """What lies beside a copy: its version, the time of its last change, and whether it stays with its folder."""

    version: str
    changed_ns: int
    stays: bool


def _side(path: Path) -> Path:
    return path.with_name(f".{path.name}.remote")


def _copy(path: Path, file: RemoteFile) -> IO[bytes] | None:
    """The copy of a file, locked so that it stays; None if there is none of this version."""
    try:
        copy = path.open("rb")
    except FileNotFoundError:
        return None
    fcntl.flock(copy, fcntl.LOCK_SH)
    found = os.fstat(copy.fileno())
    with suppress(OSError, ValueError, TypeError):
        side = _Side(**json.loads(_side(path).read_text()))
        same = (found.st_size, side.version, side.changed_ns) == (file.size, file.version, found.st_mtime_ns)
        if same and found.st_nlink:
            os.utime(_side(path))  # this is its last use
            return copy
    copy.close()
    return None


@contextmanager
def _draft(path: Path, size: int) -> Iterator[IO[bytes] | None]:
    """A draft beside a path that no other process writes, deleted in the end unless moved; None if one writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{size}.part")
    with draft.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        if not _is_at(file, draft):  # the other process has just moved or deleted it
            yield None
            return
        try:
            yield file
        finally:
            if _is_at(file, draft):
                draft.unlink()


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


# Room ---------------------------------------------------------------------------------------------------------------


def _make_room(size: int, address: str) -> None:
    """Count a draft of a size in, and remove what was not used for longest if the cache would become too large.

    Raises:
        RemoteError: If all that is left is in use.
    """
    root, limit = cache_root(), cache_bytes()
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        counted = root / ".size"
        try:
            used = int(counted.read_text()) + size
        except (OSError, ValueError):
            used = limit + 1  # count what is there
        if used > limit:
            used = _shrink(root, limit)
        counted.write_text(str(used if used <= limit else used - size))
    if used > limit:
        raise RemoteError(
            f"The cache {root} is full: {(used - size) / 2**30:.3g} of its {limit / 2**30:.3g} GiB are in use, and a "
            f"file of {address} needs {size / 2**30:.3g}; raise WTAL_CACHE_GIB."
        )


def _shrink(root: Path, limit: int) -> int:
    """Remove copies until the rest, drafts included, is well below a limit, and return its size."""
    for part in root.rglob(".*.part"):  # of killed processes
        _remove(part)
    used = sum(int(part.name.split(".")[-2]) for part in root.rglob(".*.part"))
    copies = []
    for side in root.rglob(".*.remote"):
        path = side.with_name(side.name[1 : -len(".remote")])
        with suppress(OSError):
            copies.append((side.stat().st_mtime_ns, path.stat().st_size, path, side))
            used += copies[-1][1]
    in_use = {home.parent for home in root.rglob(_IN_USE) if _is_locked(home)}
    for _, size, path, side in sorted(copies):
        if used <= _KEPT * limit:
            break
        if (not in_use.isdisjoint(path.parents) and _stays(side)) or not _remove(path):
            continue
        side.unlink(missing_ok=True)
        used -= size
    return used


def _stays(side: Path) -> bool:
    try:
        return bool(json.loads(side.read_text())["stays"])
    except (OSError, ValueError, KeyError):
        return False


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _remove(path: Path) -> bool:
    """Remove a file unless it is in use, and return whether that was done."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:  # locked, or gone
        return False
    return True

"""Storage behind an address that fsspec knows, ``s3://`` for example: listings, and transfers of whole files."""

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wtal.errors import RemoteError, WTALError, one_line
from wtal.io.extras import MissingPackageError, from_extra
from wtal.io.files import drafted

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = [
    "RemoteFile",
    "download_file",
    "download_folder",
    "is_remote_address",
    "list_remote",
    "local_of",
    "read_remote",
    "remote_address",
    "upload_file",
    "upload_folder",
    "upload_text",
]

_OTHERS = {"hf", "http", "https"}  # the Hub has a module of its own, and the web has no folders
_OF_THE_EXTRA = {"s3fs"}
_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "memory"}  # show an object when it is complete
_TRIES = 3
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created")
_TIMES = ("LastModified", "mtime", "modified", "last_modified", "updated", "created")
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError")
_NO_SERVER = ("EndpointConnectionError", "ClientConnectorError", "ConnectTimeoutError", "ConnectionRefusedError")


@dataclass(frozen=True)
class RemoteFile:
    """A file as the storage states it.

    Args:
        size: Its size in bytes.
        version: What changes whenever the file changes, such as its ETag; empty if the storage states nothing.
        changed_s: Time of its last change, in seconds since 1970; 0 if unknown.
    """

    size: int
    version: str = ""
    changed_s: float = 0.0

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "RemoteFile":
        """From what fsspec says about it."""
        version: Any = next((info[name] for name in _VERSIONS if info.get(name)), "")
        if isinstance(version, datetime):  # some storage states a number in listings and a datetime elsewhere
            version = version.timestamp()
        changed_s = _seconds(next((info[name] for name in _TIMES if info.get(name)), 0))
        return cls(int(info.get("size") or 0), str(version).strip('"'), changed_s)


def _seconds(time: object) -> float:
    if isinstance(time, datetime):
        return time.timestamp()
    if isinstance(time, int | float):
        return float(time)
    with suppress(ValueError):
        return datetime.fromisoformat(str(time).replace("Z", "+00:00")).timestamp()
    return 0.0


# Addresses ----------------------------------------------------------------------------------------------------------


def is_remote_address(text: str | Path) -> bool:
    """Whether a text or path is an address of fsspec other than those of the Hub and of the web.

    >>> [is_remote_address(text) for text in ("s3://bucket/run", Path("s3://bucket/run"), "runs/s3", "hf://me/run")]
    [True, True, False, False]
    """
    found = re.match(r"([a-z][a-z0-9+.-]+):/", str(text))
    if not found or found[1] in _OTHERS:
        return False
    from fsspec import available_protocols

    return found[1] in available_protocols()


def remote_address(text: str | Path) -> str:
    """An address as it is written; a path has lost one of the slashes.

    >>> remote_address(Path("s3://bucket/run/")), remote_address(Path("file:///runs/mine"))
    ('s3://bucket/run', 'file:///runs/mine')
    """
    scheme, _, rest = str(text).partition(":")
    return f"{scheme}://{'/' if scheme in ('file', 'local') else ''}{rest.strip('/')}"


def local_of(text: str | Path) -> Path | None:
    """The path on this machine that a ``file://`` address stands for; None for any other address.

    >>> str(local_of("file:///runs/mine")), local_of("s3://bucket/run")
    ('/runs/mine', None)
    """
    scheme, _, rest = str(text).partition(":")
    return Path("/", rest.strip("/")) if scheme in ("file", "local") else None


# Reading ------------------------------------------------------------------------------------------------------------


def list_remote(address: str, missing: bool = False) -> dict[str, RemoteFile]:
    """All files at an address by their paths below it; a single file by the empty path.

    Args:
        address: The address.
        missing: Whether to return nothing where there is nothing, instead of raising.

    Raises:
        RemoteError: If there is nothing, or it cannot be read.
        MissingPackageError: If fsspec needs a package for it that is not installed.
    """
    with _as_own_errors(f"{address} cannot be read"):
        storage, root = _opened(address)
        storage.invalidate_cache()
        try:
            found = storage.find(root, detail=True)
        except FileNotFoundError:
            found = {}
    top = root.rstrip("/")
    files = {name[len(top) :].strip("/"): RemoteFile.of(info) for name, info in found.items() if _is_file(info)}
    files = {name: file for name, file in files.items() if ".." not in PurePosixPath(name).parts}
    if not files and not missing:
        raise RemoteError(f"{address} does not exist, or is empty: look for a mistake in the address.")
    return files


def _is_file(info: Mapping[str, Any]) -> bool:
    return info.get("type") == "file" and not str(info["name"]).endswith("/")


def download_file(address: str, file: RemoteFile, path: Path) -> None:
    """Download a file to a path, where nobody looks for it before it is whole.

    Args:
        address: Address of the file.
        file: What was listed of it.
        path: The path; what is there is overwritten.

    Raises:
        RemoteError: If it is gone, is no longer what was listed, or the transfer fails several times.
    """
    with _as_own_errors(f"{address} was not downloaded"):
        storage, place = _opened(address)
        for attempt in range(1, _TRIES + 1):
            try:
                storage.get_file(place, str(path))
                if path.stat().st_size == file.size:
                    break
                problem = f"{path.stat().st_size} of {file.size} bytes have arrived"
            except (FileNotFoundError, PermissionError):
                raise
            except OSError as error:  # a connection that broke off
                if attempt == _TRIES or error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                problem = str(error)
        else:
            raise OSError(problem)
        storage.invalidate_cache()
        now = RemoteFile.of(storage.info(place))
    if (now.size, now.version) != (file.size, file.version):
        raise RemoteError(f"{address} was changed while it was being read: start again.")


def download_folder(address: str, folder: Path) -> None:
    """Download all files at an address into a folder; those of the same size and time are there already.

    Raises:
        RemoteError: If there is nothing, or a transfer fails; whole files stay.
    """
    for name, file in list_remote(address).items():
        path = folder / (name or address.rpartition("/")[2])
        if _is_there(path, file):
            continue
        with drafted(path) as draft:
            download_file(f"{address}/{name}" if name else address, file, draft)
            if file.changed_s:
                os.utime(draft, (file.changed_s, file.changed_s))


def _is_there(path: Path, file: RemoteFile) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size == file.size and file.changed_s > 0 and abs(found.st_mtime - file.changed_s) < 0.001


def read_remote(address: str) -> bytes | None:
    """The content of a small file; None if there is none.

    Raises:
        RemoteError: If it cannot be read.
    """
    with _as_own_errors(f"{address} cannot be read"):
        storage, place = _opened(address)
        storage.invalidate_cache()
        try:
            return bytes(storage.cat_file(place))
        except FileNotFoundError:
            return None


# Writing ------------------------------------------------------------------------------------------------------------


def upload_file(path: Path, address: str) -> None:
    """Upload a file, which appears at the address whole or not at all.

    Raises:
        RemoteError: If that fails.
    """
    with _as_own_errors(f"{address} was not written"):
        storage, place = _opened(address)
        folder, _, name = place.rpartition("/")
        whole = address.partition(":")[0] in _WHOLE
        draft = place if whole else f"{folder}/.{name}.{os.getpid()}.tmp"
        if not whole:
            storage.makedirs(folder, exist_ok=True)
        storage.put_file(str(path), draft)
        storage.invalidate_cache()
        size = storage.info(draft)["size"]
        if size != path.stat().st_size:
            raise OSError(f"{size} of {path.stat().st_size} bytes have arrived")
        if not whole:
            storage.mv(draft, place)


def upload_text(text: str, address: str) -> None:
    """Write a text to a file, see :func:`upload_file`."""
    with tempfile.TemporaryDirectory(prefix="wtal-") as folder:
        path = Path(folder, "text")
        path.write_text(text, encoding="utf-8")
        upload_file(path, address)


def upload_folder(folder: Path, address: str, last: str = "") -> int:
    """Upload all files of a folder but hidden ones; what is there already, by its checksum, is not sent again.

    Args:
        folder: The folder.
        address: Address of the folder that it becomes.
        last: Name of the files that are sent after all others, as they say that those are there.

    Returns:
        Number of files that were sent.

    Raises:
        RemoteError: If a transfer fails; what was sent stays.
    """
    there, sent = list_remote(address, missing=True), 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: (path.name == last, path)):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        known = there.get(relative.as_posix())
        if known is None or known.size != path.stat().st_size or known.version != _md5(path):
            upload_file(path, f"{address}/{relative.as_posix()}")
            sent += 1
    return sent


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)  # what S3 states of a file that was sent in one part
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


# The file system ----------------------------------------------------------------------------------------------------


def _opened(address: str) -> "tuple[AbstractFileSystem, str]":
    """The file system of an address, and the address's path in it.

    Raises:
        MissingPackageError: If it needs a package that is not installed.
    """
    with from_extra("remote"):
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations
    try:
        storage, path = url_to_fs(address)
    except ImportError as error:
        known = known_implementations.get(address.partition(":")[0], {})
        package = str(known.get("class", error.name or "fsspec")).partition(".")[0]
        what = "'wtal[remote]'" if package in _OF_THE_EXTRA else package
        raise MissingPackageError(f"{package} is not installed: run `pip install {what}`.") from error
    return storage, str(path)


@contextmanager
def _as_own_errors(what: str) -> Iterator[None]:
    """Turn whatever the storage's client raises into one sentence.

    Raises:
        RemoteError: In place of any error.
    """
    try:
        yield
    except WTALError:
        raise
    except Exception as error:  # the clients' errors have no common base
        raise RemoteError(f"{what}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return "there is no such file, folder or bucket; look for a mistake in the address"
    if isinstance(error, PermissionError) or kind in _NO_CREDENTIALS:
        return (
            "your credentials are missing, are wrong or do not allow it; give others, such as AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY for S3"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "this machine's disk is full; make room"
    if kind in _NO_SERVER or "Could not connect" in str(error):
        return "the server cannot be reached; look at the network, and at AWS_ENDPOINT_URL if you have set it"
    detail = one_line(str(error))[:200].rstrip(".")
    return f"the transfer failed ({kind}{f': {detail}' if detail else ''}); start again: what has arrived is kept"

"""A store at an address, which any number of machines add videos to."""

import json
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wtal.data.appending import StoreAppender, check_alike, check_form
from wtal.data.manifest import MANIFEST, Manifest, manifest_text, parse_manifest, read_manifest
from wtal.data.npy import read_npy, write_npy
from wtal.errors import FeatureError
from wtal.io.bounds import is_file_name
from wtal.io.remote import (
    is_remote_address,
    list_remote,
    local_of,
    read_remote,
    remote_address,
    upload_file,
    upload_text,
)
from wtal.io.remote_cache import RemoteFolder
from wtal.types import TimeGrid

__all__ = ["Appender", "RemoteAppender", "open_appender", "videos_in"]

_ENTRIES = ".entries"  # folder of what the manifest will say of each video
_MERGE_S = 60.0  # from which on a manifest is written before the work ends
_SIDE_BY_SIDE = 16  # requests


class RemoteAppender:
    """A store at an address that grows: each video appears whole, and is kept whatever happens next.

    Storage has no locks, so no two writers may change one object. Each video has an array and an entry of its own; the
    manifest is made of all entries, again and again until it holds every one, and can be made again at any time.

    Args:
        address: Address of the store.
        manifest: What the store is to be; nothing is added to one of another origin, grid or crop.

    Raises:
        FeatureError: If the existing store has other settings.
        RemoteError: If it cannot be read or written.
    """

    def __init__(self, address: str, manifest: Manifest) -> None:
        self.folder = address
        self._manifest = self._stored(manifest)
        listed = list_remote(address, missing=True)
        self._arrays = _arrays(listed)
        self._own: dict[str, tuple[int, float]] = {}
        self._entries = self._read_entries(_entries(listed) - self._manifest.videos.keys())
        self._merged = time.monotonic()
        if MANIFEST not in listed:
            upload_text(manifest_text(self._manifest), f"{address}/{MANIFEST}")

    def __contains__(self, video_id: object) -> bool:
        """Whether the store had a video when it was opened, or this process has added it."""
        known = video_id in self._manifest.videos or video_id in self._entries or video_id in self._own
        return known and video_id in self._arrays

    def add(self, video_id: str, rows: np.ndarray, offset_s: float = 0.0) -> None:
        """Write one video; an existing one of this name is replaced.

        Args:
            video_id: Name of the video, which becomes the name of its file.
            rows: Features, ``(T, D)``.
            offset_s: Time of the video's first frame.

        Raises:
            FeatureError: If the array does not fit the others in the store.
            RemoteError: If it cannot be written.
        """
        check_form(self.folder, self._manifest, video_id, rows)
        with tempfile.TemporaryDirectory(prefix="wtal-") as folder:
            file = Path(folder, "rows.npy")
            write_npy(file, rows)
            upload_file(file, f"{self.folder}/{video_id}.npy")
        upload_text(json.dumps([len(rows), offset_s]), f"{self.folder}/{_ENTRIES}/{video_id}.json")
        self._manifest = replace(self._manifest, dim=rows.shape[1], dtype=str(rows.dtype))
        self._own[video_id] = len(rows), offset_s
        self._arrays.add(video_id)
        if time.monotonic() - self._merged > _MERGE_S:
            self._write({**self._entries, **self._own})

    def close(self) -> None:
        """Write the manifest of all that is there, also by others, and see that it stays.

        Raises:
            FeatureError: If another writer has made a store of other settings of it.
            RemoteError: If it cannot be read or written.
        """
        while True:
            self._manifest = self._stored(self._manifest)
            found = _entries(list_remote(self.folder, missing=True))
            lacking = found - self._manifest.videos.keys()
            own = {name: entry for name, entry in self._own.items() if self._stated(name) != entry}
            if not lacking and not own:
                return
            self._entries |= self._read_entries(lacking - self._entries.keys() - self._own.keys())
            self._write({**{name: self._entries[name] for name in lacking & self._entries.keys()}, **self._own})

    def _stated(self, name: str) -> tuple[int, float]:
        return self._manifest.videos.get(name, -1), self._manifest.offset_s.get(name, 0.0)

    def _stored(self, wanted: Manifest) -> Manifest:
        """The manifest there, if it is of the wanted settings; the wanted one where there is none or an empty one."""
        content = read_remote(f"{self.folder}/{MANIFEST}")
        if content is None:
            return wanted
        manifest = parse_manifest(content.decode(errors="replace"), f"{self.folder}/{MANIFEST}")
        if not manifest.videos and not manifest.dim:
            return replace(wanted, videos={}, offset_s={})
        check_alike(self.folder, manifest, wanted)
        if wanted.dim and (manifest.dim, manifest.dtype) != (wanted.dim, wanted.dtype):
            raise FeatureError(
                f"{self.folder} holds {manifest.dim} channels of {manifest.dtype}, and {wanted.dim} of {wanted.dtype} "
                "were added to it at the same time: choose another folder."
            )
        return manifest

    def _write(self, entries: dict[str, tuple[int, float]]) -> None:
        """Write the manifest that is there now with some entries more."""
        now = self._stored(self._manifest)
        videos = {**now.videos, **{name: length for name, (length, _) in entries.items()}}
        offsets = {**now.offset_s, **{name: offset_s for name, (_, offset_s) in entries.items()}}
        offsets = {name: offset_s for name, offset_s in offsets.items() if offset_s}
        dim, dtype = self._manifest.dim or now.dim, self._manifest.dtype or now.dtype
        if not dim:  # all entries are of other writers
            dim, dtype = self._form_of(next(iter(entries)))
        self._manifest = replace(now, videos=videos, offset_s=offsets, dim=dim, dtype=dtype)
        upload_text(manifest_text(self._manifest), f"{self.folder}/{MANIFEST}")
        self._merged = time.monotonic()

    def _form_of(self, video_id: str) -> tuple[int, str]:
        """Number of channels, and their type, of an array that another writer has added."""
        folder = RemoteFolder.listed(self.folder)
        path = folder.home / f"{video_id}.npy"
        with folder.hold(path):
            rows = read_npy(path)
            return rows.shape[1], str(rows.dtype)

    def _read_entries(self, names: set[str]) -> dict[str, tuple[int, float]]:
        def read(name: str) -> tuple[str, tuple[int, float]]:
            place = f"{self.folder}/{_ENTRIES}/{name}.json"
            try:
                length, offset_s = json.loads(read_remote(place) or b"")
                return name, (int(length), float(offset_s))
            except (ValueError, TypeError) as error:
                raise FeatureError(f"{place} is damaged: delete it, and the video is made again.") from error

        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            return dict(pool.map(read, sorted(names)))


Appender = StoreAppender | RemoteAppender


def open_appender(
    output: Path,
    grid: TimeGrid,
    *,
    origin: dict[str, Any],
    crop: str = "not stated",
    notes: str = "",
    networks: dict[str, str] | None = None,
) -> Appender:
    """Open a store to add to, in a folder or at an address; see :class:`StoreAppender` and :class:`RemoteAppender`.

    Args:
        output: The folder or address.
        grid: Time grid of the snippets.
        origin: See :class:`~wtal.data.manifest.Manifest`.
        crop: See :class:`~wtal.data.manifest.Manifest`.
        notes: See :class:`~wtal.data.manifest.Manifest`.
        networks: See :class:`~wtal.data.manifest.Manifest`.
    """
    if is_remote_address(output) and local_of(output) is None:
        return RemoteAppender(
            remote_address(output), Manifest(grid, 0, "", {}, None, origin, crop, notes, networks=networks or {})
        )
    folder = local_of(output) if is_remote_address(output) else output
    return StoreAppender(folder or output, grid, origin=origin, crop=crop, notes=notes, networks=networks)


def videos_in(output: Path) -> set[str]:
    """Names of the videos that a store has, in a folder or at an address, also while it grows; none without a store.

    Raises:
        RemoteError: If the address cannot be read.
    """
    if is_remote_address(output) and local_of(output) is None:
        listed, address = list_remote(remote_address(output), missing=True), remote_address(output)
        content = read_remote(f"{address}/{MANIFEST}")
        stated = set() if content is None else {*parse_manifest(content.decode(errors="replace"), address).videos}
        return _arrays(listed) & stated | _entries(listed)
    folder = (local_of(output) if is_remote_address(output) else output) or output
    manifest = read_manifest(folder)
    return {name for name in (manifest.videos if manifest else ()) if (folder / f"{name}.npy").is_file()}


def _entries(listed: Iterable[str]) -> set[str]:
    """Names of the videos that have an entry and an array."""
    paths = [PurePosixPath(path) for path in listed]
    return {path.stem for path in paths if str(path.parent) == _ENTRIES and path.suffix == ".json"} & _arrays(listed)


def _arrays(listed: Iterable[str]) -> set[str]:
    """Names of the videos that have an array."""
    return {name for path in listed if path.endswith(".npy") and is_file_name(name := path.removesuffix(".npy"))}

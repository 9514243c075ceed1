"""A store that videos are added to one at a time, for work that takes hours and may be interrupted."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wtal.data.manifest import Manifest, read_manifest
from wtal.data.store import write_npy
from wtal.errors import FeatureError
from wtal.io.files import drafted
from wtal.types import TimeGrid

__all__ = ["StoreAppender", "check_alike"]


class StoreAppender:
    """A store that grows: each video is stored at once, whole, and is kept whatever happens next.

    Any number of processes may add to one store, even from several machines that share the folder.

    Args:
        folder: Folder of the store, which is created if necessary.
        grid: Time grid of the snippets.
        origin: What the features are made from. Nothing is added to a store of another origin, grid or crop, unless it
            has no video yet.
        crop: See :class:`~wtal.data.manifest.Manifest`.
        notes: See :class:`~wtal.data.manifest.Manifest`.
        networks: See :class:`~wtal.data.manifest.Manifest`.

    Raises:
        FeatureError: If something other than a store is in the way, or the existing store has other settings.
    """

    def __init__(
        self,
        folder: Path,
        grid: TimeGrid,
        *,
        origin: dict[str, Any],
        crop: str = "not stated",
        notes: str = "",
        networks: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._manifest = Manifest(grid, 0, "", {}, None, origin, crop, notes, networks=networks or {})
        with self._writing("the store"):
            if any(file.is_file() and not file.name.startswith(".") for file in folder.iterdir()):
                self._update()
            else:
                self._manifest.write(folder)

    def __contains__(self, video_id: object) -> bool:
        """Whether the store had a video when this process last looked, which it does whenever it adds one."""
        return video_id in self._manifest.videos and (self.folder / f"{video_id}.npy").is_file()

    def add(self, video_id: str, rows: np.ndarray, offset_s: float = 0.0) -> None:
        """Write one video; an existing one of this name is replaced.

        Args:
            video_id: Name of the video, which becomes the name of its file.
            rows: Features, ``(T, D)``.
            offset_s: Time of the video's first frame.

        Raises:
            FeatureError: If the array does not fit the others in the store, or the file cannot be written.
        """
        with self._writing(f"video {video_id}"):
            self._update()
            manifest, dtype = self._manifest, str(rows.dtype)
            check_form(self.folder, manifest, video_id, rows)
            with drafted(self.folder / f"{video_id}.npy") as draft:
                write_npy(draft, rows)
            videos = {**manifest.videos, video_id: len(rows)}
            offsets = {name: other for name, other in manifest.offset_s.items() if name != video_id}
            offsets |= {video_id: offset_s} if offset_s else {}
            self._manifest = replace(manifest, dim=rows.shape[1], dtype=dtype, videos=videos, offset_s=offsets)
            self._manifest.write(self.folder)

    def close(self) -> None:
        """Do nothing, as every video was written whole; a store at an address has something left to do."""

    def _update(self) -> None:
        """Read the current state of the store.

        Raises:
            FeatureError: If the folder is not a store, or one with other settings.
        """
        manifest = read_manifest(self.folder)
        if manifest is not None and not manifest.videos:  # left by a start that was interrupted before the first video
            self._manifest.write(self.folder)
            return
        if manifest is None:
            raise FeatureError(f"{self.folder} is in the way and is not a feature store: choose another folder.")
        check_alike(self.folder, manifest, self._manifest)
        self._manifest = manifest

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Wait until no other process writes to the store; turn a failure to write into one sentence."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise FeatureError(
                f"{self.folder}: {what} cannot be written ({error.strerror}); free space or choose another folder, "
                "then start again: finished videos are kept."
            ) from error


def check_alike(place: Path | str, stored: Manifest, wanted: Manifest) -> None:
    """Refuse to add to a store of other settings.

    Args:
        place: Folder or address of the store, for the message.
        stored: Its manifest.
        wanted: A manifest of the wanted settings.

    Raises:
        FeatureError: If origin, grid or crop differ.
    """
    for name in ("origin", "grid", "crop"):
        there, here = getattr(stored, name), getattr(wanted, name)
        if there != here:
            raise FeatureError(
                f"{place} was made with another {name} ({_difference(there, here)}): choose another folder, or the "
                "same settings."
            )


def check_form(place: Path | str, manifest: Manifest, video_id: str, rows: np.ndarray) -> None:
    """Refuse an array of another form than the others of a store; the first one may have any.

    Args:
        place: Folder or address of the store, for the message.
        manifest: Its manifest.
        video_id: Name of the video.
        rows: Its features, ``(T, D)``.

    Raises:
        FeatureError: If the number of channels, or their type, differs.
    """
    if manifest.dim and (manifest.dim, manifest.dtype) != (rows.shape[1], str(rows.dtype)):
        raise FeatureError(
            f"{place} holds {manifest.dim} channels of {manifest.dtype}, but video {video_id} has {rows.shape[1]} of "
            f"{rows.dtype}: choose another folder."
        )


def _difference(stored: object, wanted: object) -> str:
    """The difference between two settings, for a message."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        key = next(key for key in [*stored, *wanted] if stored.get(key) != wanted.get(key))
        return f"{key}: {stored.get(key)}; now {wanted.get(key)}"
    return f"{stored}; now {wanted}"

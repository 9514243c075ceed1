"""Add videos to a store one at a time, for work that takes hours and may be interrupted."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wtal.data.store import Manifest, read_manifest, write_npy
from wtal.errors import FeatureError
from wtal.io.files import drafted
from wtal.types import TimeGrid

__all__ = ["StoreAppender"]


class StoreAppender:
    """A store that grows: what is added is there at once, whole, and stays whatever happens next.

    Any number of processes, also of several machines that share a folder, may add to one store.

    Args:
        folder: The store; it is made with its first video.
        grid: Where snippets lie in time.
        origin: What the features are made from. A store of another origin, grid or crop is not added to.
        crop: See :class:`~wtal.data.store.Manifest`.
        notes: See :class:`~wtal.data.store.Manifest`.

    Raises:
        FeatureError: If something else is in the way, or the store that is there was made otherwise.
    """

    def __init__(
        self, folder: Path, grid: TimeGrid, *, origin: dict[str, Any], crop: str = "not stated", notes: str = ""
    ) -> None:
        self.folder = folder
        self._said = Manifest(grid, 0, "", {}, None, origin, crop, notes)
        with self._writing("the store"):
            if any(file.is_file() and not file.name.startswith(".") for file in folder.iterdir()):
                self._update()
            else:
                self._said.write(folder)

    def __contains__(self, video_id: object) -> bool:
        """Whether a video was there when this process last looked, which it does whenever it adds one."""
        return video_id in self._said.videos and (self.folder / f"{video_id}.npy").is_file()

    def add(self, video_id: str, rows: np.ndarray) -> None:
        """Write one video; one of this name that is there is replaced.

        Args:
            video_id: Its name, which becomes the name of its file.
            rows: ``(T, D)``.

        Raises:
            FeatureError: If the array does not fit those that are there, or the file cannot be written.
        """
        with self._writing(f"video {video_id}"):
            self._update()
            said, dtype = self._said, str(rows.dtype)
            if said.videos and (said.dim, said.dtype) != (rows.shape[1], dtype):
                raise FeatureError(
                    f"{self.folder} holds {said.dim} channels of {said.dtype}, and those of video {video_id} are "
                    f"{rows.shape[1]} of {dtype}: choose another folder."
                )
            with drafted(self.folder / f"{video_id}.npy") as draft:
                write_npy(draft, rows)
            self._said = replace(said, dim=rows.shape[1], dtype=dtype, videos={**said.videos, video_id: len(rows)})
            self._said.write(self.folder)

    def _update(self) -> None:
        """Read what is there by now.

        Raises:
            FeatureError: If it is no store, or one that was made otherwise.
        """
        said = read_manifest(self.folder)
        if said is None:
            raise FeatureError(f"{self.folder} is in the way and is no feature store: choose another folder.")
        for name in ("origin", "grid", "crop"):
            there, here = getattr(said, name), getattr(self._said, name)
            if there != here:
                raise FeatureError(
                    f"{self.folder} was made with another {name} ({_difference(there, here)}): choose another folder, "
                    "or the same settings."
                )
        self._said = said

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Wait until no other process writes into the store, and say in a sentence why it is not possible."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise FeatureError(
                f"{self.folder}: {what} cannot be written ({error.strerror}); make room, or choose another folder, and "
                "start again: what is finished stays."
            ) from error


def _difference(there: object, here: object) -> str:
    """Where two values differ, for a message."""
    if isinstance(there, dict) and isinstance(here, dict):
        key = next(key for key in [*there, *here] if there.get(key) != here.get(key))
        return f"{key}: {there.get(key)}; now {here.get(key)}"
    return f"{there}; now {here}"

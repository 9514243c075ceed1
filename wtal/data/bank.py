"""The features of the training videos while their encoder is trained: each row has an age, and nothing is lost."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from wtal.data.store import FeatureStore, npy_shape, read_npy, write_npy
from wtal.errors import CheckpointError, FeatureError
from wtal.io.files import drafted

__all__ = ["BankRows", "FeatureBank"]

_BESIDE = 2  # columns beside the features: time of the last refresh, norm of the last gradient


class BankRows(NamedTuple):
    """The state of one video.

    Attributes:
        features: Features, ``(T, D)`` float32.
        refreshed: Time at which each row was last encoded, ``(T,)``, exact up to 2^24; 0 for the features of before.
        gradient: Norm of the gradient of each row at its last visit, ``(T,)``, relative to the mean of its crop.
    """

    features: NDArray[np.float32]
    refreshed: NDArray[np.float32]
    gradient: NDArray[np.float32]


class FeatureBank:
    """Features of videos in versions: a file a video and time, which is written whole and never changed.

    Whoever reads takes the newest version. A training that is killed loses nothing, and one that resumes from a
    checkpoint goes back to the versions of its time. Older versions are deleted when no recent checkpoint needs them.
    A process holds the rows of one video at a time, and any number of processes may read.

    Args:
        folder: Folder of the bank.
        source: Features before the training, which are copied and never changed.
        video_ids: Names of the videos.
    """

    def __init__(self, folder: Path, source: FeatureStore, video_ids: Sequence[str]) -> None:
        self.folder, self.source, self.video_ids = folder, source, tuple(video_ids)
        self._checkpoints = [0, 0]  # times of the last two, of which the newer may not be on disk yet

    def __contains__(self, video_id: object) -> bool:
        """Whether a video is in the bank."""
        return video_id in self.video_ids

    @property
    def store(self) -> FeatureStore:
        """The newest features, as a store."""
        names = self.video_ids
        return FeatureStore(
            self.folder,
            {name: partial(self._features, name) for name in names},
            {name: partial(self._shape, name) for name in names},
            self.source.grid,
            self.source.dim,
            transposed=False,
            manifest=self.source.manifest,
        )

    def start(self, time: int, write: bool = True) -> None:
        """Begin at a time: at 0 by copying the source, later by going back to the versions of then.

        Args:
            time: Time of the checkpoint that the training continues from; 0 for a new training.
            write: Whether this process does the work, as one of those that share the folder must.

        Raises:
            CheckpointError: If the versions of that time are gone.
            FeatureError: If the disk is full, or the source cannot be read.
        """
        self._checkpoints = [time, time]
        for video_id in self.video_ids if write else ():
            later = [version for version in self._versions(video_id) if version > time or not time]
            for version in later:
                self._path(video_id, version).unlink(missing_ok=True)
            if not time:
                rows = np.asarray(self.source[video_id], np.float32)
                none = np.zeros(len(rows), np.float32)
                self.write(video_id, 0, BankRows(rows, none, none))
            elif not self._versions(video_id):
                raise CheckpointError(
                    f"{self.folder} no longer has the features that {video_id} had at this checkpoint: resume from "
                    "the newest checkpoint of the run, or start again."
                )

    def read(self, video_id: str) -> BankRows:
        """The newest rows of a video.

        Raises:
            FeatureError: If the video has none.
        """
        whole = read_npy(self._path(video_id, self._newest(video_id)))
        return BankRows(whole[:, :-_BESIDE], whole[:, -_BESIDE], whole[:, -1])

    def write(self, video_id: str, time: int, rows: BankRows) -> None:
        """Write a version of a video, whole or not at all, and delete those that no recent checkpoint needs.

        Raises:
            FeatureError: If it cannot be written.
        """
        features, refreshed, gradient = rows
        try:
            with drafted(self._path(video_id, time)) as draft:
                write_npy(draft, np.column_stack([features, refreshed, gradient]).astype(np.float32))
        except OSError as error:
            raise FeatureError(
                f"{self.folder}: the features of {video_id} cannot be written ({error.strerror}); free space, then "
                "resume the training."
            ) from error
        versions = self._versions(video_id)
        needed = max((version for version in versions if version <= self._checkpoints[0]), default=0)
        for version in versions:
            if version < needed:
                self._path(video_id, version).unlink(missing_ok=True)

    def note_checkpoint(self, time: int) -> None:
        """Remember that a checkpoint of this time is being written: what it and the one before need is kept."""
        if time != self._checkpoints[1]:
            self._checkpoints = [self._checkpoints[1], time]

    def _features(self, video_id: str) -> np.ndarray:
        return self.read(video_id).features

    def _shape(self, video_id: str) -> tuple[int, ...]:
        length, width = npy_shape(self._path(video_id, self._newest(video_id)))
        return length, width - _BESIDE

    def _newest(self, video_id: str) -> int:
        versions = self._versions(video_id)
        if not versions:
            raise FeatureError(f"{self.folder} has no features of {video_id}: start the training again.")
        return versions[-1]

    def _versions(self, video_id: str) -> list[int]:
        """Times of the versions of a video, in order."""
        return sorted(int(file.stem) for file in self._folder(video_id).glob("[0-9]*.npy"))

    def _path(self, video_id: str, time: int) -> Path:
        return self._folder(video_id) / f"{time:010d}.npy"

    def _folder(self, video_id: str) -> Path:
        return self.folder / quote(video_id, safe=" ")

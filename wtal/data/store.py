"""Features by video, read on demand, and the folder that keeps them: one ``.npy`` file per video and a manifest."""

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from wtal.data.manifest import MANIFEST, Manifest, read_manifest
from wtal.data.npy import npy_shape, read_npy, read_remote_npy, write_npy
from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.io.bounds import is_file_name
from wtal.io.remote_cache import RemoteFolder
from wtal.types import TimeGrid

__all__ = [
    "FeatureStore",
    "Grids",
    "StoreWriter",
    "npy_shape",
    "open_store",
    "read_npy",
    "spellings",
    "vote",
    "write_npy",
]


@dataclass(frozen=True)
class Grids:
    """The time grid of each video.

    Args:
        grid: Time grid of all videos.
        fps: Frame rates by name of the video, where each has its own; None where all have that of the grid.
        path: File of the frame rates, for messages.
        offset_s: Times of the first frames that are added to that of the grid, by name of the video.
    """

    grid: TimeGrid
    fps: Mapping[str, float] | None = None
    path: Path | None = None
    offset_s: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, video_id: str) -> TimeGrid:
        """The grid of one video.

        Raises:
            FeatureError: If its frame rate is needed and unknown.
        """
        offset_s = self.offset_s.get(video_id, 0.0)
        grid = replace(self.grid, offset_s=self.grid.offset_s + offset_s) if offset_s else self.grid
        if self.fps is None:
            return grid
        rate = next((self.fps[name] for name in (video_id, *spellings(video_id)) if name in self.fps), None)
        if rate is None:
            raise FeatureError(
                f"{self.path} has no frame rate of video {video_id}: add it, or give one for all as `fps`."
            )
        return replace(grid, fps=rate)


class FeatureStore(Mapping[str, np.ndarray]):
    """Features by video, ``(T, D)`` each, read on demand.

    Names match with and without a leading ``v_``. Arrays are read-only, and checked when they are first read.

    Args:
        path: File or folder of the features, for messages.
        readers: Functions that read the arrays, by video.
        shapes: Functions that return the shapes of the arrays, if possible without reading them, by video.
        grid: Function from the name of a video to its time grid.
        dim: Number of channels; None takes the most common one of the first videos.
        transposed: Whether arrays are ``(D, T)``; None infers it from the number of channels, which all videos share.
        files: File of each video, for messages.
        manifest: Manifest of a store on disk.
        reading: Functions that say what a user should know about how the files are read; empty texts say nothing.
    """

    def __init__(
        self,
        path: Path,
        readers: Mapping[str, Callable[[], np.ndarray]],
        shapes: Mapping[str, Callable[[], tuple[int, ...]]],
        grid: Callable[[str], TimeGrid],
        dim: int | None = None,
        *,
        transposed: bool | None = None,
        files: Mapping[str, Path] | None = None,
        manifest: "Manifest | None" = None,
        reading: Sequence[Callable[[], str]] = (),
    ) -> None:
        self.path, self._readers, self._shapes, self._grid = path, readers, shapes, grid
        self._names = {unicodedata.normalize("NFC", name): name for name in readers}
        self._dim, self._transposed, self._files, self.manifest = dim, transposed, files or {}, manifest
        self.reading = reading
        self._checked: set[str] = set()
        self._lengths: dict[str, int] = {}

    def __contains__(self, video_id: object) -> bool:
        """Whether there are features of a video."""
        return isinstance(video_id, str) and any(name in self._names for name in spellings(video_id))

    def __iter__(self) -> Iterator[str]:
        """Names as in the files, in composed Unicode."""
        return iter(self._names)

    def __len__(self) -> int:
        """Number of videos."""
        return len(self._names)

    def __getitem__(self, video_id: str) -> np.ndarray:
        """Features of a video, ``(T, D)``.

        Raises:
            FeatureNotFoundError: If there are none.
            FeatureError: If they are not finite numbers of the right width.
        """
        key = self._found(video_id)
        length = self.length(key)
        rows = self._readers[key]()
        rows = rows.T if self._orientation[1] else rows
        if key not in self._checked:
            self._check(key, rows, length)
            self._checked.add(key)
        return rows

    @property
    def dim(self) -> int:
        """Number of channels."""
        return self._orientation[0]

    def length(self, video_id: str) -> int:
        """Number of snippets of a video, read from the header of its file where possible.

        Raises:
            FeatureNotFoundError: If the video has no features.
            FeatureError: If their shape is not ``(T, D)``.
        """
        key = self._found(video_id)
        if key not in self._lengths:
            shape, (dim, transposed) = self._shapes[key](), self._orientation
            if len(shape) != 2 or 0 in shape:
                raise FeatureError(
                    f"{self._place(key)}: shape {shape} instead of (snippets, channels); extract the video again."
                )
            length, channels = reversed(shape) if transposed else shape
            if channels != dim:
                raise FeatureError(
                    f"{self._place(key)}: {channels} channels instead of {dim}; extract the video again with the "
                    "same model as the others, or correct `dim` or `transposed`."
                )
            self._lengths[key] = length
        return self._lengths[key]

    def grid(self, video_id: str) -> TimeGrid:
        """Time grid of the snippets of a video."""
        return self._grid(self._found(video_id))

    def notes(self) -> list[str]:
        """What a user should know about how the files are read, one sentence each."""
        return [
            f"The features at {self.path}: {text}." for text in dict.fromkeys(note() for note in self.reading) if text
        ]

    def _found(self, video_id: str) -> str:
        for name in spellings(video_id):
            if name in self._names:
                return self._names[name]
        raise FeatureNotFoundError(f"Video {video_id} has no features in {self.path}: extract them.")

    def _place(self, key: str) -> str:
        return f"{self._files.get(key, self.path)}, video {key}"

    @cached_property
    def _orientation(self) -> tuple[int, bool]:
        """Number of channels, and whether arrays are ``(D, T)``."""
        if self._dim is not None and self._transposed is not None:
            return self._dim, self._transposed
        return vote(self._first_shapes(), self._dim, self._transposed)

    def _first_shapes(self, count: int = 5) -> list[tuple[int, ...]]:
        """Shapes of the first videos that can be read, among them at least one of two axes."""
        shapes: list[tuple[int, ...]] = []
        problem: FeatureError | None = None
        for shape in self._shapes.values():
            try:
                shapes.append(shape())
            except FeatureError as error:  # of one video: it is raised when that video is wanted
                problem = problem or error
            if len(shapes) == count:
                break
        if not any(len(shape) == 2 for shape in shapes):
            found = f", but one of shape {shapes[0]}" if shapes else ""
            raise problem or FeatureError(f"{self.path} holds no array of the form (snippets, channels){found}.")
        return shapes

    def _check(self, key: str, rows: np.ndarray, length: int) -> None:
        if rows.dtype.kind not in "fiu":
            raise FeatureError(
                f"{self._place(key)}: an array of {rows.dtype} instead of numbers; extract the video again."
            )
        if rows.shape != (length, self.dim):
            raise FeatureError(
                f"{self._place(key)}: shape {rows.shape} instead of the stated {(length, self.dim)}; extract the video "
                "again."
            )
        finite = np.isfinite(rows).all(axis=1)
        if rows.dtype.itemsize > 4 and rows.dtype.kind == "f":  # networks compute in single precision
            finite &= (np.abs(rows) <= np.finfo(np.float32).max).all(axis=1)
        if not finite.all():
            raise FeatureError(
                f"{self._place(key)}: NaN or infinity in {np.count_nonzero(~finite)} of {length} rows, first in row "
                f"{finite.argmin()}; extract the video again."
            )


def vote(shapes: Sequence[tuple[int, ...]], dim: int | None, transposed: bool | None) -> tuple[int, bool]:
    """Number of channels and whether arrays are ``(D, T)``: by majority of the shapes, where not given.

    >>> vote([(7, 4), (9, 4)], None, None), vote([(4, 7), (4, 9)], None, None), vote([(4, 7)], 4, None)
    ((4, False), (4, True), (4, True))
    """
    normal, other = (Counter(shape[axis] for shape in shapes if len(shape) == 2) for axis in (1, 0))
    if transposed is not None:
        return (other if transposed else normal).most_common(1)[0][0], transposed
    if dim is not None:
        return dim, other[dim] > normal[dim]
    (channels, votes), (other_channels, other_votes) = (axis.most_common(1)[0] for axis in (normal, other))
    return (other_channels, True) if other_votes > votes else (channels, False)


def spellings(video_id: str) -> tuple[str, str]:
    """A name in composed Unicode, with and without a leading ``v_``."""
    video_id = unicodedata.normalize("NFC", video_id)
    return video_id, video_id[2:] if video_id.startswith("v_") else f"v_{video_id}"


# On disk --------------------------------------------------------------------------------------------------------


def open_store(folder: Path, grids: Grids | None = None) -> FeatureStore:
    """Open a store.

    Args:
        folder: Folder of the store.
        grids: Time grids in place of those of the manifest.

    Raises:
        FeatureError: If there is no store, or its manifest is damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise FeatureError(f"{folder} is not a feature store, as it has no {MANIFEST}: correct `path` or `layout`.")
    files = {name: folder / f"{name}.npy" for name in manifest.videos}
    remote = RemoteFolder.of(folder)
    read = read_npy if remote is None else partial(read_remote_npy, remote)
    return FeatureStore(
        folder,
        {name: partial(read, file) for name, file in files.items()},
        {name: partial(_shape, length, manifest.dim) for name, length in manifest.videos.items()},
        grids or Grids(manifest.grid, manifest.fps, folder / MANIFEST, manifest.offset_s),
        manifest.dim,
        transposed=False,
        files=files,
        manifest=manifest,
    )


def _shape(length: int, dim: int) -> tuple[int, ...]:
    return length, dim


class StoreWriter:
    """Write a store; it appears whole when the ``with`` block ends, or not at all if the block fails.

    Args:
        folder: Folder of the store. An existing store is replaced.
        grid: Time grid of the snippets.
        origin: See :class:`Manifest`.
        crop: See :class:`Manifest`.
        notes: See :class:`Manifest`.

    Raises:
        FeatureError: If something other than a store is in the way, or two videos do not fit together.
    """

    def __init__(
        self,
        folder: Path,
        grid: TimeGrid,
        *,
        origin: dict[str, Any] | None = None,
        crop: str = "not stated",
        notes: str = "",
    ) -> None:
        self.folder = folder
        self._manifest = Manifest(grid, 0, "", {}, None, origin or {}, crop, notes)

    def __enter__(self) -> "StoreWriter":
        """Create a scratch folder beside the store."""
        if self.folder.exists() and read_manifest(self.folder) is None and any(self.folder.iterdir()):
            raise FeatureError(
                f"{self.folder} is in the way and is not a feature store: move it, or choose another folder."
            )
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=f".{self.folder.name}.new-")
        self._fresh = Path(self._scratch.name) / "fresh"
        self._fresh.mkdir()
        return self

    def add(self, video_id: str, rows: np.ndarray, fps: float | None = None) -> None:
        """Write one video.

        Args:
            video_id: Name of the video, which becomes the name of its file.
            rows: Features, ``(T, D)``.
            fps: Frame rate of this video; None for that of the grid.

        Raises:
            FeatureError: If the array has another form, or the name cannot be that of a file or has been given before.
        """
        manifest = self._manifest
        if not is_file_name(video_id) or video_id in manifest.videos:
            raise FeatureError(f"{video_id!r} is given to two videos, or cannot be the name of a file: rename it.")
        if rows.ndim != 2 or rows.dtype.kind not in "fiu" or (manifest.dim and rows.shape[1] != manifest.dim):
            wanted = f"(snippets, {manifest.dim or 'channels'})"
            raise FeatureError(f"Video {video_id} has an array of {rows.dtype} {rows.shape} instead of {wanted}.")
        write_npy(self._fresh / f"{video_id}.npy", rows)
        manifest.videos[video_id] = len(rows)
        rates = manifest.fps if fps is None else {**(manifest.fps or {}), video_id: fps}
        self._manifest = replace(manifest, dim=rows.shape[1], dtype=str(rows.dtype), fps=rates)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Move the store into its place."""
        with self._scratch as scratch:
            if kind is not None:
                return
            if self._manifest.fps is not None:  # then every video needs one
                rates = {name: self._manifest.fps.get(name, self._manifest.grid.fps) for name in self._manifest.videos}
                self._manifest = replace(self._manifest, fps=rates)
            self._manifest.write(self._fresh)
            if self.folder.exists():
                self.folder.rename(Path(scratch) / "old")
            self._fresh.rename(self.folder)

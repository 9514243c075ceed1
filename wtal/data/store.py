"""Features by video, read when asked for, and the folder that keeps them: one ``.npy`` a video and a manifest."""

import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.io.bounds import is_file_name, read_npy_header
from wtal.io.files import write_text
from wtal.types import TimeGrid

__all__ = [
    "FeatureStore",
    "Grids",
    "Manifest",
    "StoreWriter",
    "is_measure",
    "npy_shape",
    "open_store",
    "read_manifest",
    "read_npy",
    "write_npy",
]

_VERSION = 1
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Grids:
    """The time grid of each video.

    Args:
        grid: Of all videos.
        fps: Frame rates of videos at their own rate, by name; None where all have the grid's.
        path: Where these come from, for messages.
    """

    grid: TimeGrid
    fps: Mapping[str, float] | None = None
    path: Path | None = None

    def __call__(self, video_id: str) -> TimeGrid:
        """The grid of one video.

        Raises:
            FeatureError: If its frame rate is needed and unknown.
        """
        if self.fps is None:
            return self.grid
        rate = next((self.fps[name] for name in _spellings(video_id) if name in self.fps), None)
        if rate is None:
            raise FeatureError(
                f"{self.path} has no frame rate of video {video_id}: add it, or give one for all as `fps`."
            )
        return replace(self.grid, fps=rate)


def is_measure(value: float) -> bool:
    """Whether a frame rate or a number of frames can be meant: above 0, and far from where their quotients overflow."""
    return 1e-6 < value < 1e9


class FeatureStore(Mapping[str, np.ndarray]):
    """Features by video, ``(T, D)`` each; nothing is read before it is asked for.

    Names match with and without a leading ``v_``. Arrays are read-only, and checked when they are first read.

    Args:
        path: Where they are, for messages.
        readers: Of each video what reads its array.
        shapes: Of each video what tells the array's shape, if possible without reading it.
        grid: From a video's name to its time grid.
        dim: Channels; None takes what most of the first videos have.
        transposed: Whether arrays are ``(D, T)``; None finds out by the channels, which are equal in all videos.
        files: The file of each video, for messages.
        manifest: What a store on disk says of itself.
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
    ) -> None:
        self.path, self._readers, self._shapes, self._grid = path, readers, shapes, grid
        self._dim, self._transposed, self._files, self.manifest = dim, transposed, files or {}, manifest
        self._checked: set[str] = set()
        self._lengths: dict[str, int] = {}

    def __contains__(self, video_id: object) -> bool:
        """Whether there are features of a video."""
        return isinstance(video_id, str) and any(name in self._readers for name in _spellings(video_id))

    def __iter__(self) -> Iterator[str]:
        """Names as the files have them."""
        return iter(self._readers)

    def __len__(self) -> int:
        """Number of videos."""
        return len(self._readers)

    def __getitem__(self, video_id: str) -> np.ndarray:
        """Features of a video, ``(T, D)``.

        Raises:
            FeatureNotFoundError: If there are none.
            FeatureError: If they are no finite numbers of the right width.
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
        """Channels."""
        return self._orientation[0]

    def length(self, video_id: str) -> int:
        """Snippets of a video, without reading its features where its file tells.

        Raises:
            FeatureNotFoundError: If there are none.
            FeatureError: If they have another form than ``(T, D)``.
        """
        key = self._found(video_id)
        if key not in self._lengths:
            shape, (dim, transposed) = self._shapes[key](), self._orientation
            if len(shape) != 2 or 0 in shape:
                raise FeatureError(
                    f"{self._place(key)}: shape {shape} where (snippets, channels) belongs; extract it again."
                )
            length, channels = reversed(shape) if transposed else shape
            if channels != dim:
                raise FeatureError(
                    f"{self._place(key)}: {channels} channels where {dim} belong; extract it again with the model "
                    "of the others, or correct `dim` or `transposed`."
                )
            self._lengths[key] = length
        return self._lengths[key]

    def grid(self, video_id: str) -> TimeGrid:
        """Where the snippets of a video lie in time."""
        return self._grid(self._found(video_id))

    def _found(self, video_id: str) -> str:
        for name in _spellings(video_id):
            if name in self._readers:
                return name
        raise FeatureNotFoundError(f"Video {video_id} has no features in {self.path}: extract them.")

    def _place(self, key: str) -> str:
        return f"{self._files.get(key, self.path)}, video {key}"

    @cached_property
    def _orientation(self) -> tuple[int, bool]:
        """Channels, and whether they are the arrays' first axis, as most of the first videos have it."""
        if self._dim is not None and self._transposed is not None:
            return self._dim, self._transposed
        shapes: list[tuple[int, ...]] = []
        problem: FeatureError | None = None
        for shape in self._shapes.values():
            try:
                shapes.append(shape())
            except FeatureError as error:  # of one video; it is said when that one is wanted
                problem = problem or error
            if len(shapes) == 5:
                break
        axes = [Counter(shape[axis] for shape in shapes if len(shape) == 2) for axis in (1, 0)]
        if not axes[0]:
            raise problem or FeatureError(f"{self.path} holds no array of the form (snippets, channels).")
        if self._transposed is not None:
            return axes[self._transposed].most_common(1)[0][0], self._transposed
        if self._dim is not None:
            return self._dim, axes[1][self._dim] > axes[0][self._dim]
        (normal, votes), (other, more) = (axis.most_common(1)[0] for axis in axes)
        return (other, True) if more > votes else (normal, False)

    def _check(self, key: str, rows: np.ndarray, length: int) -> None:
        if rows.dtype.kind not in "fiu":
            raise FeatureError(f"{self._place(key)}: an array of {rows.dtype} where numbers belong; extract it again.")
        if rows.shape != (length, self.dim):
            raise FeatureError(
                f"{self._place(key)}: shape {rows.shape} where {(length, self.dim)} was said; extract it again."
            )
        finite = np.isfinite(rows).all(axis=1)
        if rows.dtype.itemsize > 4 and rows.dtype.kind == "f":  # networks compute in single precision
            finite &= (np.abs(rows) <= np.finfo(np.float32).max).all(axis=1)
        if not finite.all():
            raise FeatureError(
                f"{self._place(key)}: NaN or infinity in {np.count_nonzero(~finite)} of {length} rows, first in row "
                f"{finite.argmin()}; extract it again."
            )


def _spellings(video_id: str) -> tuple[str, str]:
    return video_id, video_id[2:] if video_id.startswith("v_") else f"v_{video_id}"


def read_npy(file: Path) -> np.ndarray:
    """An array of numbers, memory-mapped.

    Raises:
        FeatureError: If the file is missing, damaged or no array of numbers.
    """
    if 0 in npy_shape(file):
        return np.load(file, allow_pickle=False)  # type: ignore[no-any-return]
    return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))  # the subclass that it is makes slices slow


def npy_shape(file: Path) -> tuple[int, ...]:
    """Shape of an array of numbers, from its file's header.

    Raises:
        FeatureError: If the file is missing, damaged or no array of numbers.
    """
    try:
        with file.open("rb") as opened:
            shape, dtype = read_npy_header(file, opened, file.stat().st_size)
    except (OSError, ValueError) as error:  # a ValueError for a name that no file can have
        raise FeatureError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if dtype.kind not in "fiu":
        kind = "Python objects" if dtype.hasobject else f"an array of {dtype}"
        raise FeatureError(f"{file} holds {kind} where numbers belong: save it again as one plain array.")
    return shape


def write_npy(file: Path, rows: np.ndarray) -> None:
    """Write an array whole, or raise OSError.

    ``np.save`` into a file says nothing when the disk is full at the last block.
    """
    whole = io.BytesIO()
    np.save(whole, rows)
    file.write_bytes(whole.getbuffer())


# On disk --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manifest:
    """What a store says of itself.

    Args:
        grid: Where snippets lie in time.
        dim: Channels.
        dtype: Of the arrays.
        videos: Snippets of each video.
        fps: Frame rate of each video where the grid's is not that of all.
        origin: What the features were made from, to see when they are out of date.
        crop: Which part of a frame was seen: ``center``, ``ten, averaged``, ...
        notes: Anything else worth knowing, such as the order of colours that the network was given.
    """

    grid: TimeGrid
    dim: int
    dtype: str
    videos: dict[str, int]
    fps: dict[str, float] | None = None
    origin: dict[str, Any] = field(default_factory=dict)
    crop: str = "not stated"
    notes: str = ""

    def write(self, folder: Path) -> None:
        """Write it into a store's folder, at once and whole."""
        write_text(folder / _MANIFEST, json.dumps({"version": _VERSION, **asdict(self)}, indent=1))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a store; None where there is no store.

    Raises:
        FeatureError: If it is damaged or of another version.
    """
    said = folder / _MANIFEST
    try:
        content = json.loads(said.read_text(encoding="utf-8"))
        if content.pop("version") != _VERSION:
            raise ValueError("another version of the program wrote it")
        grid = TimeGrid(**{name: float(value) for name, value in content["grid"].items()})
        manifest = Manifest(**{**content, "grid": grid})
        rates = None if manifest.fps is None else {name: float(rate) for name, rate in manifest.fps.items()}
        videos = {name: int(count) for name, count in manifest.videos.items()}
        positive = (grid.fps, grid.stride, grid.window, *(rates or {}).values())
        if not all(map(is_measure, positive)) or not abs(grid.offset_s) < 1e9:
            raise ValueError("a number of its time grid is not above 0, or cannot be")
        for name in videos:  # else it would read what lies outside the folder
            if not is_file_name(name):
                raise ValueError(f"{name!r} is no name of a file")
        return replace(manifest, grid=grid, dim=int(manifest.dim), videos=videos, fps=rates)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FeatureError(
            f"{said} is no manifest of a feature store ({error}): delete the folder and make it again."
        ) from error


def open_store(folder: Path, grids: Grids | None = None) -> FeatureStore:
    """Open a store.

    Args:
        folder: Where it is.
        grids: Instead of those of its manifest.

    Raises:
        FeatureError: If there is none, or its manifest is damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise FeatureError(f"{folder} is no feature store, as it has no {_MANIFEST}: correct `path` or `layout`.")
    files = {name: folder / f"{name}.npy" for name in manifest.videos}
    return FeatureStore(
        folder,
        {name: partial(read_npy, file) for name, file in files.items()},
        {name: partial(_said, length, manifest.dim) for name, length in manifest.videos.items()},
        grids or Grids(manifest.grid, manifest.fps, folder / _MANIFEST),
        manifest.dim,
        transposed=False,
        files=files,
        manifest=manifest,
    )


def _said(length: int, dim: int) -> tuple[int, ...]:
    return length, dim


class StoreWriter:
    """Write a store; it appears at once and whole when the ``with`` block ends, or not at all if that fails.

    Args:
        folder: Where it will be. A store that is there is replaced.
        grid: Where snippets lie in time.
        origin: See :class:`Manifest`.
        crop: See :class:`Manifest`.
        notes: See :class:`Manifest`.

    Raises:
        FeatureError: If something else than a store is in the way, or two videos do not fit together.
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
        """Make room beside the place."""
        if self.folder.exists() and read_manifest(self.folder) is None and any(self.folder.iterdir()):
            raise FeatureError(
                f"{self.folder} is in the way and is no feature store: move it, or choose another folder."
            )
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=f".{self.folder.name}.new-")
        self._fresh = Path(self._scratch.name) / "fresh"
        self._fresh.mkdir()
        return self

    def add(self, video_id: str, rows: np.ndarray, fps: float | None = None) -> None:
        """Write one video.

        Args:
            video_id: Its name, which becomes the name of its file.
            rows: ``(T, D)``.
            fps: Its own frame rate; None for the grid's.

        Raises:
            FeatureError: If the array is no such thing, or the name cannot be that of a file or was there before.
        """
        said = self._manifest
        if not is_file_name(video_id) or video_id in said.videos:
            raise FeatureError(f"{video_id!r} is given to two videos, or cannot be the name of a file: rename it.")
        if rows.ndim != 2 or rows.dtype.kind not in "fiu" or (said.dim and rows.shape[1] != said.dim):
            wanted = f"(snippets, {said.dim or 'channels'})"
            raise FeatureError(f"Video {video_id} has an array of {rows.dtype} {rows.shape} where {wanted} belongs.")
        write_npy(self._fresh / f"{video_id}.npy", rows)
        said.videos[video_id] = len(rows)
        rates = said.fps if fps is None else {**(said.fps or {}), video_id: fps}
        self._manifest = replace(said, dim=rows.shape[1], dtype=str(rows.dtype), fps=rates)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the store in its place."""
        with self._scratch as scratch:
            if kind is not None:
                return
            if self._manifest.fps is not None:  # then each video has one
                rates = {name: self._manifest.fps.get(name, self._manifest.grid.fps) for name in self._manifest.videos}
                self._manifest = replace(self._manifest, fps=rates)
            self._manifest.write(self._fresh)
            if self.folder.exists():
                self.folder.rename(Path(scratch) / "old")
            self._fresh.rename(self.folder)

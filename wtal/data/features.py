"""Snippet features in every layout of the field, as they lie on disk, one video at a time."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wtal.data.unpickle import iterate_joint_arrays, load_object_array, load_pickle
from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.types import TimeGrid

__all__ = ["FeatureSource", "FeatureStore", "Layout", "convert_wtalc", "open_features", "resample"]

Layout = Literal["auto", "wtalc", "two_stream", "joint", "video_features", "clip_snippet", "clip_frame", "store"]

_SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".pkl", ".csv")
_SUBFOLDERS = ("", "train", "test", "val", "validation", "training", "testing")


@dataclass(frozen=True)
class FeatureSource:
    """What a user says of a feature stream.

    Args:
        path: File or folder.
        layout: How it is laid out; ``auto`` finds out, but for ``clip_frame``, which looks like any other.
        fps: Frames a second that the features were extracted at: a number, or a JSON ``{video: fps}`` or a CSV with the
            columns ``video`` and ``fps`` for features at each video's native rate.
        stride: Frames between neighbouring snippets; 1 for one row a frame.
        window: Frames that a snippet sees.
        offset_s: Time of the first frame of snippet 0.
        dim: Channels; None takes the first video's. Told, it also finds arrays that are transposed, (D, T).
        names: For ``wtalc``: the ``videoname.npy`` that gives the order, or its folder; None takes the annotations'.
        store: For ``wtalc``: where the converted features go; None is beside the file.
    """

    path: Path
    layout: Layout = "auto"
    fps: float | Path = 25.0
    stride: float = 16.0
    window: float = 16.0
    offset_s: float = 0.0
    dim: int | None = None
    names: Path | None = None
    store: Path | None = None


class FeatureStore(Mapping[str, np.ndarray]):
    """Features by video, ``(T, D)`` each; nothing is read before it is asked for.

    Names match with and without a leading ``v_``.

    Args:
        path: Where they are; named in errors.
        readers: Of each video what reads it.
        shapes: Of each video what tells its shape without reading it.
        grid: From a video's name to its time grid.
        dim: Channels; None takes the first video's.
    """

    def __init__(
        self,
        path: Path,
        readers: Mapping[str, Callable[[], np.ndarray]],
        shapes: Mapping[str, Callable[[], tuple[int, ...]]],
        grid: Callable[[str], TimeGrid],
        dim: int | None = None,
    ) -> None:
        self.path, self._readers, self._shapes, self._grid = path, readers, shapes, grid
        self._checked: set[str] = set()
        self._lengths: dict[str, int] = {}
        self.dim = dim if dim is not None else self._shape_of(next(iter(readers)))[1]

    def __contains__(self, video_id: object) -> bool:
        return isinstance(video_id, str) and self._key(video_id) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def __getitem__(self, video_id: str) -> np.ndarray:
        """Features of a video, ``(T, D)``, checked when they are first read.

        Raises:
            FeatureNotFoundError: If there are none.
            FeatureError: If they are no finite array of the right width.
        """
        key = self._found(video_id)
        rows = self._oriented(key, self._readers[key]())
        if key not in self._checked:
            finite = np.isfinite(rows).all(axis=1)
            if not finite.all():
                raise FeatureError(
                    f"The features of video {video_id} in {self.path} have NaN or infinite values in {int((~finite).sum())} of "
                    f"{len(rows)} rows, first in row {int(finite.argmin())}: extract the video again."
                )
            self._checked.add(key)
        return rows

    def length(self, video_id: str) -> int:
        """Snippets of a video, without reading its features where the file says it."""
        key = self._found(video_id)
        if key not in self._lengths:
            self._lengths[key] = self._shape_of(key)[0]
        return self._lengths[key]

    def grid(self, video_id: str) -> TimeGrid:
        """Where the snippets of a video lie in time."""
        return self._grid(self._found(video_id))

    def _key(self, video_id: str) -> str | None:
        other = video_id[2:] if video_id.startswith("v_") else f"v_{video_id}"
        return next((name for name in (video_id, other) if name in self._readers), None)

    def _found(self, video_id: str) -> str:
        key = self._key(video_id)
        if key is None:
            raise FeatureNotFoundError(f"Video {video_id} has no features in {self.path}: extract them.")
        return key

    def _shape_of(self, key: str) -> tuple[int, int]:
        shape = self._shapes[key]()
        dim = getattr(self, "dim", None)
        if len(shape) != 2 or 0 in shape:
            raise FeatureError(f"The features of video {key} in {self.path} have shape {shape}; (snippets, channels) is needed.")
        if dim is not None and shape[1] != dim:
            if shape[0] == dim:
                return shape[1], shape[0]
            raise FeatureError(
                f"The features of video {key} in {self.path} have {shape[1]} channels, the others {dim}: extract the video again "
                "with the same model."
            )
        return shape[0], shape[1]

    def _oriented(self, key: str, rows: np.ndarray) -> np.ndarray:
        if rows.dtype.kind not in "fiu":
            raise FeatureError(f"The features of video {key} in {self.path} are of type {rows.dtype}; numbers are needed.")
        return rows.T if self._shape_of(key) != rows.shape else rows


def open_features(source: FeatureSource, video_ids: Sequence[str], names: Path | None = None) -> FeatureStore:
    """Open a feature stream.

    Args:
        source: What the user says of it.
        video_ids: Videos that are wanted; for messages, and where the files do not name their videos.
        names: The annotations' own ``videoname.npy`` or its folder, where the source gives none.

    Raises:
        FeatureError: If the path does not exist or is of no known layout.
    """
    path = Path(source.path)
    if not path.exists():
        raise FeatureError(f"There are no features at {path}: give their file or folder in the settings.")
    layout = _found_layout(path) if source.layout == "auto" else source.layout
    if layout == "wtalc":
        store = source.store or path.with_suffix(".store")
        convert_wtalc(path, source.names or names or _names_beside(path), store, _grid_of(source)(""))
        return _open_store(store)
    if layout == "store":
        return _open_store(path)
    if path.suffix in (".h5", ".hdf5"):
        readers, shapes = _h5(path)
    elif layout == "two_stream":
        readers, shapes = _two_stream(path)
    elif layout == "video_features":
        readers, shapes = _pairs(*(_files(path, ending) for ending in ("_rgb", "_flow")))
    else:
        files = _files(path)
        readers = {name: _reader(file) for name, file in files.items()}
        shapes = {name: _shape(file) for name, file in files.items()}
    if not readers:
        raise FeatureError(f"{path} holds no features of the layout {layout!r} ({', '.join(_SUFFIXES)}): check `path` and `layout`.")
    return FeatureStore(path, readers, shapes, _grid_of(source), source.dim)


def _found_layout(path: Path) -> Layout:
    if path.is_file():
        return "joint" if path.suffix in (".h5", ".hdf5") else "wtalc"
    if (path / "manifest.json").is_file():
        return "store"
    if any((path / sub / "rgb").is_dir() for sub in _SUBFOLDERS):
        return "two_stream"
    if next(path.glob("*_rgb.*"), None) is not None:
        return "video_features"
    return "joint"


# Time grids -----------------------------------------------------------------------------------------------------


def _grid_of(source: FeatureSource) -> Callable[[str], TimeGrid]:
    if isinstance(source.fps, int | float):
        grid = TimeGrid(float(source.fps), source.stride, source.window, source.offset_s)
        return lambda _: grid
    rates = _read_rates(Path(source.fps))

    def of_video(video_id: str) -> TimeGrid:
        rate = rates.get(video_id) or rates.get(video_id.removeprefix("v_"))
        if not rate:
            raise FeatureError(f"{source.fps} has no fps of video {video_id}: add it, or give one number for all as `fps`.")
        return TimeGrid(rate, source.stride, source.window, source.offset_s)

    return of_video


def _read_rates(path: Path) -> dict[str, float]:
    try:
        if path.suffix == ".json":
            return {name: float(rate) for name, rate in json.loads(path.read_text()).items()}
        with path.open(newline="") as file:
            return {row["video"].strip(): float(row["fps"]) for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise FeatureError(
            f"{path} cannot be read as frame rates ({error}): give a JSON {{video: fps}} or a CSV with the columns video, fps."
        ) from error


# One video ------------------------------------------------------------------------------------------------------


def _files(path: Path, ending: str = "") -> dict[str, Path]:
    """Feature files by the name of their video, in the folder and in ``train``, ``test`` and the like below it."""
    found: dict[str, Path] = {}
    for sub in _SUBFOLDERS:
        if (path / sub).is_dir():
            for entry in sorted(os.scandir(path / sub), key=lambda entry: entry.name):
                stem, suffix = os.path.splitext(entry.name)
                if suffix in _SUFFIXES and stem.endswith(ending) and stem not in ("text", "classes"):
                    found.setdefault(stem[: len(stem) - len(ending)], Path(entry.path))
    return found


def _reader(file: Path) -> Callable[[], np.ndarray]:
    return lambda: _read_file(file)


def _shape(file: Path) -> Callable[[], tuple[int, ...]]:
    return lambda: _read_file(file).shape


def _read_file(file: Path) -> np.ndarray:
    """One video's array, memory-mapped where that is possible."""
    try:
        if file.suffix == ".npy":
            return np.load(file, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return arrays[arrays.files[0]]  # type: ignore[no-any-return]
        if file.suffix in (".pt", ".pth"):
            import torch

            return np.asarray(torch.load(file, map_location="cpu", weights_only=True))
        if file.suffix == ".pkl":
            return np.asarray(load_pickle(file))
        return np.loadtxt(file, delimiter=",", dtype=np.float32, ndmin=2, skiprows=_header_rows(file))
    except FeatureError:
        raise
    except Exception as error:  # a broken file fails in any way there is
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise FeatureError(
            f"{file} (video {file.stem}) cannot be read, it may be damaged ({said}): extract or download it again."
        ) from error


def _header_rows(file: Path) -> int:
    with file.open() as lines:
        first = lines.readline().split(",")[0].strip()
    try:
        float(first)
    except ValueError:
        return 1
    return 0


Readers = tuple[dict[str, Callable[[], np.ndarray]], dict[str, Callable[[], tuple[int, ...]]]]


def _two_stream(path: Path) -> Readers:
    rgb, flow = ({}, {})  # type: tuple[dict[str, Path], dict[str, Path]]
    for sub in _SUBFOLDERS:
        for found, modality in ((rgb, "rgb"), (flow, "flow")):
            if (path / sub / modality).is_dir():
                found.update(_files(path / sub / modality))
    return _pairs(rgb, flow)


def _pairs(rgb: Mapping[str, Path], flow: Mapping[str, Path]) -> Readers:
    """RGB and flow of each video side by side."""
    alone = sorted(rgb.keys() ^ flow.keys())
    if alone:
        lacking = "flow" if alone[0] in rgb else "RGB"
        raise FeatureNotFoundError(f"{len(alone)} videos have one stream only: {alone[0]} has no {lacking}; extract it.")

    def length(name: str) -> int:
        lengths = len(_read_file(rgb[name])), len(_read_file(flow[name]))
        if abs(lengths[0] - lengths[1]) > 2:
            raise FeatureError(
                f"RGB and flow of video {name} differ by more than rounding: {lengths[0]} rows in {rgb[name]}, {lengths[1]} in "
                f"{flow[name]}; extract the video again."
            )
        return min(lengths)

    def read(name: str) -> np.ndarray:
        n = length(name)
        return np.concatenate([_read_file(rgb[name])[:n], _read_file(flow[name])[:n]], axis=1)

    def shape(name: str) -> tuple[int, ...]:
        return length(name), _read_file(rgb[name]).shape[1] + _read_file(flow[name]).shape[1]

    return (
        {name: lambda name=name: read(name) for name in rgb},  # type: ignore[misc]
        {name: lambda name=name: shape(name) for name in rgb},  # type: ignore[misc]
    )


def _h5(path: Path) -> Readers:
    """One data set, or one group with one data set, a video."""
    import h5py

    def data_set(name: str) -> tuple[np.ndarray, tuple[int, ...]]:
        with h5py.File(path) as file:
            node = file[name]
            while isinstance(node, h5py.Group):
                node = node[next(iter(node))]
            return node[()], node.shape

    try:
        with h5py.File(path) as file:
            names = list(file)
    except OSError as error:
        raise FeatureError(f"{path} cannot be read as HDF5 ({error}): download it again.") from error
    return (
        {name: lambda name=name: data_set(name)[0] for name in names},  # type: ignore[misc]
        {name: lambda name=name: data_set(name)[1] for name in names},  # type: ignore[misc]
    )


# The store ------------------------------------------------------------------------------------------------------


def _open_store(folder: Path) -> FeatureStore:
    """A folder with one ``.npy`` a video and a manifest of dimension, lengths, grid and origin."""
    said = folder / "manifest.json"
    try:
        manifest = json.loads(said.read_text())
        grid = TimeGrid(**manifest["grid"])
        dim, lengths = int(manifest["dim"]), {str(name): int(n) for name, n in manifest["videos"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FeatureError(f"{said} is no manifest of a feature store ({error}): delete the folder and convert again.") from error
    return FeatureStore(
        folder,
        {name: _reader(folder / f"{name}.npy") for name in lengths},
        {name: lambda name=name: (lengths[name], dim) for name in lengths},  # type: ignore[misc]
        lambda _: grid,
        dim,
    )


def convert_wtalc(path: Path, names: Path | None, store: Path, grid: TimeGrid) -> None:
    """Convert the joint feature file of W-TALC into a store, once.

    The file is a pickled object array of one ``(T, D)`` array a video. It is read as a stream: memory holds one video at a
    time. The store appears at once and whole; two processes that convert together both succeed, and one result stays.

    Args:
        path: ``<Set>-I3D-JOINTFeatures.npy``.
        names: The ``videoname.npy`` that names its rows, or the folder with it.
        store: Where to.
        grid: Where the snippets lie in time.

    Raises:
        FeatureError: If the file is damaged or names anything but arrays, or its videos do not fit the names.
    """
    stat = path.stat()
    origin = {"file": path.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "grid": asdict(grid)}
    if _manifest(store).get("origin") == origin:
        return
    if names is None:
        raise FeatureError(
            f"{path} does not name its videos: set `names` of the features to the annotation folder with videoname.npy."
        )
    file = names / "videoname.npy" if names.is_dir() else names
    order = [name.decode() if isinstance(name, bytes) else str(name) for name in load_object_array(file).ravel()]
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store.parent, prefix=f".{store.name}-") as scratch:
            fresh = Path(scratch) / "store"
            fresh.mkdir()
            lengths, dims = _write_videos(path, order, file, fresh)
            manifest = {"version": 1, "origin": origin, "grid": asdict(grid), "dim": dims.pop(), "videos": lengths}
            (fresh / "manifest.json").write_text(json.dumps(manifest))
            _put_in_place(fresh, store, origin)
    except OSError as error:
        raise FeatureError(
            f"{store} cannot be written ({error.strerror or error}): set `store` of the features to a folder with room."
        ) from error


def _write_videos(path: Path, order: Sequence[str], names: Path, folder: Path) -> tuple[dict[str, int], set[int]]:
    lengths: dict[str, int] = {}
    dims: set[int] = set()

    def write(place: int, rows: np.ndarray) -> None:
        if place >= len(order):
            raise FeatureError(f"{path} has more videos than the {len(order)} of {names}: they belong to different sets.")
        dims.add(rows.shape[1] if rows.ndim == 2 else -1)
        if rows.ndim != 2 or len(dims) != 1:
            raise FeatureError(f"Video {order[place]} in {path} has shape {rows.shape}, unlike those before it.")
        np.save(folder / f"{order[place]}.npy", rows)
        lengths[order[place]] = len(rows)

    count = iterate_joint_arrays(path, write)
    if count != len(order):
        raise FeatureError(f"{path} has {count} videos, {names} names {len(order)}: they belong to different sets.")
    return lengths, dims


def _manifest(store: Path) -> dict[str, Any]:
    try:
        content = json.loads((store / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _put_in_place(fresh: Path, store: Path, origin: dict[str, Any]) -> None:
    """Rename into place; an older store goes away, another process's equal one stays."""
    try:
        fresh.rename(store)
    except OSError:
        if _manifest(store).get("origin") == origin:
            return
        if not (store / "manifest.json").is_file() and any(store.iterdir()):
            raise FeatureError(f"{store} is in the way and is no feature store: move it, or set `store`.") from None
        shutil.rmtree(store)
        fresh.rename(store)


def _names_beside(path: Path) -> Path | None:
    """The annotation folder that W-TALC ships beside its features."""
    return next((file for file in sorted(path.parent.glob("*/videoname.npy"))), None)


# Resampling -----------------------------------------------------------------------------------------------------


def resample(features: np.ndarray, source: TimeGrid, target: TimeGrid, num_snippets: int) -> np.ndarray:
    """Bring features onto another time grid.

    A target snippet is the mean of the source rows whose cells have their middle in its cell, or, if there are none, the
    row nearest to its middle.

    Args:
        features: ``(S, D)``.
        source: Their grid.
        target: The wanted grid.
        num_snippets: Rows wanted, ``T``.

    Returns:
        ``(T, D)`` float32.

    >>> rows = np.array([[0.0], [2.0], [4.0], [6.0]])
    >>> resample(rows, TimeGrid(fps=2, stride=1, window=1), TimeGrid(fps=1, stride=1, window=1), 2).tolist()
    [[1.0], [5.0]]
    """
    edges = np.array([source.index_of(target.edge_s(index)) for index in range(num_snippets + 1)])
    bounds = np.clip(np.ceil(edges - 0.5 - 1e-9), 0, len(features)).astype(int)  # row i has its middle at i + 0.5
    first, last = bounds[:-1], bounds[1:]
    total = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features, axis=0, dtype=np.float64)])
    mean = (total[last] - total[first]) / np.maximum(last - first, 1)[:, None]
    middle = np.clip(np.floor((edges[:-1] + edges[1:]) / 2), 0, len(features) - 1).astype(int)
    return np.where((last > first)[:, None], mean, features[middle]).astype(np.float32)

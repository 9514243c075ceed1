"""Snippet features in every layout of the field, read from disk one video at a time."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from wtal.data.feature_files import (
    HDF5,
    SUFFIXES,
    features_shape,
    hdf5_names,
    hdf5_shape,
    read_features,
    read_hdf5,
)
from wtal.data.joint_file import convert_wtalc, joint_file, names_beside
from wtal.data.manifest import is_measure
from wtal.data.selection import with_columns
from wtal.data.store import FeatureStore, Grids, open_store
from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.io.bounds import read_json
from wtal.io.columns import known
from wtal.io.tables import read_table
from wtal.io.text import plain
from wtal.types import TimeGrid
from wtal.video.files import video_name

__all__ = ["FeatureSource", "FeatureStore", "Layout", "open_features", "part_of", "resample"]

Layout = Literal["auto", "wtalc", "two_stream", "joint", "video_features", "clip_snippet", "clip_frame", "store"]

_SUBFOLDERS = ("", "train", "test", "val", "validation", "training", "testing")
_NO_VIDEO = {"text", "classes"}  # text features beside the image features of CLIP
_RATE_COLUMNS = known("video", "fps")
_MAX_DIFFERENCE = 2  # rows by which rounding may make RGB and flow differ


@dataclass(frozen=True)
class FeatureSource:
    """The location of a stream's features, and how they were extracted.

    Args:
        path: File or folder of the features.
        layout: Layout of the files; ``auto`` detects it, except ``clip_frame``, which looks like ``clip_snippet``.
        fps: Frames per second at which the features were extracted. If each video has its own rate: a file, either
            JSON ``{video: fps}``, ActivityNet JSON with ``fps``, or a table with columns ``video`` and ``fps``.
        stride: Frames between neighbouring snippets; None means 16, or 1 for ``clip_frame``.
        window: Frames that a snippet sees; None means 16, or 1 for ``clip_frame``.
        offset_s: Time of the first frame of snippet 0.
        dim: Number of channels; None takes the most common one of the first videos.
        transposed: Whether arrays are (D, T); None infers it from the number of channels, which all videos share.
        names: For ``wtalc``: path of the ``videoname.npy`` that gives the order, or its folder; None takes that of the
            annotations.
        store: For ``wtalc``: folder of the converted features; None puts it beside the file.
        columns: Channels to take, such as ``0:5, 15:20``, where one file holds several views; None takes all.
    """

    path: Path
    layout: Layout = "auto"
    fps: float | Path = 25.0
    stride: float | None = None
    window: float | None = None
    offset_s: float = 0.0
    dim: int | None = None
    transposed: bool | None = None
    names: Path | None = None
    store: Path | None = None
    columns: str | None = None


def open_features(source: FeatureSource, video_ids: Sequence[str], names: Path | None = None) -> FeatureStore:
    """Open a feature stream; nothing is read yet, but a ``wtalc`` file is converted when it is first used.

    Args:
        source: Description of the stream.
        video_ids: Names of the videos that are needed. If all are missing, an error says so at once and quotes names
            to compare.
        names: Path of the annotations' ``videoname.npy`` or its folder, used if the source gives none.

    Raises:
        FeatureError: If the path does not exist or has an unknown layout.
        FeatureNotFoundError: If none of the videos has features.
    """
    path = Path(source.path)
    if not _exists(path):
        raise FeatureError(f"There are no features at {path}: correct `path`.")
    layout = _found_layout(path) if source.layout == "auto" else source.layout
    if layout == "store":
        store = open_store(path)
    elif layout == "wtalc":
        file = joint_file(path)
        folder, grids = source.store or file.with_suffix(".store"), _grids(source, layout)
        convert_wtalc(file, source.names or names or names_beside(file), folder, grids)
        store = open_store(folder, grids)
    else:
        store = _open_files(path, layout, source)
    if video_ids and not any(video_id in store for video_id in video_ids):
        raise FeatureNotFoundError(
            f"None of the {len(video_ids)} videos, such as {video_ids[0]}, is among the {len(store)} in {path}, such "
            f"as {next(iter(store), None)}: correct `path` or `layout`, or rename the files."
        )
    return store if source.columns is None else with_columns(store, source.columns)


def part_of(source: FeatureSource, stream: str) -> FeatureSource:
    """The source of one stream, if the path is a folder that ``wtal extract`` wrote with all its streams."""
    part = Path(source.path) / stream
    return replace(source, path=part) if _exists(part / "manifest.json") else source


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # raised for a name that is too long
        return False


def _found_layout(path: Path) -> Layout:
    if path.is_file():
        return "wtalc" if path.suffix == ".npy" else "joint"
    if (path / "manifest.json").is_file():
        return "store"
    if any((path / sub / "rgb").is_dir() for sub in _SUBFOLDERS):
        return "two_stream"
    if any(next((path / sub).glob("*_rgb.*"), None) for sub in _SUBFOLDERS):
        return "video_features"
    return "wtalc" if next(path.glob("*JOINTFeatures.npy"), None) else "joint"


class _Array(NamedTuple):
    """The features of one video, in a file or a pair of files."""

    read: Callable[[], np.ndarray]
    shape: Callable[[], tuple[int, ...]]
    file: Path  # for messages


def _open_files(path: Path, layout: Layout, source: FeatureSource) -> FeatureStore:
    arrays = _arrays(path, layout)
    if not arrays:
        raise FeatureError(
            f"{path} holds no features of the layout `{layout}` ({', '.join(SUFFIXES)}, or one file {HDF5[0]}); "
            "correct `path` or `layout`."
        )
    return FeatureStore(
        path,
        {name: array.read for name, array in arrays.items()},
        {name: array.shape for name, array in arrays.items()},
        _grids(source, layout),
        source.dim,
        transposed=source.transposed,
        files={name: array.file for name, array in arrays.items()},
    )


def _arrays(path: Path, layout: Layout) -> dict[str, _Array]:
    """The arrays of a layout by name of the video."""
    if path.suffix in HDF5:
        names = hdf5_names(path)
        return {name: _Array(partial(read_hdf5, path, name), partial(hdf5_shape, path, name), path) for name in names}
    if layout in ("two_stream", "video_features"):
        pairs = _stream_folders(path) if layout == "two_stream" else _stream_endings(path)
        return {
            name: _Array(partial(_read_pair, name, pair), partial(_pair_shape, name, pair), next(iter(pair.values())))
            for name, pair in pairs.items()
        }
    return {
        name: _Array(partial(read_features, file), partial(features_shape, file), file)
        for name, file in _files(path).items()
        if name not in _NO_VIDEO
    }


# Time grids -----------------------------------------------------------------------------------------------------


def _grids(source: FeatureSource, layout: Layout) -> Grids:
    usual = 1.0 if layout == "clip_frame" else 16.0
    stride, window = (usual if value is None else value for value in (source.stride, source.window))
    if isinstance(source.fps, str | Path):
        rates = _read_rates(Path(source.fps))
        return Grids(TimeGrid(stride=stride, window=window, offset_s=source.offset_s), rates, Path(source.fps))
    for name, value in {"fps": source.fps, "stride": stride, "window": window}.items():
        if not isinstance(value, int | float) or not is_measure(value):
            raise FeatureError(f"`{name}` of the features at {source.path} is {value}: give a number above 0.")
    return Grids(TimeGrid(float(source.fps), stride, window, source.offset_s))


def _read_rates(path: Path) -> dict[str, float]:
    try:
        if path.suffix == ".json":
            content = read_json(path, FeatureError)
            entries = content.get("database", content).items()
            rates = {name: float(entry["fps"] if isinstance(entry, dict) else entry) for name, entry in entries}
        else:
            table = read_table(path, FeatureError, _RATE_COLUMNS, numbers=("fps",))
            rates = {plain(video_name(video.strip())): float(fps) for video, fps in table.select(*_RATE_COLUMNS)}
        if not all(map(is_measure, rates.values())):
            raise ValueError("one is not above 0, or is too large")
    except (FeatureError, OSError, ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:
        raise FeatureError(
            f"{path} cannot be read as frame rates ({error}): give JSON {{video: fps}} or a table with the columns "
            "`video` and `fps`."
        ) from error
    return rates


# Files ----------------------------------------------------------------------------------------------------------


def _files(path: Path, ending: str = "") -> dict[str, Path]:
    """Feature files by name of the video, in the folder and in subfolders such as ``train`` and ``test``."""
    found: dict[str, Path] = {}
    for folder in (path / sub for sub in _SUBFOLDERS):
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
            stem, suffix = os.path.splitext(name)
            if suffix in SUFFIXES and stem.endswith(ending):
                found.setdefault(stem.removesuffix(ending), folder / name)
    return found


def _stream_folders(path: Path) -> dict[str, dict[str, Path]]:
    pairs: dict[str, dict[str, Path]] = defaultdict(dict)
    for stream in ("rgb", "flow"):
        for folder in (path / sub / stream for sub in _SUBFOLDERS):
            for name, file in _files(folder).items() if folder.is_dir() else ():
                pairs[name].setdefault(stream, file)
    return pairs


def _stream_endings(path: Path) -> dict[str, dict[str, Path]]:
    pairs: dict[str, dict[str, Path]] = defaultdict(dict)
    for stream in ("rgb", "flow"):
        for name, file in _files(path, f"_{stream}").items():
            pairs[name][stream] = file
    return pairs


def _read_pair(video_id: str, pair: Mapping[str, Path]) -> np.ndarray:
    """RGB and flow side by side, cut to the length of the shorter."""
    length, _ = _pair_shape(video_id, pair)
    return np.concatenate([read_features(pair[stream])[:length] for stream in ("rgb", "flow")], axis=1)


def _pair_shape(video_id: str, pair: Mapping[str, Path]) -> tuple[int, ...]:
    if len(pair) < 2:
        ((stream, file),) = pair.items()
        raise FeatureNotFoundError(
            f"Video {video_id} has {file}, but no {'flow' if stream == 'rgb' else 'rgb'}: extract it too."
        )
    (rgb, flow) = shapes = [features_shape(pair[stream]) for stream in ("rgb", "flow")]
    if any(len(shape) != 2 for shape in shapes):
        raise FeatureError(
            f"{pair['rgb']} and {pair['flow']} have shapes {rgb} and {flow} instead of (snippets, channels)."
        )
    if abs(rgb[0] - flow[0]) > _MAX_DIFFERENCE:
        raise FeatureError(
            f"RGB and flow of video {video_id} differ by more than rounding: {rgb[0]} rows in {pair['rgb']}, {flow[0]} "
            f"in {pair['flow']}; extract them again."
        )
    return min(rgb[0], flow[0]), rgb[1] + flow[1]


# Resampling -----------------------------------------------------------------------------------------------------


def resample(features: np.ndarray, source: TimeGrid, target: TimeGrid, num_snippets: int) -> np.ndarray:
    """Resample features onto another time grid.

    A target snippet is the mean of the source rows whose cells are centred in its cell, or, if there are none, the row
    nearest to its centre.

    Args:
        features: Rows on the source grid, ``(S, D)``, at least one.
        source: Grid of the features.
        target: Grid to resample onto.
        num_snippets: Number of target snippets, ``T``.

    Returns:
        Features on the target grid, ``(T, D)``, float32.

    >>> rows = np.array([[0.0], [2.0], [4.0], [6.0]])
    >>> resample(rows, TimeGrid(fps=2, stride=1, window=1), TimeGrid(fps=1, stride=1, window=1), 2).tolist()
    [[1.0], [5.0]]
    """
    edges = source.index_of(target.edge_s(0)) + np.arange(num_snippets + 1) * (target.step_s / source.step_s)
    bounds = np.clip(np.ceil(edges - 0.5 - 1e-9), 0, len(features)).astype(int)  # the centre of row i is i + 0.5
    nearest = np.clip(np.floor((edges[:-1] + edges[1:]) / 2 + 1e-9), 0, len(features) - 1).astype(int)
    out: np.ndarray = features[nearest].astype(np.float32)
    count = np.diff(bounds)
    full = count > 0
    if full.any():  # cells that hold rows are adjacent
        sums = np.add.reduceat(features[: bounds[-1]], bounds[:-1][full], axis=0, dtype=np.float64)
        out[full] = sums / count[full, None]
    return out

"""Snippet features in every layout of the field, as they lie on disk, one video at a time."""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

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
from wtal.data.selection import with_columns
from wtal.data.store import FeatureStore, Grids, is_measure, open_store
from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.io.bounds import read_json
from wtal.types import TimeGrid

__all__ = ["FeatureSource", "FeatureStore", "Layout", "open_features", "part_of", "resample"]

Layout = Literal["auto", "wtalc", "two_stream", "joint", "video_features", "clip_snippet", "clip_frame", "store"]

_SUBFOLDERS = ("", "train", "test", "val", "validation", "training", "testing")
_NO_VIDEO = {"text", "classes"}  # text features that lie beside CLIP's image features
_MAX_DIFFERENCE = 2  # rows between RGB and flow that are rounding


@dataclass(frozen=True)
class FeatureSource:
    """What a user says of a feature stream.

    Args:
        path: File or folder.
        layout: How it is laid out; ``auto`` finds out, but for ``clip_frame``, which looks like ``clip_snippet``.
        fps: Frames a second that the features were extracted at. For features at each video's own rate: a file, JSON
            ``{video: fps}``, ActivityNet JSON with ``fps``, or CSV with columns ``video`` and ``fps``.
        stride: Frames between neighbouring snippets; None is 16, and 1 for ``clip_frame``.
        window: Frames that a snippet sees; None is 16, and 1 for ``clip_frame``.
        offset_s: Time of the first frame of snippet 0.
        dim: Channels; None takes what most of the first videos have.
        transposed: Whether arrays are (D, T); None finds out by the channels, which are equal in all videos.
        names: For ``wtalc``: the ``videoname.npy`` that gives the order, or its folder; None takes the annotations'.
        store: For ``wtalc``: where the converted features go; None is beside the file.
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
    """Open a feature stream; nothing is read yet, but a ``wtalc`` file is converted at its first use.

    Args:
        source: What the user says of it.
        video_ids: Videos that are wanted; that none of them is there is an error at once, with names to compare.
        names: The annotations' own ``videoname.npy`` or its folder, where the source gives none.

    Raises:
        FeatureError: If the path does not exist or is of no known layout.
        FeatureNotFoundError: If none of the videos is there.
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
    """The source of one stream, where the path is a folder in which ``wtal extract`` has written several."""
    part = Path(source.path) / stream
    return replace(source, path=part) if _exists(part / "manifest.json") else source


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # of a name that is too long
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


def _open_files(path: Path, layout: Layout, source: FeatureSource) -> FeatureStore:
    if path.suffix in HDF5:
        names = hdf5_names(path)
        readers: dict[str, Callable[[], np.ndarray]] = {name: partial(read_hdf5, path, name) for name in names}
        shapes: dict[str, Callable[[], tuple[int, ...]]] = {name: partial(hdf5_shape, path, name) for name in names}
        files = dict.fromkeys(names, path)
    elif layout in ("two_stream", "video_features"):
        pairs = _stream_folders(path) if layout == "two_stream" else _stream_endings(path)
        readers = {name: partial(_read_pair, name, pair) for name, pair in pairs.items()}
        shapes = {name: partial(_pair_shape, name, pair) for name, pair in pairs.items()}
        files = {name: next(iter(pair.values())) for name, pair in pairs.items()}
    else:
        files = {name: file for name, file in _files(path).items() if name not in _NO_VIDEO}
        readers = {name: partial(read_features, file) for name, file in files.items()}
        shapes = {name: partial(features_shape, file) for name, file in files.items()}
    if not readers:
        raise FeatureError(
            f"{path} holds no features of the layout `{layout}` ({', '.join(SUFFIXES)}, or one file {HDF5[0]}); "
            "correct `path` or `layout`."
        )
    return FeatureStore(
        path, readers, shapes, _grids(source, layout), source.dim, transposed=source.transposed, files=files
    )


# Time grids -----------------------------------------------------------------------------------------------------


def _grids(source: FeatureSource, layout: Layout) -> Grids:
    usual = 1.0 if layout == "clip_frame" else 16.0
    stride, window = (usual if said is None else said for said in (source.stride, source.window))
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
            content = content.get("database", content)
            rates = {name: float(said["fps"] if isinstance(said, dict) else said) for name, said in content.items()}
        else:
            with path.open(newline="", encoding="utf-8") as file:
                rates = {row["video"].strip(): float(row["fps"]) for row in csv.DictReader(file)}
        if not all(map(is_measure, rates.values())):
            raise ValueError("one is not above 0, or cannot be")
    except (FeatureError, OSError, ValueError, KeyError, AttributeError, TypeError, OverflowError, csv.Error) as error:
        raise FeatureError(
            f"{path} cannot be read as frame rates ({error}): give JSON {{video: fps}} or CSV with video and fps."
        ) from error
    return rates


# Files ----------------------------------------------------------------------------------------------------------


def _files(path: Path, ending: str = "") -> dict[str, Path]:
    """Feature files by the name of their video, in the folder and in ``train``, ``test`` and the like below it."""
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
    """RGB and flow side by side, as long as the shorter one."""
    length, _ = _pair_shape(video_id, pair)
    return np.concatenate([read_features(pair[stream])[:length] for stream in ("rgb", "flow")], axis=1)


def _pair_shape(video_id: str, pair: Mapping[str, Path]) -> tuple[int, ...]:
    if len(pair) < 2:
        ((stream, file),) = pair.items()
        raise FeatureNotFoundError(
            f"Video {video_id} has {file}, but no {'flow' if stream == 'rgb' else 'rgb'}: extract it."
        )
    (rgb, flow) = shapes = [features_shape(pair[stream]) for stream in ("rgb", "flow")]
    if any(len(shape) != 2 for shape in shapes):
        raise FeatureError(
            f"{pair['rgb']} and {pair['flow']} have shapes {rgb} and {flow} where (snippets, channels) belongs."
        )
    if abs(rgb[0] - flow[0]) > _MAX_DIFFERENCE:
        raise FeatureError(
            f"RGB and flow of video {video_id} differ by more than rounding: {rgb[0]} rows in {pair['rgb']}, {flow[0]} "
            f"in {pair['flow']}; extract it again."
        )
    return min(rgb[0], flow[0]), rgb[1] + flow[1]


# Resampling -----------------------------------------------------------------------------------------------------


def resample(features: np.ndarray, source: TimeGrid, target: TimeGrid, num_snippets: int) -> np.ndarray:
    """Bring features onto another time grid.

    A target snippet is the mean of the source rows whose cells have their middle in its cell, or, if there are none,
    the row nearest to its middle.

    Args:
        features: ``(S, D)``, at least one row.
        source: Their grid.
        target: The wanted grid.
        num_snippets: Rows wanted, ``T``.

    Returns:
        ``(T, D)`` float32.

    >>> rows = np.array([[0.0], [2.0], [4.0], [6.0]])
    >>> resample(rows, TimeGrid(fps=2, stride=1, window=1), TimeGrid(fps=1, stride=1, window=1), 2).tolist()
    [[1.0], [5.0]]
    """
    edges = source.index_of(target.edge_s(0)) + np.arange(num_snippets + 1) * (target.step_s / source.step_s)
    bounds = np.clip(np.ceil(edges - 0.5 - 1e-9), 0, len(features)).astype(int)  # row i has its middle at i + 0.5
    nearest = np.clip(np.floor((edges[:-1] + edges[1:]) / 2 + 1e-9), 0, len(features) - 1).astype(int)
    out: np.ndarray = features[nearest].astype(np.float32)
    count = np.diff(bounds)
    full = count > 0
    if full.any():  # cells that hold rows follow each other without a gap
        sums = np.add.reduceat(features[: bounds[-1]], bounds[:-1][full], axis=0, dtype=np.float64)
        out[full] = sums / count[full, None]
    return out

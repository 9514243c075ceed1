"""Snippet features in every layout of the field, read from disk one video at a time."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from wtal.data.axes import Crop
from wtal.data.feature_files import CONTAINERS, SUFFIXES, file_array
from wtal.data.joint_file import convert_wtalc, joint_file, names_beside
from wtal.data.layouts import Layout, arrays_at, found_layout
from wtal.data.manifest import is_measure
from wtal.data.selection import spread, with_columns
from wtal.data.store import FeatureStore, Grids, open_store
from wtal.errors import ConfigError, FeatureError, FeatureNotFoundError, brief
from wtal.io.addresses import fetched
from wtal.io.bounds import read_json
from wtal.io.columns import known
from wtal.io.folders import files_below
from wtal.io.tables import read_table
from wtal.io.text import plain
from wtal.types import TimeGrid
from wtal.video.files import video_name

__all__ = ["FeatureSource", "FeatureStore", "Layout", "is_wtalc", "open_features", "part_of", "resample", "sources_of"]

_RATE_COLUMNS = known("video", "fps")


@dataclass(frozen=True)
class FeatureSource:
    """The location of a stream's features, and how they were extracted.

    Args:
        path: File or folder of the features, or its address: ``hf://user/repo`` on the Hugging Face Hub, or one that
            fsspec knows, such as ``s3://bucket/features``.
        layout: Layout of the files; ``auto`` detects it, except ``clip_frame``, which looks like ``clip_snippet``.
        fps: Frames per second at which the features were extracted. If each video has its own rate: a file, either
            JSON ``{video: fps}``, ActivityNet JSON with ``fps``, a table with columns ``video`` and ``fps``, or the
            folder with the ``<video>_fps.npy`` of video_features.
        stride: Frames between neighbouring snippets; None means 16, or 1 for ``clip_frame``.
        window: Frames that a snippet sees; None means 16, or 1 for ``clip_frame``.
        offset_s: Time of the first frame of snippet 0.
        dim: Number of channels; None takes the most common one of the first videos.
        transposed: Whether arrays are (D, T); None infers it from the number of channels, which all videos share.
        names: For ``wtalc``: path of the ``videoname.npy`` that gives the order, or its folder; None takes that of the
            annotations.
        store: For ``wtalc``: folder of the converted features; None puts it beside the file.
        columns: Channels to take, such as ``0:5, 15:20``, where one file holds several views; None takes all.
        rows: Where the rows lie in time: ``strided``, one every ``stride`` frames, or ``rescaled``, when every video
            was scaled to some number of rows (BMN's and TSP's 100), which are then spread evenly over its duration.
        crop: For arrays with crops, such as (T, 10, D): the number of one crop, counted from 0, or ``mean``; None
            averages ten or five crops.
        videos: Folder of the videos that the features were made of, from which an encoder is trained; None if they are
            not here.
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
    rows: Literal["strided", "rescaled"] = "strided"
    crop: Crop | None = None
    videos: Path | None = None

    def __post_init__(self) -> None:
        for name in ("path", "names", "store", "videos"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, Path(value))
            elif not isinstance(value, Path) and (value is not None or name == "path"):
                raise ConfigError(f"`{name}` of the features is {brief(value)}: give a path.")
        object.__setattr__(self, "path", fetched(self.path))


def sources_of(
    i3d: FeatureSource | Path | str | None,
    clip: FeatureSource | Path | str | None,
    others: Mapping[str, FeatureSource | Path | str] | None,
) -> dict[str, FeatureSource]:
    """All streams by name, those of the default pair first; a path stands for the features there.

    Raises:
        ConfigError: If a stream is given twice, or as something other than a source.
    """
    others = {} if others is None else others
    if not isinstance(others, Mapping):
        raise ConfigError(f"`data.streams` is {brief(others)}: give sources by name, such as {{'audio': 'features'}}.")
    default = {name: source for name, source in (("i3d", i3d), ("clip", clip)) if source is not None}
    twice = default.keys() & others.keys()
    if twice:
        raise ConfigError(f"The stream {min(twice)!r} is given as `data.{min(twice)}` and in `data.streams`: drop one.")
    return {name: _source(name, given) for name, given in {**default, **others}.items()}


def _source(name: str, given: object) -> FeatureSource:
    if isinstance(given, FeatureSource):
        return given
    if isinstance(given, str | Path):
        return FeatureSource(Path(given))
    raise ConfigError(f"The stream {name!r} of the data is {brief(given)}: give a path or a `FeatureSource`.")


def open_features(
    source: FeatureSource,
    video_ids: Sequence[str],
    names: Path | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> FeatureStore:
    """Open a feature stream; nothing is read yet, but a ``wtalc`` file is converted when it is first used.

    Args:
        source: Description of the stream.
        video_ids: Names of the videos that are needed. If all are missing, an error says so at once and quotes names
            to compare.
        names: Path of the annotations' ``videoname.npy`` or its folder, used if the source gives none.
        durations_s: Durations of the videos in seconds, over which rescaled rows are spread.

    Raises:
        FeatureError: If the path does not exist or has an unknown layout.
        FeatureNotFoundError: If none of the videos has features.
    """
    path = Path(source.path)
    if not _exists(path):
        raise FeatureError(f"There are no features at {path}: correct `path`.")
    store = _open(path, source, video_ids, names)
    if video_ids and not any(video_id in store for video_id in video_ids):
        raise FeatureNotFoundError(
            f"None of the {len(video_ids)} videos, such as {video_ids[0]}, is among the {len(store)} in {path}, such "
            f"as {next(iter(store), None)}: correct `path` or `layout`, or rename the files."
        )
    store = store if source.columns is None else with_columns(store, source.columns)
    return spread(store, durations_s or {}) if source.rows == "rescaled" else store


def part_of(source: FeatureSource, stream: str) -> FeatureSource:
    """The source of one stream, if the path is a folder that ``wtal extract`` wrote with all its streams."""
    part = Path(source.path) / stream
    return replace(source, path=part) if _exists(part / "manifest.json") else source


def is_wtalc(source: FeatureSource) -> bool:
    """Whether the features are in the joint file of W-TALC, which is converted when it is opened."""
    path = Path(source.path)
    return source.layout == "wtalc" or (source.layout == "auto" and _exists(path) and found_layout(path) == "wtalc")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # raised for a name that is too long
        return False


def _open(path: Path, source: FeatureSource, video_ids: Sequence[str], names: Path | None) -> FeatureStore:
    layout = found_layout(path) if source.layout == "auto" else source.layout
    if layout == "store":
        return open_store(path)
    if layout != "wtalc":
        return _open_files(path, layout, source, video_ids)
    file = joint_file(path)
    folder, grids = source.store or file.with_suffix(".store"), _grids(source, layout)
    convert_wtalc(file, source.names or names or names_beside(file), folder, grids)
    return open_store(folder, grids)


def _open_files(path: Path, layout: Layout, source: FeatureSource, video_ids: Sequence[str]) -> FeatureStore:
    found = arrays_at(path, layout, video_ids, source.crop)
    if not found.arrays and path.is_file():
        raise FeatureError(
            f"{path} is no file of several videos ({', '.join(CONTAINERS)}): give such a file, or a folder with one "
            f"file ({', '.join(SUFFIXES)}) a video; unpack an archive first."
        )
    if not found.arrays:
        raise FeatureError(
            f"{path} holds no features of the layout `{layout}` (files {', '.join(SUFFIXES)}); correct `path` or "
            "`layout`."
        )
    return FeatureStore(
        path,
        {name: array.read for name, array in found.arrays.items()},
        {name: array.shape for name, array in found.arrays.items()},
        _grids(source, layout),
        source.dim,
        transposed=source.transposed,
        files={name: array.file for name, array in found.arrays.items()},
        reading=[*found.notes, partial(_note_of_rates, path, source.fps)],
    )


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
        if path.is_dir():
            rates = {file.stem.removesuffix("_fps"): _rate(file) for file in _rate_files(path)}
        elif path.suffix == ".json":
            content = read_json(path, FeatureError)
            entries = content.get("database", content).items()
            rates = {
                video_name(name): float(entry["fps"] if isinstance(entry, dict) else entry) for name, entry in entries
            }
        else:
            table = read_table(path, FeatureError, _RATE_COLUMNS, numbers=("fps",))
            rates = {
                plain(video_name(video.strip())): float(fps.replace(",", "."))
                for video, fps in table.select(*_RATE_COLUMNS)
            }
        if not all(map(is_measure, rates.values())):
            raise ValueError("one is not above 0, or is too large")
    except (FeatureError, OSError, ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:
        raise FeatureError(
            f"{path} cannot be read as frame rates ({error}): give JSON {{video: fps}} or a table with the columns "
            "`video` and `fps`, or the folder of video_features' `*_fps.npy`."
        ) from error
    return {unicodedata.normalize("NFC", video): fps for video, fps in rates.items()}


def _rate_files(folder: Path) -> Iterator[Path]:
    return (file for file in files_below(folder) if file.name.endswith("_fps.npy"))


def _rate(file: Path) -> float:
    return float(file_array(file).read().item())


def _note_of_rates(path: Path, fps: float | Path) -> str:
    """A note if video_features has written another frame rate beside its features than the one in use."""
    file = next(_rate_files(path), None)
    if file is None or not isinstance(fps, int | float):
        return ""
    try:
        stated = _rate(file)
    except (FeatureError, ValueError):
        return ""
    return f"{file.name} states {stated:g} frames per second, but `fps` is {fps:g}" if abs(stated - fps) > 0.05 else ""


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

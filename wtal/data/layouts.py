"""Which arrays belong to which video, in the folders and files in which the field keeps its features."""

import filecmp
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from wtal.data.axes import Array, Crop, Sample
from wtal.data.feature_files import (
    CONTAINERS,
    HDF5,
    SUFFIXES,
    TABLES,
    file_array,
    holds_dictionary,
    video_arrays,
)
from wtal.data.feature_tables import table_note
from wtal.data.store import spellings
from wtal.errors import FeatureError, FeatureNotFoundError
from wtal.io.folders import files_below
from wtal.video.files import video_name

__all__ = ["Found", "Layout", "arrays_at", "found_layout"]

Layout = Literal["auto", "wtalc", "two_stream", "joint", "video_features", "clip_snippet", "clip_frame", "store"]

_STREAMS = ("rgb", "flow")
_NO_VIDEO = {"text", "classes"}  # text features beside the image features of CLIP
_MEASURES = ("_fps", "_timestamps_ms")  # what video_features writes beside the features
_DEPTH = 4  # levels of folders, such as train/rgb/class
_FEW = 8  # files of several videos in one folder
_MAX_DIFFERENCE = 2  # rows by which rounding may make RGB and flow differ


@dataclass
class Found:
    """The features that were found.

    Args:
        arrays: Arrays of two axes by name of the video.
        notes: Functions that say what a user should know about how they are read; empty texts say nothing.
    """

    arrays: dict[str, Array]
    notes: list[Callable[[], str]] = field(default_factory=list)


def found_layout(path: Path) -> Layout:
    """The layout of the features at a path."""
    if path.is_file():
        return "wtalc" if path.suffix == ".npy" and not holds_dictionary(path) else "joint"
    if (path / "manifest.json").is_file():
        return "store"
    files = _files(path)
    if any(_stream_folder(path, file) for file in files):
        return "two_stream"
    if any(_stream_ending(path, file) for file in files):
        return "video_features"
    return "wtalc" if next(path.glob("*JOINTFeatures.npy"), None) else "joint"


def arrays_at(path: Path, layout: Layout, wanted: Collection[str] = (), crop: Crop | None = None) -> Found:
    """The features of each video at a path.

    Args:
        path: A file of several videos, or a folder whose subfolders are searched as well.
        layout: How files are named, other than ``wtalc`` and ``store``.
        wanted: Names of videos, which tell a file of one video from a file of several.
        crop: Which crop is read, see :class:`~wtal.data.axes.Sample`.

    Raises:
        FeatureError: If two files hold different features of one video.
    """
    known = {name for video_id in wanted for name in spellings(video_id)}
    if path.is_file():
        found = Found(video_arrays(path) if path.suffix in (*CONTAINERS, ".npy") else {})
    elif layout in ("two_stream", "video_features"):
        return _named(_pairs(path, layout, crop), known)
    else:
        found = _joint(path, known)
    sample = Sample(found.arrays, crop)
    return _named(Found(sample.plain(), [*found.notes, lambda: sample.note]), known)


def _files(path: Path) -> list[Path]:
    return [file for file in files_below(path, _DEPTH) if file.suffix in SUFFIXES]


# Names ----------------------------------------------------------------------------------------------------------


def _named(found: Found, known: Collection[str]) -> Found:
    """The arrays by the names of videos: in composed Unicode, without the suffix of a film or a common ending."""
    arrays = {unicodedata.normalize("NFC", video_name(name)): array for name, array in found.arrays.items()}
    ending = _common_ending(list(arrays), known) if known.isdisjoint(arrays) else ""
    if not ending:
        return Found(arrays, found.notes)
    arrays = {name.removesuffix(ending): array for name, array in arrays.items()}
    return Found(arrays, [*found.notes, lambda: f"the ending {ending} of all names is no part of the names of videos"])


def _common_ending(names: Sequence[str], known: Collection[str]) -> str:
    """The ending, such as ``_clip``, without which some names are known; empty if there is none.

    >>> _common_ending(["a1_clip", "b1_clip"], {"b1"}), _common_ending(["a_clip", "b"], {"a"})
    ('_clip', '')
    """
    common = os.path.commonprefix([name[::-1] for name in names])[::-1]
    endings = [common[match.start() :] for match in re.finditer(r"[._-]", common)]
    return next((e for e in endings if any(name.removesuffix(e) in known for name in names)), "")


def _add(found: dict[str, Path], name: str, file: Path) -> None:
    """Add the file of a video, unless there is one already that holds the same.

    Raises:
        FeatureError: If there is one that holds something else.
    """
    other = found.setdefault(name, file)
    if other is not file and not filecmp.cmp(other, file, shallow=False):
        raise FeatureError(
            f"{other} and {file} both hold features of video {name}: give the folder of one of them as `path`."
        )


# One array a video ----------------------------------------------------------------------------------------------


def _joint(path: Path, known: Collection[str]) -> Found:
    """Files by their names; files of several videos, such as ``train.h5``, by the names in them."""
    by_stem: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for file in _files(path):
        if file.stem not in _NO_VIDEO and not file.stem.endswith(_MEASURES):
            by_stem[file.parent, file.stem].append(file)
    files: dict[str, Path] = {}
    beside: list[Path] = []
    for (_, stem), alike in by_stem.items():
        first, *others = sorted(alike, key=lambda file: SUFFIXES.index(file.suffix))
        beside += others
        _add(files, stem, first)
    found: dict[str, Array] = {}
    several = [file for name, file in files.items() if name not in known and file.suffix in CONTAINERS]
    for name, file in files.items():
        look = file in several and (file.suffix in HDF5 or (known and len(several) <= _FEW))
        for video, array in (_videos_or_one(file) if look else {name: file_array(file)}).items():
            found.setdefault(video, array)
    notes = [partial(_note_of_tables, files.values())]
    notes += [lambda: f"{beside[0]} is not read, as there is another file of this name"] if beside else []
    return Found(found, notes)


def _videos_or_one(file: Path) -> dict[str, Array]:
    try:
        return video_arrays(file) or {file.stem: file_array(file)}
    except FeatureError:  # raised again when the video is wanted
        return {file.stem: file_array(file)}


def _note_of_tables(files: Collection[Path]) -> str:
    for file in [file for file in files if file.suffix in TABLES][:_FEW]:
        try:
            if note := table_note(file):
                return note
        except (OSError, ValueError):  # raised again when the video is wanted
            continue
    return ""


# RGB and flow in two files --------------------------------------------------------------------------------------


def _stream_folder(path: Path, file: Path) -> tuple[str, str] | None:
    """Video and stream of ``rgb/video.npy``."""
    folders = [part.lower() for part in file.relative_to(path).parts[:-1]]
    stream = next((folder for folder in reversed(folders) if folder in _STREAMS), None)
    return (file.stem.removesuffix(f"_{stream}"), stream) if stream else None


def _stream_ending(path: Path, file: Path) -> tuple[str, str] | None:
    """Video and stream of ``video_rgb.npy``."""
    name, _, stream = file.stem.rpartition("_")
    return (name, stream) if name and stream in _STREAMS else None


def _pairs(path: Path, layout: Layout, crop: Crop | None) -> Found:
    stream_of = _stream_folder if layout == "two_stream" else _stream_ending
    files: dict[str, dict[str, Path]] = {stream: {} for stream in _STREAMS}
    for file in _files(path):
        if (found := stream_of(path, file)) and not file.stem.endswith(_MEASURES):
            _add(files[found[1]], found[0], file)
    samples = {s: Sample({n: file_array(f) for n, f in files[s].items()}, crop, upright=True) for s in _STREAMS}
    plain = {stream: sample.plain() for stream, sample in samples.items()}
    notes: list[Callable[[], str]] = [lambda: next(filter(None, (sample.note for sample in samples.values())), "")]
    notes += [partial(_note_of_tables, files[stream].values()) for stream in _STREAMS]
    alone = [stream for stream in _STREAMS if files[stream]]
    if len(alone) == 1:
        return Found(plain[alone[0]], [*notes, lambda: f"only {alone[0]} is read, as there are no files of the other"])
    names = dict.fromkeys([*plain["rgb"], *plain["flow"]])
    pairs = {name: {s: plain[s][name] for s in _STREAMS if name in plain[s]} for name in names}
    return Found(
        {
            name: Array(
                partial(_read_pair, name, pair), partial(_pair_shape, name, pair), next(iter(pair.values())).file
            )
            for name, pair in pairs.items()
        },
        notes,
    )


def _read_pair(video_id: str, pair: Mapping[str, Array]) -> np.ndarray:
    """RGB and flow side by side, cut to the length of the shorter."""
    length, _ = _pair_shape(video_id, pair)
    return np.concatenate([pair[stream].read()[:length] for stream in _STREAMS], axis=1)


def _pair_shape(video_id: str, pair: Mapping[str, Array]) -> tuple[int, ...]:
    if len(pair) < 2:
        ((stream, array),) = pair.items()
        raise FeatureNotFoundError(
            f"Video {video_id} has {array.file}, but no {'flow' if stream == 'rgb' else 'rgb'}: extract it too."
        )
    (rgb, flow) = shapes = [pair[stream].shape() for stream in _STREAMS]
    if any(len(shape) != 2 for shape in shapes):
        raise FeatureError(
            f"{pair['rgb'].file} and {pair['flow'].file} have shapes {rgb} and {flow} instead of (snippets, channels)."
        )
    if abs(rgb[0] - flow[0]) > _MAX_DIFFERENCE:
        raise FeatureError(
            f"RGB and flow of video {video_id} differ by more than rounding: {rgb[0]} rows in {pair['rgb'].file}, "
            f"{flow[0]} in {pair['flow'].file}; extract them again."
        )
    return min(rgb[0], flow[0]), rgb[1] + flow[1]

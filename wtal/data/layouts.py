"""Which arrays belong to which video, in the folders and files in which the field keeps its features."""

import filecmp
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Literal

import numpy as np

from wtal.data.axes import ArraySample, Crop, FeatureArray
from wtal.data.crops import with_crops
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

__all__ = ["FoundFeatures", "Layout", "arrays_at", "found_layout"]

Layout = Literal["auto", "wtalc", "two_stream", "joint", "video_features", "clip_snippet", "clip_frame", "store"]

_STREAMS = ("rgb", "flow")
_NO_VIDEO = {"text", "classes"}  # text features beside the image features of CLIP
_MEASURES = ("_fps", "_timestamps_ms")  # what video_features writes beside the features
_DEPTH = 4  # levels of folders, such as train/rgb/class
_FEW = 8  # files of several videos in one folder
_MAX_DIFFERENCE = 2  # rows by which rounding may make RGB and flow differ


@dataclass
class FoundFeatures:
    """The features that were found.

    Args:
        arrays: Arrays of two axes by name of the video.
        notes: Functions that say what a user should know about how they are read; empty texts say nothing.
    """

    arrays: dict[str, FeatureArray]
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


def arrays_at(path: Path, layout: Layout, wanted: Collection[str] = (), crop: Crop | None = None) -> FoundFeatures:
    """The features of each video at a path.

    Args:
        path: A file of several videos, or a folder whose subfolders are searched as well.
        layout: How files are named, other than ``wtalc`` and ``store``.
        wanted: Names of videos, which tell a file of one video from a file of several.
        crop: Which crop is read, see :class:`~wtal.data.axes.ArraySample`.

    Raises:
        FeatureError: If two files hold different features of one video.
    """
    known = {name for video_id in wanted for name in spellings(video_id)}
    if path.is_file():
        found = FoundFeatures(video_arrays(path) if path.suffix in (*CONTAINERS, ".npy") else {})
    elif layout in ("two_stream", "video_features"):
        return _named(_pairs(path, layout, crop, known), known)
    else:
        found = _joint(path, known)
    sample = ArraySample(with_crops(found.arrays, known), crop)
    return _named(FoundFeatures(sample.plain(), [*found.notes, partial(_note_of_axes, sample)]), known)


def _note_of_axes(sample: ArraySample) -> str:
    return sample.note


def _files(path: Path) -> list[Path]:
    return [file for file in files_below(path, _DEPTH) if file.suffix in SUFFIXES]


# Names ----------------------------------------------------------------------------------------------------------


def _named(found: FoundFeatures, known: Set[str]) -> FoundFeatures:
    """The arrays by the names of videos: in composed Unicode, without the suffix of a film or a common ending."""
    arrays = {unicodedata.normalize("NFC", video_name(name)): array for name, array in found.arrays.items()}
    ending = _common_ending(list(arrays), known) if known.isdisjoint(arrays) else ""
    if not ending:
        return FoundFeatures(arrays, found.notes)
    arrays = {name.removesuffix(ending): array for name, array in arrays.items()}
    return FoundFeatures(
        arrays, [*found.notes, partial(str, f"the ending {ending} of all names is no part of the names of videos")]
    )


def _common_ending(names: Sequence[str], known: Set[str]) -> str:
    """The ending, such as ``_clip``, without which some names are known; empty if there is none.

    >>> _common_ending(["a1_clip", "b1_clip"], {"b1"}), _common_ending(["a_clip", "b"], {"a"})
    ('_clip', '')
    """
    shared = takewhile(lambda letters: len(set(letters)) == 1, zip(*map(reversed, names), strict=False))
    common = "".join(letters[0] for letters in shared)[::-1]
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


def _joint(path: Path, known: Set[str]) -> FoundFeatures:
    """Files by their names; files of several videos, such as ``train.h5``, by the names in them."""
    files, beside = _files_of_videos(path, known)
    several = _files_of_several(files, known)
    read = {name: _videos_or_one(file) if name in several else {name: file_array(file)} for name, file in files.items()}
    repeated = _names_of_arrays(read, known)
    found: dict[str, dict[str, FeatureArray]] = defaultdict(dict)
    for name, arrays_of_file in read.items():
        of_one_video = not repeated.isdisjoint(arrays_of_file)
        for video, array in ({name: file_array(files[name])} if of_one_video else arrays_of_file).items():
            found[video][name.lower()] = array
    arrays = {video: _one_of(video, places) for video, places in found.items()}
    notes: list[Callable[[], str]] = [partial(_note_of_tables, [*files.values()])]
    notes += [partial(str, f"{beside[0]} is not read, as there is another file of this name")] if beside else []
    return FoundFeatures(arrays, notes)


def _files_of_several(files: Mapping[str, Path], known: Set[str]) -> Set[str]:
    """Names of files that may hold several videos, as they are not named like one."""
    unknown = {name: file for name, file in files.items() if name not in known}
    if len(files) == 1 or (known and len(unknown) <= _FEW):
        return {n for n, file in unknown.items() if file.suffix in CONTAINERS or holds_dictionary(file)}
    return {name for name, file in unknown.items() if file.suffix in HDF5}  # others would have to be read whole


def _names_of_arrays(read: Mapping[str, Collection[str]], known: Set[str]) -> Set[str]:
    """Names in several files that are no video but an array, such as the `arr_0` of ``np.savez(file, features)``."""
    if {name.lower() for name in read} == set(_STREAMS):
        return set()
    counts = Counter(name for names in read.values() for name in names)
    return {name for name, count in counts.items() if count > 1 and known.isdisjoint(spellings(name))}


def _one_of(video: str, places: dict[str, FeatureArray]) -> FeatureArray:
    """The features of a video in one file, or in ``rgb.h5`` and ``flow.h5``."""
    if set(places) == set(_STREAMS):
        return _pair(video, places)
    first, *others = places.values()
    if others:
        raise FeatureError(
            f"{first.file} and {others[0].file} both hold features of video {video}: give one of them as `path`."
        )
    return first


def _files_of_videos(path: Path, known: Set[str]) -> tuple[dict[str, Path], list[Path]]:
    """Files by their names, and those that are not read because another format of the same name is.

    Files that all have one name, which is no video's, are called by their folders.
    """
    files: dict[str, Path] = {}
    beside: list[Path] = []
    by_stem: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for file in _files(path):
        if file.stem not in _NO_VIDEO and not file.stem.endswith(_MEASURES):
            by_stem[file.parent, file.stem].append(file)
    stems = {stem for _, stem in by_stem}
    same = len(by_stem) > len(stems) == 1 and bool(known) and known.isdisjoint(stems)  # video/features.npy
    for (folder, stem), alike in by_stem.items():
        first, *others = sorted(alike, key=lambda file: SUFFIXES.index(file.suffix))
        beside += others
        _add(files, folder.name if same else stem, first)
    return files, beside


def _videos_or_one(file: Path) -> dict[str, FeatureArray]:
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
    """Video and stream of ``rgb/video.npy``, or of ``rgb_features/video.npy``."""
    for folder in reversed(file.relative_to(path).parts[:-1]):
        named = [stream for stream in _STREAMS if stream in re.split(r"[^a-z]+", folder.lower())]
        if len(named) == 1:
            return file.stem.removesuffix(f"_{named[0]}"), named[0]
    return None


def _stream_ending(path: Path, file: Path) -> tuple[str, str] | None:
    """Video and stream of ``video_rgb.npy``, or of ``video/rgb.npy``."""
    name, _, stream = file.stem.rpartition("_")
    if not name and file.parent != path and file.suffix == ".npy":  # others may hold several videos
        name = file.parent.name
    return (name, stream) if name and stream in _STREAMS else None


def _pairs(path: Path, layout: Layout, crop: Crop | None, known: Set[str]) -> FoundFeatures:
    """RGB and flow side by side, or one of them where there are no files of the other."""
    files = _files_of_streams(path, _stream_folder if layout == "two_stream" else _stream_ending)
    read = {stream: _stream(files[stream], crop, known) for stream in _STREAMS}
    notes = [note for found in read.values() for note in found.notes]
    alone = [stream for stream in _STREAMS if files[stream]]
    if len(alone) == 1:
        notes.append(partial(str, f"only {alone[0]} is read, as there are no files of the other stream"))
        return FoundFeatures(read[alone[0]].arrays, notes)
    pairs: dict[str, dict[str, FeatureArray]] = defaultdict(dict)
    for stream, found in read.items():
        for name, array in found.arrays.items():
            pairs[name][stream] = array
    return FoundFeatures({name: _pair(name, pair) for name, pair in pairs.items()}, notes)


def _files_of_streams(
    path: Path, stream_of: Callable[[Path, Path], tuple[str, str] | None]
) -> dict[str, dict[str, Path]]:
    """Files by stream and video."""
    files: dict[str, dict[str, Path]] = {stream: {} for stream in _STREAMS}
    for file in _files(path):
        if (found := stream_of(path, file)) and not file.stem.endswith(_MEASURES):
            _add(files[found[1]], found[0], file)
    return files


def _stream(files: Mapping[str, Path], crop: Crop | None, known: Set[str]) -> FoundFeatures:
    arrays = with_crops({name: file_array(file) for name, file in files.items()}, known)
    sample = ArraySample(arrays, crop, upright=True)
    return FoundFeatures(sample.plain(), [partial(_note_of_axes, sample), partial(_note_of_tables, [*files.values()])])


def _pair(name: str, pair: Mapping[str, FeatureArray]) -> FeatureArray:
    return FeatureArray(
        partial(_read_pair, name, pair), partial(_pair_shape, name, pair), next(iter(pair.values())).file
    )


def _read_pair(video_id: str, pair: Mapping[str, FeatureArray]) -> np.ndarray:
    """RGB and flow side by side, cut to the length of the shorter."""
    length, _ = _pair_shape(video_id, pair)
    return np.concatenate([pair[stream].read()[:length] for stream in _STREAMS], axis=1)


def _pair_shape(video_id: str, pair: Mapping[str, FeatureArray]) -> tuple[int, ...]:
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

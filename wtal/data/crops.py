"""Features of which each crop lies in a file of its own, such as ``NAME__0.npy`` to ``NAME__9.npy``."""

import re
from collections import defaultdict
from collections.abc import Mapping, Set
from functools import partial

import numpy as np

from wtal.data.axes import FeatureArray
from wtal.errors import FeatureError

__all__ = ["with_crops"]

_CROP = re.compile(r"(.+)__(\d+)")


def with_crops(arrays: Mapping[str, FeatureArray], known: Set[str]) -> dict[str, FeatureArray]:
    """Put the files of a video's crops together, as an array ``(T, crops, D)``.

    A video of which only one crop is there has its array as it is.

    Args:
        arrays: Arrays by the names of their files.
        known: Names of videos; a name that is one of them is no crop, and only their crops are put together.
    """
    crops: dict[str, dict[int, FeatureArray]] = defaultdict(dict)
    found = dict(arrays)
    for name, array in arrays.items():
        parts = _CROP.fullmatch(name)
        if parts and name not in known and parts[1] in known and parts[1] not in arrays:
            crops[parts[1]][int(parts[2])] = array
            del found[name]
    # the videos come first, as the first arrays decide how the axes of all are read
    return {video: _stacked(video, of_video) for video, of_video in crops.items()} | found


def _stacked(video: str, crops: Mapping[int, FeatureArray]) -> FeatureArray:
    ordered = tuple(crops[number] for number in sorted(crops))
    if len(ordered) == 1:
        return ordered[0]
    return FeatureArray(partial(_read, video, ordered), partial(_shape, video, ordered), ordered[0].file)


def _shape(video: str, crops: tuple[FeatureArray, ...]) -> tuple[int, ...]:
    first, *others = (crop.shape() for crop in crops)
    different = next((crop for crop, shape in zip(crops[1:], others, strict=True) if shape != first), None)
    if different is not None or len(first) != 2:
        file = crops[0].file if different is None else different.file
        raise FeatureError(
            f"The crops of video {video} have different shapes, {first} and another in {file}: extract them again, all "
            "as (snippets, channels)."
        )
    return first[0], len(crops), first[1]


def _read(video: str, crops: tuple[FeatureArray, ...]) -> np.ndarray:
    _shape(video, crops)
    return np.stack([crop.read() for crop in crops], axis=1)

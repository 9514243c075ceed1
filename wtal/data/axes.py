"""Arrays of features with more than two axes: axes of length 1, and the crops of each snippet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from wtal.data.store import vote
from wtal.errors import FeatureError

__all__ = ["ArraySample", "Crop", "FeatureArray"]

Crop = int | Literal["mean"]

_USUAL_CROPS = (10, 5)  # four corners and the centre, with or without their mirror images
_SAMPLED = 5  # videos that decide how the others are read


class FeatureArray(NamedTuple):
    """The features of one video in a file or a pair of files, read on demand."""

    read: Callable[[], np.ndarray]
    shape: Callable[[], tuple[int, ...]]  # where possible without reading the array
    file: Path  # for messages


@dataclass(frozen=True)
class _Axes:
    """Which axes of an array are neither snippets nor channels.

    Args:
        dropped: Axes of length 1 that are dropped.
        added: Axis that is added to a single row; None for any other array.
        crops: Axis of the crops; None if there is none.
        crop: Which crop is read: its number, or ``mean``.

    >>> _Axes(dropped=(1, 2)).shape((7, 1, 1, 4)), _Axes(crops=1).shape((7, 10, 4)), _Axes(added=0).shape((4,))
    ((7, 4), (7, 4), (1, 4))
    """

    dropped: tuple[int, ...] = ()
    added: int | None = None
    crops: int | None = None
    crop: Crop = "mean"

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that remains of a shape."""
        kept = [size for axis, size in enumerate(shape) if axis not in self.dropped and axis != self.crops]
        if self.added is not None:
            kept.insert(self.added, 1)
        return tuple(kept)

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """The array without these axes; crops are averaged in single precision."""
        shape = self.shape(rows.shape)
        if self.crops is not None:
            mean = self.crop == "mean"
            rows = rows.mean(self.crops, np.float32) if mean else rows.take(self.crop, self.crops)  # type: ignore[arg-type]
        return rows.reshape(shape)


class ArraySample:
    """The first videos of a set of features, which decide how the axes of all are read.

    Args:
        arrays: Arrays by video, all of one kind.
        crop: Which crop is read; None averages ten or five of them and refuses any other number.
        upright: Turn arrays (D, T) into (T, D), by the number of channels that all share.
    """

    def __init__(self, arrays: Mapping[str, FeatureArray], crop: Crop | None = None, *, upright: bool = False) -> None:
        self.arrays, self.crop, self.upright = arrays, crop, upright

    def plain(self) -> dict[str, FeatureArray]:
        """Arrays of two axes; nothing is read before one of them or its shape is asked for.

        An array of other axes than (T, D), possibly with crops or axes of length 1, raises a FeatureError then.
        """
        return {
            name: FeatureArray(partial(self._read, array), partial(self._shape, array), array.file)
            for name, array in self.arrays.items()
        }

    @property
    def note(self) -> str:
        """What is done with crops, for the user to know; empty if there are none."""
        axes, shapes = self._usual
        if axes.crops is None:
            return ""
        count = shapes[0][axes.crops]
        done = f"the {count} crops are averaged" if axes.crop == "mean" else f"crop {axes.crop} of {count} is read"
        return f"{done} (arrays such as {shapes[0]}; `crop` chooses)"

    def _read(self, array: FeatureArray) -> np.ndarray:
        rows = array.read()
        rows = rows if rows.ndim == 2 else self._axes_of(array.file, rows.shape).apply(rows)
        return rows.T if self._transposed else rows

    def _shape(self, array: FeatureArray) -> tuple[int, ...]:
        shape = array.shape()
        shape = shape if len(shape) == 2 else self._axes_of(array.file, shape).shape(shape)
        return shape[::-1] if self._transposed else shape

    @cached_property
    def _transposed(self) -> bool:
        axes, shapes = self._usual
        shapes = [axes.shape(shape) for shape in shapes]
        return self.upright and any(len(shape) == 2 for shape in shapes) and vote(shapes, None, None)[1]

    def _axes_of(self, file: Path, shape: tuple[int, ...]) -> _Axes:
        usual, shapes = self._usual
        if len(shape) == 1:
            return _single_row(shape[0], [usual.shape(other) for other in shapes])
        alike = any(len(shape) == len(other) for other in shapes) and all(shape[axis] == 1 for axis in usual.dropped)
        if alike and (usual.crops is None or shape[usual.crops] == shapes[0][usual.crops]):
            return usual
        return _axes(file, [shape], self.crop)

    @cached_property
    def _usual(self) -> tuple[_Axes, list[tuple[int, ...]]]:
        """The axes of the first videos, and their shapes."""
        shapes, files = [], []
        for array in self.arrays.values():
            try:
                shapes.append(array.shape())
                files.append(array.file)
            except FeatureError:  # of one video: it is raised when that video is wanted
                continue
            if len(shapes) == _SAMPLED:
                break
        ndim = max((len(shape) for shape in shapes), key=[len(shape) for shape in shapes].count, default=2)
        alike = [shape for shape in shapes if len(shape) == ndim]
        return (_axes(files[0], alike, self.crop) if ndim > 2 else _Axes()), alike


def _single_row(channels: int, others: Sequence[tuple[int, ...]]) -> _Axes:
    """A video of one snippet, saved without the axis of snippets; as it is if the others do not tell.

    >>> [_single_row(4, others).shape((4,)) for others in ([(7, 4), (9, 4)], [(4, 7)], [])]
    [(1, 4), (4, 1), (4,)]
    """
    alike = [axis for axis in (1, 0) if any(len(other) == 2 and other[axis] == channels for other in others)]
    return _Axes(added=1 - alike[0]) if alike else _Axes()


def _axes(file: Path, shapes: Sequence[tuple[int, ...]], crop: Crop | None) -> _Axes:
    """The axes of arrays of three axes or more.

    Args:
        file: File of the first one, for messages.
        shapes: Shapes of one number of axes.
        crop: See :class:`ArraySample`.

    Raises:
        FeatureError: If they are not snippets, channels, crops and axes of length 1.
    """
    single = [axis for axis in range(len(shapes[0])) if all(shape[axis] == 1 for shape in shapes)]
    dropped = tuple(single[: len(shapes[0]) - 2])
    left = [axis for axis in range(len(shapes[0])) if axis not in dropped]
    if len(left) == 2:
        return _Axes(dropped)
    crops = _crop_axes(shapes, left, crop) if len(left) == 3 else []
    if len(crops) != 1:
        raise FeatureError(_refusal(file, shapes[0], len(left), len(crops)))
    count = shapes[0][crops[0]]
    if isinstance(crop, int) and not 0 <= crop < count:
        raise FeatureError(f"{file}: shape {shapes[0]} has {count} crops, so `crop` is 0 to {count - 1} or `mean`.")
    return _Axes(dropped, None, crops[0], "mean" if crop is None else crop)


def _crop_axes(shapes: Sequence[tuple[int, ...]], axes: Sequence[int], crop: Crop | None) -> list[int]:
    """Axes that may count the crops: of equal length in all videos, and ten or five long unless a crop is chosen."""
    equal = [axis for axis in axes if len({shape[axis] for shape in shapes}) == 1]
    usual = [axis for axis in equal if shapes[0][axis] in _USUAL_CROPS]
    return usual if usual or crop is None else equal[:-1]  # the last one are the channels


def _refusal(file: Path, shape: tuple[int, ...], axes: int, crops: int) -> str:
    if axes == 3 and crops > 1:
        remedy = "more than one axis may count the crops: save the array as (snippets, crops, channels) of every video"
    elif axes == 3:
        remedy = "if one axis counts crops, set `crop` of the features to `mean` or to one of them, else pool that axis"
    else:
        remedy = "pool the other axes, and save the features again"
    return f"{file}: shape {shape} instead of (snippets, channels); {remedy}."

"""Why two sets of features of the same videos give other numbers: read, compared video by video, and one verdict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wtal.data.agreement import (
    Arrangement,
    VideoAgreement,
    agreement,
    best_arrangement,
    structure_alone,
)
from wtal.data.axes import FeatureArray
from wtal.data.layouts import arrays_at, found_layout
from wtal.data.manifest import Manifest, read_manifest
from wtal.data.store import open_store, vote
from wtal.errors import FeatureError
from wtal.io.text import counted, few

__all__ = ["FeatureComparison", "FeatureSet", "compare_features", "read_features"]

_DECIDING = 4  # videos that decide how channels are brought together
_SAME, _NEARLY = 1e-6, 2e-3  # relative differences of values: equal, and equal but for rounding to 16 bits
_AGREE, _RELATED = 0.98, 0.25  # centred cosines: the same features, and features of the same network
_BETWEEN = 0.7  # the same features, where rows of one lie between rows of the other
_STRUCTURE = 0.15  # correlation of similarities: another network on the same videos


@dataclass(frozen=True)
class FeatureSet:
    """Features of videos as they lie there.

    Args:
        path: File or folder.
        arrays: Arrays by video.
        manifest: What the set states about itself; None if it states nothing.
        transposed: Whether its arrays are ``(D, T)``.
    """

    path: Path
    arrays: Mapping[str, FeatureArray]
    manifest: Manifest | None
    transposed: bool = False

    def rows(self, video: str) -> np.ndarray:
        """Features of a video, ``(T, D)`` in double precision.

        Raises:
            FeatureError: If the array is damaged, empty or has other axes.
        """
        array = np.asarray(self.arrays[video].read(), float)
        if not array.size:
            fault = f"is an empty array of shape {array.shape}"
        elif not np.isfinite(array).all():
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            fault = f"has NaN or infinity in {len(bad)} of {counted(len(array), 'row')}, first in row {bad[0]}"
        else:
            return array.T if self.transposed else array
        raise FeatureError(f"{self.arrays[video].file}: video {video} {fault}: extract it again.")


def read_features(path: Path, dim: int | None = None) -> FeatureSet:
    """Find the features at a path, of any layout but W-TALC's joint file.

    Args:
        path: A feature store, a folder of one file a video, or a file of several videos.
        dim: Number of channels, which tells ``(D, T)`` from ``(T, D)``; None takes the axis that all videos share.

    Raises:
        FeatureError: If there are none, or their layout is unknown.
    """
    if not path.exists():
        raise FeatureError(f"There are no features at {path}: correct the path.")
    manifest = read_manifest(path)
    if manifest is not None:
        store = open_store(path)
        arrays = {
            name: FeatureArray(lambda name=name: store[name], lambda name=name: (store.length(name), store.dim), path)  # type: ignore[misc]
            for name in store
        }
        return FeatureSet(path, arrays, manifest)
    layout = found_layout(path)
    if layout == "wtalc":
        raise FeatureError(
            f"{path} has no names of videos: give a folder with a file of each video, or the .store that a training "
            "makes of W-TALC's joint file beside it."
        )
    found = arrays_at(path, layout).arrays
    if not found:
        raise FeatureError(f"There are no features of single videos in {path}: correct the path.")
    shapes = [found[name].shape() for name in sorted(found)[:50]]
    flat = [shape for shape in shapes if len(shape) == 2]
    return FeatureSet(path, found, None, _is_transposed(flat, dim))


def _is_transposed(shapes: Sequence[tuple[int, ...]], dim: int | None) -> bool:
    """Whether arrays are ``(D, T)``: by the axis that all share, or else by the number of channels of the other set."""
    shared = [len({shape[axis] for shape in shapes}) == 1 for axis in (0, 1)]
    if len(shapes) > 1 and shared[0] != shared[1]:
        return shared[0]
    return bool(shapes) and dim is not None and vote(shapes, dim, None)[1]


@dataclass(frozen=True)
class FeatureComparison:
    """Two sets of features, compared.

    Args:
        a: The first set.
        b: The second set.
        videos: The comparison of each video that both have, of some of them.
        common: Number of videos that both have.
        only: Names of the videos that only A and only B have.
        arrangement: How channels are brought together; None if their numbers do not fit.
        dims: Numbers of channels of A and B.
    """

    a: FeatureSet
    b: FeatureSet
    videos: Mapping[str, VideoAgreement]
    common: int
    only: tuple[tuple[str, ...], tuple[str, ...]]
    arrangement: Arrangement | None
    dims: tuple[int, int]

    def median(self, name: str) -> float:
        """Median of a number over the videos, such as ``cosine``."""
        values = [getattr(one, name) for one in self.videos.values()]
        return float(np.nanmedian(values)) if not np.isnan(values).all() else float("nan")

    @property
    def rate(self) -> float:
        """Median rate of the alignments."""
        return float(np.median([one.alignment.rate for one in self.videos.values()]))

    @property
    def offset(self) -> float:
        """Median offset of the alignments, in rows of B."""
        return float(np.median([one.alignment.offset for one in self.videos.values()]))

    @property
    def agreement(self) -> float:
        """Median centred cosine of the rows that meet."""
        values = [one.alignment.agreement for one in self.videos.values()]
        return float(np.nanmedian(values)) if not np.isnan(values).all() else float("nan")

    @property
    def halves(self) -> tuple[float, float]:
        """Median centred cosines of both halves of the channels."""
        first, second = np.median([one.halves for one in self.videos.values()], axis=0).tolist()
        return first, second

    @property
    def verdict(self) -> str:
        """Why the features differ, in one sentence."""
        causes = [*self._causes()]
        where = f"in {counted(len(self.videos), 'video')}"
        if not causes:
            largest = max(one.largest for one in self.videos.values())
            if largest <= _SAME:
                return f"A and B are the same features {where}: no value differs."
            if largest <= _NEARLY:
                return f"A and B are the same features {where}, but for rounding (differences up to {largest:.1g})."
            return f"A and B agree {where} (median cosine {self.median('cosine'):.3f}), up to small differences."
        return f"A and B differ {where}: {'; '.join(causes)}."

    def _causes(self) -> list[str]:
        axes = [
            f"the arrays of {n} are (channels, snippets)" for n, s in (("A", self.a), ("B", self.b)) if s.transposed
        ]
        causes = axes if len(axes) == 1 else []
        if self.arrangement is None:
            return [*causes, *self._other_widths(), *self._stated()]
        causes += [self.arrangement.name] if self.arrangement.name else []
        if self.agreement < _RELATED:
            return [*causes, self._unrelated(), *self._stated()]
        causes += [*self._in_time(), *self._in_scale(), *self._in_content()]
        return [*causes, *(self._stated() if causes else [])]

    def _other_widths(self) -> list[str]:
        known = " on the same videos" if self.median("structure") >= _STRUCTURE else ""
        return [f"A has {self.dims[0]} channels and B {self.dims[1]}, so they come from other networks{known}"]

    def _unrelated(self) -> str:
        structure = self.median("structure")
        for name, features in (("A", self.a), ("B", self.b)):
            if not any(features.rows(video).any() for video in self.videos):
                return f"every value of {name} is 0: its extraction failed"
        if self.median("per_channel") <= -_AGREE:
            return "B has the values of A with the opposite sign"
        if self._always(lambda a, b: np.allclose(a[::-1], b, rtol=_NEARLY)):
            return "the rows of B are those of A from last to first"
        if self._always(lambda a, b: np.allclose(np.sort(a, axis=1), np.sort(b, axis=1), rtol=_NEARLY)):
            return "the channels of B are those of A in another order"
        if structure >= _STRUCTURE:
            return (
                f"their rows do not agree (centred cosine {self.agreement:.2f}), but the same moments are alike in both"
                f" (correlation {structure:.2f}): another network or other weights on the same videos"
            )
        return (
            f"nothing agrees (centred cosine {self.agreement:.2f}, correlation of similarities {structure:.2f}): other "
            "videos under the same names, or shuffled rows"
        )

    def _always(self, holds: Callable[[np.ndarray, np.ndarray], bool]) -> bool:
        """Whether the arrays of both sets have one shape and fulfil a condition, in every video."""
        pairs = ((self.a.rows(video), self.b.rows(video)) for video in self.videos)
        return all(a.shape == b.shape and holds(a, b) for a, b in pairs)

    def _in_time(self) -> list[str]:
        lengths = [one.lengths for one in self.videos.values()]
        of_a, of_b = (set(of) for of in zip(*lengths, strict=True))
        for name, fixed, other in (("A", of_a, of_b), ("B", of_b, of_a)):
            if len(fixed) == 1 and len(other) > 1:
                return [f"{name} was rescaled to {min(fixed)} rows for every video"]
        longer = float(np.median([b - self.rate * a - self.offset for a, b in lengths]))
        causes = self._rate_and_offset()
        if not causes and abs(longer) >= 1:
            causes.append(f"B has {counted(round(abs(longer)), 'row')} {'more' if longer > 0 else 'fewer'} at the end")
        return causes

    def _rate_and_offset(self) -> list[str]:
        rate, offset = self.rate, self.offset
        causes = []
        if abs(rate - 1) > 5e-3:
            causes.append(
                f"B has {rate:.3g} rows for each row of A: another stride (16 for A would be {16 / rate:.3g} for B) or "
                f"frame rate (25 for A would be {25 * rate:.3g} for B)"
            )
        if abs(offset) >= 0.5:
            side = "earlier" if offset > 0 else "later"
            causes.append(f"B begins {counted(round(abs(offset)), 'row')} {side}")
        return causes

    def _in_scale(self) -> list[str]:
        scale, cosine = self.median("scale"), self.median("cosine")
        units = [name for name, of in (("A", self.a), ("B", self.b)) if self._is_unit(of)]
        if len(units) == 1:
            return [f"the rows of {units[0]} are normalised to length 1"]
        if self.median("per_channel") >= _AGREE and (cosine < _AGREE or self.agreement < _AGREE):
            return ["each channel is shifted or scaled, as by standardisation"]
        return (
            [f"B is {scale:.3g} times as large"] if abs(np.log(max(scale, 1e-12))) > 0.02 and cosine >= _AGREE else []
        )

    def _is_unit(self, features: FeatureSet) -> bool:
        norms = np.linalg.norm(features.rows(next(iter(self.videos))), axis=1)
        return bool(np.abs(norms - 1).max() < 1e-2)

    def _in_content(self) -> list[str]:
        """What differs although rows meet: only one half of the channels, or all of them."""
        if self.agreement >= (_BETWEEN if self._meets_between else _AGREE) or self.median("per_channel") >= _AGREE:
            return []
        first, second = self.halves
        if self.dims[0] % 2048 == 0 or min(first, second) < _AGREE <= max(first, second):
            if second >= _AGREE:
                return [
                    f"the first half of the channels (RGB) agrees poorly ({first:.2f}), the second (flow) well "
                    f"({second:.2f}): frames in another colour order (BGR) or range, or other RGB weights"
                ]
            if first >= _AGREE:
                return [
                    f"the second half of the channels (flow) agrees poorly ({second:.2f}), the first (RGB) well "
                    f"({first:.2f}): another method of optical flow, or other flow weights"
                ]
            return [
                f"RGB agrees at {first:.2f} and flow at {second:.2f}: another crop or size of the frames, or window"
            ]
        return [
            f"rows agree at {self.agreement:.2f} only: frames prepared otherwise, by colour order (BGR), crop or size"
        ]

    @property
    def _meets_between(self) -> bool:
        """Whether rows of A lie between rows of B, so that the same features agree less."""
        return abs(self.rate - round(self.rate)) > 5e-3

    def _stated(self) -> list[str]:
        """What the manifests of both state differently, which needs no guess."""
        one, other = self.a.manifest, self.b.manifest
        if one is None or other is None:
            return []
        parts = {"crop": (one.crop, other.crop), "grid": (one.grid, other.grid), "notes": (one.notes, other.notes)}
        parts |= {n: (one.origin.get(n), other.origin.get(n)) for n in sorted({*one.origin, *other.origin})}
        found = [f"{name} {here} and {there}" for name, (here, there) in parts.items() if here != there]
        return [f"their manifests state {', '.join(found)}"] if found else []


def compare_features(a: Path, b: Path, most: int = 50, names: Sequence[str] = ()) -> FeatureComparison:
    """Compare two sets of features of the same videos.

    Args:
        a: First set, see :func:`read_features`.
        b: Second set.
        most: Largest number of videos that are read, spread evenly over the names.
        names: Videos to compare; empty for any.

    Raises:
        FeatureError: If a set cannot be read, or they have no video in common.
    """
    first = read_features(a)
    second = read_features(b, _dim(first, min(first.arrays)))
    common = _common(first, second, names)
    first = read_features(a, _dim(second, common[0]))  # if its own shapes leave the axes open
    chosen = [common[n] for n in np.unique(np.linspace(0, len(common) - 1, min(most, len(common))).astype(int))]
    read = {name: (first.rows(name), second.rows(name)) for name in chosen}
    deciding = [read[name] for name in chosen[:_DECIDING]]
    arrangement = best_arrangement(deciding)
    videos = {}
    for name, (one, other) in read.items():
        found = None if arrangement is None else agreement(one, other, arrangement)
        videos[name] = structure_alone(one, other) if found is None else found
    only = (tuple(sorted(first.arrays.keys() - second.arrays)), tuple(sorted(second.arrays.keys() - first.arrays)))
    dims = (deciding[0][0].shape[1], deciding[0][1].shape[1])
    return FeatureComparison(first, second, videos, len(common), only, arrangement, dims)


def _common(a: FeatureSet, b: FeatureSet, names: Sequence[str]) -> list[str]:
    """Names of the videos that both have, or of the chosen ones.

    Raises:
        FeatureError: If a set lacks a chosen one, or there is none.
    """
    for features in (a, b):
        if missing := [name for name in names if name not in features.arrays]:
            raise FeatureError(f"{features.path} has no features of {few(missing)}: correct `--names`.")
    common = sorted(name for name in a.arrays if name in b.arrays and (not names or name in names))
    if not common:
        raise FeatureError(
            f"{a.path} and {b.path} have no video in common: the first one has {min(a.arrays)}, the second one "
            f"{min(b.arrays)}; rename the files."
        )
    return common


def _dim(features: FeatureSet, name: str) -> int:
    return int(features.rows(name).shape[1])

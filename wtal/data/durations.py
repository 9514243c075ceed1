"""Do the rows of features fill their videos? A check of stride and frame rate against known durations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal.data.store import FeatureStore
from wtal.errors import FeatureError
from wtal.types import TimeGrid

__all__ = ["DurationCheck", "check_durations", "check_streams", "features_end_s", "segment_doubts"]

Floats = NDArray[np.float64]

_RELATIVE = 0.02  # share of a duration by which a frame rate may be rounded
_NEARLY_ALL = 0.9
_FEWEST = 3  # videos that prove a mistake
_ENOUGH = 8  # videos whose single errors cancel out
_USUAL_FPS = (5, 8, 10, 12, 15, 20, 24, 25, 30, 50, 60)  # 29.97 counts as 30
_LIKELY_FPS = (30, 25, 15, 10)  # where the stride is wrong as well
_USUAL_STRIDES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 32, 48, 64, 100, 128)


@dataclass(frozen=True)
class DurationCheck:
    """What a comparison of features with durations has found.

    Args:
        off_s: Seconds by which features are longer than their video, for the videos whose features do not fit.
        problem: A sentence if all or nearly all features are wrong in one way, so that no time would be right.
        warning: A sentence if some features do not fit.
    """

    off_s: dict[str, float] = field(default_factory=dict)
    problem: str = ""
    warning: str = ""


def check_streams(
    stores: Mapping[str, FeatureStore],
    table: pd.DataFrame,
    tolerance_s: float = 2.0,
    segments: pd.DataFrame | None = None,
) -> list[str]:
    """What a user should know about how features are read and whether they last as long as their videos.

    Args:
        stores: Features by name of the stream.
        table: Rows of :attr:`~wtal.data.annotations.Annotations.videos`.
        tolerance_s: Largest error of a duration, in seconds.
        segments: Segments of the videos, where they may be seen, which tell something where no duration is known.

    Raises:
        FeatureError: If all or nearly all features of a stream are wrong in one way.
    """
    remarks = []
    for name, store in stores.items():
        found = check_durations(name, store, table["duration_s"], tolerance_s)
        if found.problem:
            raise FeatureError(found.problem)
        remarks += [*store.notes(), *filter(None, [found.warning])]
    return remarks + ([] if segments is None else segment_doubts(stores, table, segments))


def check_durations(
    name: str, store: FeatureStore, durations_s: "pd.Series[float]", tolerance_s: float = 2.0
) -> DurationCheck:
    """Compare the rows of features with the durations of their videos.

    A video fits if its rows last as long as the video, up to the tolerance, a window and a stride (last windows are
    dropped or padded) and 2 % (frame rates are rounded).

    Args:
        name: Name of the features, for messages.
        store: Features.
        durations_s: Durations of the videos in seconds; NaN where unknown. Videos without features are passed over.
        tolerance_s: Largest error of a duration, in seconds.
    """
    measured = _measured(store, durations_s.dropna().index)
    known = {name: (length, grid, float(durations_s[name]) - grid.offset_s) for name, (length, grid) in measured}
    known = {name: found for name, found in known.items() if found[2] > 0}
    if not known:
        return DurationCheck()
    grids = [grid for _, grid, _ in known.values()]
    rows, span_s, slack_s, duration_s = np.array(
        [(n, _span_s(n, grid), (grid.window + grid.stride) / grid.fps, d) for n, grid, d in known.values()]
    ).T
    off = np.abs(span_s - duration_s) > tolerance_s + slack_s + _RELATIVE * duration_s
    off_s = {
        name: float(seconds) for name, seconds in zip(np.array([*known])[off], (span_s - duration_s)[off], strict=True)
    }
    worst = max(off_s or known, key=lambda name: abs(off_s.get(name, 0.0)))
    count, grid, seconds = known[worst]
    example = f"{worst}: {count} rows = {_span_s(count, grid):.1f} s of {seconds:.1f} s"
    title = f"The {name} features at {store.path}"
    if _are_rescaled(rows, duration_s, off):
        return DurationCheck(
            off_s,
            f"{title} have {rows[0]:.0f} rows for each of the {len(known)} videos, however long it lasts ({example}): "
            "set `rows: rescaled` of the features if their rows are spread over the video, else correct the durations.",
        )
    ratio = _common_ratio(span_s, duration_s, slack_s, off, tolerance_s)
    if ratio:
        return DurationCheck(
            off_s,
            f"{title} are {_times(ratio)} times as long as their videos, by all {len(known)} known durations "
            f"({example}): {_likely(ratio, store, grids)}; if the durations are wrong, correct them or raise "
            "`data.length_tolerance_s`.",
        )
    if not off_s:
        return DurationCheck()
    ratios = (span_s / duration_s)[off]
    what = f"do not fit {len(off_s)} of {len(known)} known durations ({_times(float(np.median(ratios)))} times as long"
    return DurationCheck(off_s, warning=f"{title} {what}; {example}): {_hint(ratios, off, store, grids)}.")


def _span_s(rows: int, grid: TimeGrid) -> float:
    """Seconds from the first frame that a row sees to the last."""
    return ((rows - 1) * grid.stride + grid.window) / grid.fps


def _times(ratio: float) -> str:
    """A ratio for a message.

    >>> [_times(ratio) for ratio in (3.97, 1.04, 0.248, 0.001)]
    ['4.0', '1.04', '0.25', '0.001']
    """
    return f"{ratio:.1f}" if ratio > 1.15 else f"{ratio:.2f}" if ratio > 0.1 else f"{ratio:.1g}"


def _hint(ratios: Floats, off: NDArray[np.bool_], store: FeatureStore, grids: list[TimeGrid]) -> str:
    """What to do about features of which some do not fit."""
    if off.all() and np.ptp(ratios) < 0.05 * np.median(ratios):
        return _likely(float(np.median(ratios)), store, grids)
    if off.mean() > 0.5:
        return "each video may have a frame rate of its own, which a file as `fps` gives"
    return "correct their durations, give each its own frame rate by a file as `fps`, or extract them again"


def _are_rescaled(rows: Floats, duration_s: Floats, off: NDArray[np.bool_]) -> bool:
    """Whether all videos have the same number of rows, which cannot be right for their durations."""
    same = len(rows) >= _FEWEST and len(set(rows)) == 1
    return bool(same and duration_s.max() > 1.2 * duration_s.min() and off.mean() >= 0.2)


def _common_ratio(
    span_s: Floats, duration_s: Floats, slack_s: Floats, off: NDArray[np.bool_], tolerance_s: float
) -> float | None:
    """The one factor by which nearly all features are too long; None if they are right or differ in other ways."""
    if len(span_s) < _FEWEST:
        return None
    order = np.argsort(span_s / duration_s)
    middle = np.searchsorted(duration_s[order].cumsum(), duration_s.sum() / 2)  # long videos tell more
    ratio = float((span_s / duration_s)[order][middle])
    allowed = max(1.0, ratio) * (slack_s + tolerance_s) + ratio * _RELATIVE * duration_s
    if (np.abs(span_s - ratio * duration_s) <= allowed).mean() < _NEARLY_ALL:
        return None
    mean_s = duration_s.mean()
    wrong_together = abs(ratio - 1) * mean_s > slack_s.mean() + tolerance_s / 10 + _RELATIVE * mean_s
    if off.mean() >= _NEARLY_ALL or (len(span_s) >= _ENOUGH and wrong_together):
        return ratio
    return None


def _likely(ratio: float, store: FeatureStore, grids: list[TimeGrid]) -> str:
    """What to set, if features are that many times too long."""
    if store.manifest is not None and store.manifest.origin.get("file") is None:
        return "their manifest.json states another `fps` or `stride` than they were made with: make them again"
    grid, same_rate = grids[0], len({grid.fps for grid in grids}) == 1
    strides = [s for s in _USUAL_STRIDES if _near(grid.stride / ratio, s, 0.03)]
    rates = [fps for fps in _USUAL_FPS if same_rate and _near(grid.fps * ratio, fps)]
    parts = [f"`stride` to {s} (it is {grid.stride:g})" for s in strides[:1]]
    parts += [f"`fps` to {fps} (it is {grid.fps:g})" for fps in rates[:1]]
    return f"set {' or '.join(parts)}" if parts else _both(ratio, grid)


def _both(ratio: float, grid: TimeGrid) -> str:
    """The likely frame rate and stride, where neither alone explains the ratio."""
    pairs = ((fps, stride) for fps in _LIKELY_FPS for stride in _USUAL_STRIDES)
    likely = [f", for example to {f} and {s}" for f, s in pairs if _near(f / grid.fps * grid.stride / s, ratio)]
    return f"correct `fps` and `stride` (they are {grid.fps:g} and {grid.stride:g}){likely[0] if likely else ''}"


def _near(value: float, wanted: float, share: float = 0.015) -> bool:
    return abs(value / wanted - 1) < share


def segment_doubts(stores: Mapping[str, FeatureStore], table: pd.DataFrame, segments: pd.DataFrame) -> list[str]:
    """Sentences where segments show that features are too long or too short, among videos of unknown duration.

    Args:
        stores: Features by name of the stream.
        table: Rows of :attr:`~wtal.data.annotations.Annotations.videos`.
        segments: Rows with ``video_id`` and ``end_s``.
    """
    durations_s = table["duration_s"]
    return list(filter(None, (_doubt(name, store, durations_s, segments) for name, store in stores.items())))


def _doubt(name: str, store: FeatureStore, durations_s: "pd.Series[float]", segments: pd.DataFrame) -> str:
    ends_s = segments.groupby("video_id")["end_s"].max()
    unknown = [str(video_id) for video_id in durations_s.index[durations_s.isna()] if video_id in ends_s]
    reached = np.array([ends_s[name] / grid.edge_s(length) for name, (length, grid) in _measured(store, unknown)])
    if len(reached) < _ENOUGH:
        return ""
    if np.median(reached) > 1.1:
        what = f"the last segments end at {np.median(reached):.3g} times the end"
    elif reached.max() < 0.5:
        what = f"no segment lies beyond {reached.max():.0%}"
    else:
        return ""
    return (
        f"In {len(reached)} videos of unknown duration {what} of the {name} features at {store.path}: check `fps` and "
        "`stride` of the features."
    )


def features_end_s(store: FeatureStore, video_ids: Iterable[Any]) -> dict[str, float]:
    """Where the features of those videos that can be read end, in seconds."""
    return {name: grid.edge_s(length) for name, (length, grid) in _measured(store, video_ids)}


def _measured(store: FeatureStore, video_ids: Iterable[Any]) -> Iterator[tuple[str, tuple[int, TimeGrid]]]:
    """Number of rows and grid of those videos that can be read; others raise their errors when they are wanted."""
    for video_id in video_ids:
        try:
            if video_id in store:
                yield video_id, (store.length(video_id), store.grid(video_id))
        except FeatureError:
            continue

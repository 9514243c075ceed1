"""Whether the times of detections can be seconds of their videos: frames and shares of a video are common mistakes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["time_notes"]

Floats = NDArray[np.float64]

_TOLERANCE_S, _TOLERANCE = 1.0, 0.02  # a last snippet may reach a little beyond the end of a video
_SHORT_S = 3.0  # in videos no longer than this, times within [0, 1] may be seconds
_ENOUGH = 3  # videos of unknown duration that all seem to have actions in their first second only
_LONGER = 8.0  # times how far the annotated instances reach: no plausible rest of a video
_CAUSES = (  # the smallest factor by which times exceed durations, and what the times then are
    (200.0, "are they milliseconds? Divide them by 1000."),
    (5.0, "are they frames? Divide them by the frame rate."),
    (1.15, "are they snippets, or frames of another rate? Convert them to seconds."),
    (0.0, "are they of the same videos as the annotations?"),
)


def time_notes(
    detections: pd.DataFrame, durations_s: Mapping[str, float], annotated_s: Mapping[str, float]
) -> list[str]:
    """Note times that lie outside their videos or all within [0, 1], with the likely cause.

    Args:
        detections: One row per detection: ``video_id``, ``start_s``, ``end_s``.
        durations_s: Duration of each video in seconds, NaN where unknown.
        annotated_s: End of the last instance of each video that has one, in seconds.

    >>> found = pd.DataFrame({"video_id": ["a", "a"], "start_s": [50.0, 250.0], "end_s": [150.0, 300.0]})
    >>> for note in time_notes(found, {"a": 12.0}, {}):
    ...     print(note.partition("? ")[0])
    2 of 2 detections end after the end of their video, up to 300 s of 12 s: are they frames
    """
    if detections.empty:
        return []
    notes = [_before_the_start(detections), _within_one(detections, durations_s, annotated_s)]
    notes.append(_after_the_end(detections, durations_s) or _far_beyond(detections, durations_s, annotated_s))
    return [note for note in notes if note]


def _before_the_start(detections: pd.DataFrame) -> str:
    count = int((detections["start_s"] < -_TOLERANCE_S).sum())
    return f"{count} of {len(detections)} detections start before their video." if count else ""


def _after_the_end(detections: pd.DataFrame, durations_s: Mapping[str, float]) -> str:
    duration, end = detections["video_id"].map(durations_s).to_numpy(float), detections["end_s"].to_numpy(float)
    with np.errstate(invalid="ignore"):
        late = end > duration + np.maximum(_TOLERANCE_S, _TOLERANCE * duration)
    if not late.any():
        return ""
    worst = int(np.argmax(np.where(late, end / np.maximum(duration, 1e-9), -np.inf)))
    return (
        f"{late.sum()} of {len(detections)} detections end after the end of their video, up to {end[worst]:g} s of "
        f"{duration[worst]:g} s: {_cause(end[worst] / max(duration[worst], 1e-9))}"
    )


def _far_beyond(detections: pd.DataFrame, durations_s: Mapping[str, float], annotated_s: Mapping[str, float]) -> str:
    """The same where no duration is known, judged by how far the instances of all videos reach."""
    last = detections.groupby("video_id")["end_s"].max()
    known = [name for name in last.index if name in annotated_s and not np.isfinite(durations_s.get(name, np.nan))]
    reach, annotated = float(last[known].sum()), sum(annotated_s[name] for name in known)
    if not known or reach <= _LONGER * annotated:
        return ""
    return (
        f"The detections reach {reach / max(annotated, 1e-9):.0f} times as far into their videos as the annotated "
        f"instances: {_cause(reach / max(annotated, 1e-9))}"
    )


def _within_one(detections: pd.DataFrame, durations_s: Mapping[str, float], annotated_s: Mapping[str, float]) -> str:
    latest = float(detections["end_s"].max())
    names = detections["video_id"].unique()
    lengths = [np.fmax(durations_s.get(name, np.nan), annotated_s.get(name, np.nan)) for name in names]
    longest = np.nanmax([0.0, *lengths])
    if latest > 1.05 or detections["start_s"].min() < -_TOLERANCE_S:
        return ""
    if np.median(np.nan_to_num(lengths)) <= _SHORT_S and (longest or len(names) < _ENOUGH):
        return ""
    though = f", though the videos last up to {longest:g} s" if longest else ""
    return (
        f"All {len(detections)} detections lie in the first second of their video{though}: are they shares of the "
        "video, from 0 to 1? Multiply them by its duration."
    )


def _cause(factor: float) -> str:
    return next(cause for least, cause in _CAUSES if factor >= least)

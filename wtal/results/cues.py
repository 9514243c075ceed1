"""Detections for people to look at, as cues with a text, from which subtitles and annotations are made."""

import re
from bisect import bisect
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from wtal.errors import PredictionError

__all__ = ["SHARE_OF_BEST", "Cue", "above_floor", "cues_of", "one_line", "shown"]

SHARE_OF_BEST = 0.3  # of the best score of a video; see `shown`
_LATEST_S = 1e8  # three years; the hours of a subtitle have few digits


class Cue(NamedTuple):
    """One detection for display.

    Attributes:
        start_ms: Start in milliseconds, at least 0.
        end_ms: End in milliseconds, after the start.
        label: Class name on one line, in characters that every format can hold.
        text: Class name and score.
    """

    start_ms: int
    end_ms: int
    label: str
    text: str


def shown(
    table: pd.DataFrame,
    minimum: float | None = None,
    overlapping: bool = False,
    floors: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Choose the detections of one video that are worth a look, best first.

    Soft suppression leaves hundreds of overlapping detections per video, with scores that are not comparable between
    methods. They raise the mAP, but nobody wants to read them.

    Args:
        table: Detections of one video: ``label``, ``start_s``, ``end_s``, ``score``.
        minimum: Lowest score; by default :data:`SHARE_OF_BEST` of the best score of the video, of those classes that
            reach their floor.
        overlapping: Whether to keep detections that overlap a better one of their class.
        floors: Score that the best detection of each class must reach, as learned in training, see
            :func:`above_floor`; without it, the best one is always shown, also in a video without any action.

    Source:
        Our choice: of the shares 0.2 to 0.7, this one has the best or nearly the best F1 at tIoU 0.3 on P-MIL's base
        detections and on ours of simulated THUMOS14 and of the embedded benchmark (0.55, 0.66, 0.93).
    """
    table = table.sort_values("score", ascending=False, kind="stable")
    if minimum is None:
        table = table[above_floor(table.assign(video_id=""), floors or {})]
        best = table["score"].max()
        minimum = min(best, SHARE_OF_BEST * best)  # keeps the best one even if all scores are negative
    table = table[table["score"] >= minimum]
    return table if overlapping else table[_without_better(table)]


def above_floor(table: pd.DataFrame, floors: Mapping[str, float]) -> "pd.Series[bool]":
    """Whether the best detection of each one's class in its video reaches the floor of the class.

    A class that stays below its floor is taken to be absent; one that reaches it keeps all its detections.

    >>> found = pd.DataFrame({"video_id": ["a", "a", "b"], "label": ["run"] * 3, "score": [0.6, 0.2, 0.4]})
    >>> above_floor(found, {"run": 0.5}).tolist()
    [True, True, False]
    """
    lowest = table["label"].map(lambda label: floors.get(label, -np.inf)).astype(float)
    best: pd.Series[float] = table.groupby(["video_id", "label"])["score"].transform("max")
    return best >= lowest


def _without_better(table: pd.DataFrame) -> np.ndarray:
    """Whether each detection, best first, is kept because it overlaps no better kept one of its class."""
    taken: dict[str, tuple[list[float], list[float]]] = {}  # disjoint and ordered by time
    kept = []
    for label, start_s, end_s in zip(table["label"], table["start_s"], table["end_s"], strict=True):
        starts, ends = taken.setdefault(label, ([], []))
        place = bisect(starts, start_s)
        kept.append((not place or ends[place - 1] <= start_s) and (place == len(starts) or end_s <= starts[place]))
        if kept[-1]:
            starts.insert(place, start_s)
            ends.insert(place, end_s)
    return np.array(kept, bool)


def cues_of(video: str, table: pd.DataFrame) -> Iterator[Cue]:
    """Turn detections into cues, ordered by time and, at the same time, by score; time before 0 s is cut off.

    Args:
        video: Name of the video.
        table: Its detections, best first: ``label``, ``start_s``, ``end_s``, ``score``.

    Raises:
        PredictionError: If a time is not finite or later than any video.
    """
    ordered = table.sort_values(["start_s", "end_s"], kind="stable")[["label", "start_s", "end_s", "score"]]
    for label, start_s, end_s, score in ordered.itertuples(index=False):
        if not -_LATEST_S < start_s <= end_s < _LATEST_S:
            raise PredictionError(f"A detection in video {video} is [{start_s}, {end_s}] s: no video is that long.")
        start_ms, end_ms = (max(0, round(1000 * time_s)) for time_s in (start_s, end_s))
        if end_s >= 0:
            name = one_line(label)
            yield Cue(start_ms, max(end_ms, start_ms + 1), name, f"{name} {score:.3g}")  # no cue may be empty


def one_line(text: str) -> str:
    r"""Put a name on one line, without the characters that XML cannot hold.

    >>> one_line("high\n jump\x00 \ud800")
    'high jump\ufffd \ufffd'
    """
    words = " ".join(str(text).split())
    return re.sub("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\x7f", "\ufffd", words) or "\ufffd"

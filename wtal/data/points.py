"""Points: one time inside each action instance, as an annotator clicks it."""

import math
from pathlib import Path

import pandas as pd

from wtal.errors import AnnotationError
from wtal.io.columns import known
from wtal.io.tables import read_table
from wtal.io.text import plain
from wtal.io.times import seconds
from wtal.video.files import video_name

__all__ = ["read_points"]

_COLUMNS = ("video", "label", "time")


def read_points(path: Path) -> pd.DataFrame:
    """Read a table with the columns ``video``, ``label`` and ``time`` (seconds); others are ignored.

    Returns:
        One row per point: ``video_id``, ``label``, ``time_s`` and ``line``, its line in the file.

    Raises:
        AnnotationError: If the file cannot be read, lacks a column, or has a time that is not a number.
    """
    table = read_table(path, AnnotationError, known(*_COLUMNS), numbers=("time",))
    lacking = [name for name in _COLUMNS if name not in table.columns]
    if lacking:
        raise AnnotationError(f"{path} has no column {lacking[0]!r}: points need {', '.join(_COLUMNS)}.")
    rows = [
        (plain(video_name(row["video"].strip())), plain(row["label"]), _seconds(path, line, row["time"].strip()), line)
        for line, row in table.records()
    ]
    return pd.DataFrame(rows, columns=["video_id", "label", "time_s", "line"])


def _seconds(path: Path, line: int, text: str) -> float:
    value = seconds(text)
    if not math.isfinite(value):
        raise AnnotationError(f"{path}, line {line}: the time {text!r} is not a number of seconds; correct it.")
    return value

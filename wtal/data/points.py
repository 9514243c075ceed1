"""Points: one time inside each action instance, as an annotator clicks it."""

import math
from pathlib import Path

import pandas as pd

from wtal.errors import AnnotationError
from wtal.io.tables import read_table

__all__ = ["read_points"]

_COLUMNS = ("video", "label", "time")


def read_points(path: Path) -> pd.DataFrame:
    """Read a CSV file with the columns ``video``, ``label`` and ``time`` (seconds); others are ignored.

    Returns:
        One row per point: ``video_id``, ``label``, ``time_s`` and ``line``, its line in the file.

    Raises:
        AnnotationError: If the file cannot be read, lacks a column, or has a time that is not a number.
    """
    table = read_table(path, AnnotationError)
    lacking = [name for name in _COLUMNS if name not in table.columns]
    if lacking:
        raise AnnotationError(f"{path} has no column {lacking[0]!r}: points need {', '.join(_COLUMNS)}.")
    rows = [
        (row["video"].strip(), row["label"].strip(), _seconds(path, line, row["time"].strip()), line)
        for line, row in table.records()
    ]
    return pd.DataFrame(rows, columns=["video_id", "label", "time_s", "line"])


def _seconds(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnnotationError(f"{path}, line {line}: the time {text!r} is not a number of seconds; correct it.")
    return value

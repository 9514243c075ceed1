"""Points: for each action instance one time at which it happens, as an annotator clicks it."""

import csv
import math
from pathlib import Path

import pandas as pd

from wtal.errors import AnnotationError

__all__ = ["read_points"]

_COLUMNS = ("video", "label", "time")


def read_points(path: Path) -> pd.DataFrame:
    """Read a CSV file with the columns ``video``, ``label`` and ``time`` (seconds); others are ignored.

    Returns:
        One row per point: ``video_id``, ``label``, ``time_s`` and ``line``, its line in the file.

    Raises:
        AnnotationError: If the file cannot be read, lacks a column, or has a time that is no number.
    """
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise AnnotationError(f"{path} has no column {lacking[0]!r}: points need {', '.join(_COLUMNS)}.")
            for row in reader:
                video, label, time = ((row[name] or "").strip() for name in _COLUMNS)
                rows.append((video, label, _seconds(path, reader.line_num, time), reader.line_num))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{path} cannot be read as a table of points ({error}): correct it.") from error
    return pd.DataFrame(rows, columns=["video_id", "label", "time_s", "line"])


def _seconds(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnnotationError(f"{path}, line {line}: the time {text!r} is no number of seconds; correct it.")
    return value

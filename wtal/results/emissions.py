"""Detections of streams as lines of JSON, each with the time at which it was known."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wtal.errors import PredictionError, brief
from wtal.io.bounds import read_json, read_text
from wtal.io.times import seconds

__all__ = ["emission_line", "read_emission_times", "read_lines"]

_NAMES = ("emitted", "emitted_s", "gentime")  # the last is that of MATR's code


def emission_line(video: str, label: str, start_s: float, end_s: float, score: float, emitted_s: float) -> str:
    """One detection as a line, with times in seconds of the stream.

    >>> emission_line("film", "run", 1.25, 3.5, 0.51234567, 4.16)
    '{"video": "film", "label": "run", "start": 1.25, "end": 3.5, "score": 0.512346, "emitted": 4.16}'
    """
    row = {"video": video, "label": label, "start": round(start_s, 3), "end": round(end_s, 3)}
    return json.dumps({**row, "score": round(score, 6), "emitted": round(emitted_s, 3)}, ensure_ascii=False)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file that has one in each line; empty lines are skipped.

    Raises:
        PredictionError: If a line is something else.
    """
    rows = []
    for number, line in enumerate(read_text(path, PredictionError).split("\n"), 1):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError) as error:
            raise PredictionError(f"{path}: line {number} is no JSON object: correct or remove it.") from error
        if row is not None and not isinstance(row, dict):
            raise PredictionError(f"{path}: line {number} must be a JSON object, not {brief(row)}.")
        rows += [] if row is None else [row]
    return rows


def read_emission_times(path: Path) -> NDArray[np.float64]:
    """When each detection was known, in seconds, in the order of :func:`~wtal.results.predictions.read_predictions`.

    Args:
        path: A ``.jsonl`` file of ``wtal detect --live``, or a ``.json`` file in ActivityNet's format whose detections
            have ``emitted``, or ``gentime`` as in MATR's code.

    Raises:
        PredictionError: If a detection has no such time.
    """
    if path.suffix.lower() not in (".json", ".jsonl"):
        raise PredictionError(f"{path} cannot say when its detections were known: give the .jsonl of a live detection.")
    times = []
    for row in _rows(path):
        value = next((row[name] for name in _NAMES if name in row), None)
        time_s = float(seconds(value)) if isinstance(value, int | float | str) else np.nan
        if not np.isfinite(time_s):
            raise PredictionError(
                f"{path}: {brief(row)} must have `emitted`, the time in seconds at which the detection was known."
            )
        times.append(time_s)
    return np.array(times, dtype=float)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The detections of a file, video after video."""
    if path.suffix.lower() == ".jsonl":
        yield from read_lines(path)
        return
    content = read_json(path, PredictionError, join=True)
    results = content.get("results", content) if isinstance(content, dict) else content
    parts = results.values() if isinstance(results, dict) else [results]
    for part in parts:
        yield from (row for row in part if isinstance(row, dict)) if isinstance(part, list) else ()

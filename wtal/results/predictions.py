"""Prediction files, read and written: ActivityNet's JSON, the common format of the field, and CSV."""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wtal.errors import PredictionError, brief
from wtal.io.bounds import read_json
from wtal.io.files import write_text
from wtal.io.tables import read_table

if TYPE_CHECKING:  # evaluating a file needs no torch
    from wtal.types import Detections

__all__ = ["COLUMNS", "as_detections", "as_table", "read_predictions", "write_predictions", "write_table"]

COLUMNS = ("video_id", "label", "start_s", "end_s", "score")
_SYNONYMS = {"video_id": ("video",), "start_s": ("start", "t_start"), "end_s": ("end", "t_end")}


def as_table(detections: Mapping[str, "Detections"], class_names: Sequence[str]) -> pd.DataFrame:
    """Turn the detections of videos, by name, into one table with one row each: :data:`COLUMNS`, labels by name."""
    rows = [
        (video, class_names[label], start_s, end_s, score)
        for video, found in detections.items()
        for start_s, end_s, label, score in zip(*(column.tolist() for column in found), strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[2:], float))


def as_detections(table: pd.DataFrame, class_names: Sequence[str]) -> dict[str, "Detections"]:
    """Turn the rows of a table into detections by name of the video, best first.

    Raises:
        PredictionError: If a label is not among the class names.
    """
    import torch

    from wtal.types import Detections

    index = {name: label for label, name in enumerate(class_names)}
    unknown = table[~table["label"].isin(index.keys())]
    if len(unknown):
        video, label = unknown.iloc[0][["video_id", "label"]]
        raise PredictionError(
            f"The label {label!r} predicted in video {video} is not among the {len(index)} class names; "
            "give the class list that the predictions were made with."
        )
    found = {}
    for video, rows in table.groupby("video_id", sort=False):
        rows = rows.sort_values("score", ascending=False, kind="stable")
        start_s, end_s, score = (torch.tensor(rows[name].to_numpy(float)) for name in ("start_s", "end_s", "score"))
        found[str(video)] = Detections(start_s, end_s, torch.tensor(rows["label"].map(index).tolist()), score)
    return found


def write_predictions(path: Path, detections: Mapping[str, "Detections"], class_names: Sequence[str]) -> None:
    """Write the detections of videos, with all digits.

    Args:
        path: Path with the extension ``.json`` (ActivityNet's format; a video without detections has an empty list) or
            ``.csv`` (one row per detection). An existing file is replaced once the new one is complete.
        detections: Detections by name of the video.
        class_names: Class names by index of the label.

    Raises:
        PredictionError: If the path has another extension, or a value is not finite.
    """
    write_table(path, as_table(detections, class_names), list(detections))


def write_table(path: Path, table: pd.DataFrame, videos: Sequence[str], note: str = "") -> None:
    """Write a table of detections in the formats, and with the errors, of :func:`write_predictions`.

    Args:
        path: Path with the extension ``.json`` or ``.csv``.
        table: One row per detection: :data:`COLUMNS`.
        videos: Names of all videos, including those without detections.
        note: A remark for readers: ``external_data`` of the JSON, a last column of the CSV.
    """
    path = Path(path)
    if path.suffix.lower() not in {".json", ".csv"}:
        raise PredictionError(f"{path} must end in .json or .csv: predictions are written in these formats.")
    for row in table[~table[["start_s", "end_s", "score"]].map(math.isfinite).all(axis=1)].itertuples():
        raise PredictionError(
            f"{path} is not written: a detection in video {row.video_id} has start, end and score "
            f"{row.start_s}, {row.end_s}, {row.score}, which must be finite; look for NaN in the features or weights."
        )
    as_csv = path.suffix.lower() == ".csv"
    write_text(path, _as_csv(table.assign(note=note) if note else table) if as_csv else _as_json(table, videos, note))


def _as_csv(table: pd.DataFrame) -> str:
    try:
        text = table.to_csv(index=False)
        if re.search("\r|(?:^|,) ", text, re.MULTILINE):  # a reader would take it for the end of a row or for padding
            text = table.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    except csv.Error as error:  # for a null character, before Python 3.11
        raise PredictionError(f"CSV cannot hold one of the names ({error}): rename it, or write JSON.") from error
    return text


def _as_json(table: pd.DataFrame, videos: Sequence[str], note: str) -> str:
    results: dict[str, list[dict[str, Any]]] = {video: [] for video in videos}
    for video, label, start_s, end_s, score in table.itertuples(index=False):
        results[video].append({"label": label, "score": score, "segment": [start_s, end_s]})
    external = {"details": note} if note else {}
    return json.dumps({"version": "VERSION 1.3", "results": results, "external_data": external}, ensure_ascii=False)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions in ActivityNet's format or from a table.

    Args:
        path: A ``.json`` file with ``results`` (its other keys are ignored), or a ``.csv`` or ``.tsv`` file with the
            columns ``video_id`` (or ``video``), ``label``, ``start_s``, ``end_s`` (or ``start``, ``end``) and
            ``score``; or a folder of such files, each with the predictions of different videos.

    Returns:
        One row per detection, in the order of the file: :data:`COLUMNS`.

    Raises:
        PredictionError: If the file is unreadable or has another format, a value is missing or not a finite number, a
            segment ends before it starts, or two files of a folder have predictions of the same video.
    """
    path = Path(path)
    if path.is_dir():
        return _joined(path, [file for file in sorted(path.iterdir()) if file.suffix.lower() in _READERS])
    if not path.is_file():
        raise PredictionError(f"{path} does not exist: give a prediction file.")
    if path.suffix.lower() not in _READERS:
        raise PredictionError(f"{path} has an unknown extension for predictions: give a .json, .csv or .tsv file.")
    return _checked(path, pd.DataFrame(_READERS[path.suffix.lower()](path), columns=list(COLUMNS), dtype=object))


def _joined(folder: Path, files: Sequence[Path]) -> pd.DataFrame:
    if not files:
        raise PredictionError(f"{folder} holds no .json, .csv or .tsv file of predictions.")
    parts = {file: read_predictions(file) for file in files}
    owner: dict[str, Path] = {}
    for file, part in parts.items():
        for video in part["video_id"].unique():
            if video in owner:
                raise PredictionError(
                    f"{owner[video]} and {file} both have predictions of video {video}: a folder must hold the parts "
                    "of one set of predictions; list several sets one by one."
                )
            owner[video] = file
    return pd.concat(parts.values(), ignore_index=True)


def _read_json(path: Path) -> Iterator[tuple[Any, ...]]:
    content = read_json(path, PredictionError)
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, dict):
        raise PredictionError(f"{path} has no `results` of videos: give predictions in ActivityNet's format.")
    for video, found in results.items():
        if not isinstance(found, list):
            raise PredictionError(f"{path}: the predictions of video {video} must be a list.")
        for one in found:
            try:
                start_s, end_s = one["segment"]
                yield video, one["label"], start_s, end_s, one["score"]
            except (KeyError, TypeError, ValueError) as error:
                raise PredictionError(
                    f"{path}: a prediction of video {video} must have `label`, `score` and a `segment` of start and "
                    f"end, not {brief(one)}."
                ) from error


def _read_table(path: Path) -> Iterator[tuple[str, ...]]:
    table = read_table(path, PredictionError, {name: _SYNONYMS.get(name, ()) for name in COLUMNS}, numbers=COLUMNS[2:])
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise PredictionError(
            f"{path} lacks the column {missing[0]!r}; a table of predictions has {', '.join(COLUMNS)}."
        )
    yield from table.select(*COLUMNS)


def _checked(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Check the values and give the columns their types; the first impossible value raises."""
    is_name = table["label"].map(lambda label: isinstance(label, str) and bool(label)).astype(bool)
    for video, label in table.loc[~is_name, ["video_id", "label"]].itertuples(index=False, name=None):
        raise PredictionError(
            f"{path}: a prediction of video {video} has the label {brief(label)}; it must be a class name."
        )
    for name in {*table["video_id"], *table["label"]}:
        if re.search("[\ud800-\udfff]", name):
            raise PredictionError(f"{path}: {name!r} is not valid text, as it holds half of a surrogate pair.")
    numbers = table[list(COLUMNS[2:])].map(_number).astype(float)
    for row in map(int, np.flatnonzero(~np.isfinite(numbers.to_numpy()).all(axis=1))):
        video, _, *values = table.loc[row]
        raise PredictionError(
            f"{path}: a prediction of video {video} has start, end and score {', '.join(map(brief, values))}; "
            "they must be finite numbers."
        )
    for row in map(int, np.flatnonzero(numbers["end_s"] < numbers["start_s"])):
        start_s, end_s = numbers.loc[row, ["start_s", "end_s"]]
        raise PredictionError(
            f"{path}: a prediction of video {table['video_id'].iloc[row]} ends before it starts: "
            f"[{start_s:g}, {end_s:g}]."
        )
    return pd.concat([table[["video_id", "label"]].astype(str), numbers], axis=1)


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


_READERS = {".json": _read_json, ".csv": _read_table, ".tsv": _read_table}

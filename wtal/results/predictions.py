"""Prediction files, read and written: ActivityNet's JSON, the common format of the field, and CSV."""

import csv
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wtal.data.records import label_text
from wtal.errors import FeatureError, PredictionError, brief
from wtal.io.bounds import read_json
from wtal.io.columns import canonical, known
from wtal.io.files import write_text
from wtal.io.tables import in_seconds, read_table
from wtal.io.times import seconds
from wtal.io.unpickle import load_pickle
from wtal.results.emissions import read_lines
from wtal.video.files import video_name

if TYPE_CHECKING:  # evaluating a file needs no torch
    from wtal.types import Detections

__all__ = [
    "COLUMNS",
    "as_detections",
    "as_table",
    "empty_videos",
    "read_predictions",
    "write_predictions",
    "write_table",
]

COLUMNS = ("video_id", "label", "start_s", "end_s", "score")
_NAMES = {"video_id": "video", "label": "label", "start_s": "start", "end_s": "end", "score": "score"}  # in tables


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
    for name in {*table["video_id"], *table["label"]}:
        if "\0" in name:  # no reader takes it for text, and before Python 3.11 no writer does
            raise PredictionError(f"CSV cannot hold the null character of {name!r}: rename it, or write JSON.")
    text = table.to_csv(index=False)
    if "\r" in text:  # a reader would take it for the end of a row
        text = table.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    return text


def _as_json(table: pd.DataFrame, videos: Sequence[str], note: str) -> str:
    results: dict[str, list[dict[str, Any]]] = {video: [] for video in videos}
    for video, label, start_s, end_s, score in table.itertuples(index=False):
        results[video].append({"label": label, "score": score, "segment": [start_s, end_s]})
    external = {"details": note} if note else {}
    return json.dumps({"version": "VERSION 1.3", "results": results, "external_data": external}, ensure_ascii=False)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions in ActivityNet's format or from a table.

    Labels may be numbers, which become text; a video may be given by its file, ``run.mp4``.

    Args:
        path: A ``.json`` file with ``results`` (its other keys are ignored) or with the list of each video at its top;
            a ``.jsonl`` file of a live detection, with one object a line; a ``.csv``, ``.tsv`` or ``.txt`` file with
            the columns ``video``, ``label``, ``start``, ``end`` and ``score``, also under names of other programs
            (:data:`~wtal.io.columns.COLUMNS`); a ``.pkl`` file with such columns, such as ActionFormer's
            ``eval_results.pkl``; or a folder of such files, each with the predictions of different videos.

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
        raise PredictionError(
            f"{path} has an unknown extension for predictions: give .json, .csv (also of a workbook), .tsv or .pkl."
        )
    return _checked(path, pd.DataFrame(_READERS[path.suffix.lower()](path), columns=list(COLUMNS), dtype=object))


def empty_videos(path: Path) -> list[str]:
    """Names of the videos that a JSON file lists without any detection.

    Args:
        path: A file that :func:`read_predictions` can read.
    """
    content = read_json(path, PredictionError, join=True) if path.is_file() and path.suffix == ".json" else None
    results = content.get("results") if isinstance(content, dict) else None
    return [_video(name) for name, found in results.items() if not found] if isinstance(results, dict) else []


def _joined(folder: Path, files: Sequence[Path]) -> pd.DataFrame:
    if not files:
        raise PredictionError(f"{folder} holds no .json, .csv, .tsv or .pkl file of predictions.")
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
    yield from _read_results(path, read_json(path, PredictionError, join=True))


def _read_results(path: Path, content: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401  any content
    """The predictions of each video, or a list with one object a detection."""
    results = _results_in(content)
    if isinstance(results, list) and results and all(isinstance(row, dict) for row in results):
        yield from _read_rows(path, results)
        return
    if not isinstance(results, dict) or (results is content and not _are_of_videos(results)):
        raise PredictionError(f"{path} has no `results` of videos: give predictions in ActivityNet's format.")
    for video, found in results.items():
        if not isinstance(found, list):
            raise PredictionError(f"{path}: the predictions of video {video} must be a list.")
        for one in found:
            yield video, *_read_one(path, video, one)


def _results_in(content: Any) -> Any:  # noqa: ANN401
    """The results of each video: those of ``results``, of annotations with scores (``wtal distill``), or all."""
    if not isinstance(content, dict):
        return content
    database = content.get("database")
    if content.get("pseudo") is not True or not isinstance(database, dict):
        return content.get("results", content)
    return {name: entry.get("annotations") for name, entry in database.items() if isinstance(entry, dict)}


def _are_of_videos(content: Mapping[str, Any]) -> bool:
    """Whether an object has the predictions of each video without the level `results`; a row would name its video."""
    rows = [row for found in content.values() for row in (found if isinstance(found, list) else [None])]
    named = (isinstance(row, dict) and all(isinstance(name, str) for name in row) for row in rows)
    return bool(content) and all(named) and not any("video" in _cells(row) for row in rows if row)


def _read_one(path: Path, video: str, one: Any) -> tuple[Any, ...]:  # noqa: ANN401  any content
    """Label, start, end and score of one prediction."""
    try:
        if "segment" in one and "label" in one and "score" in one:
            start_s, end_s = one["segment"]
            return one["label"], start_s, end_s, one["score"]
        cells = _cells(one)
        return tuple(cells[name] for name in ("label", "start", "end", "score"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PredictionError(
            f"{path}: a prediction of video {video} must have `label`, `score` and a `segment` of start and "
            f"end, not {brief(one)}."
        ) from error


def _read_table(path: Path) -> Iterator[tuple[Any, ...]]:
    table = read_table(path, PredictionError, _KNOWN, numbers=(*_NAMES.values(), "start_ms", "end_ms"))
    table = in_seconds(table, PredictionError)
    for video, *cells in table.select(*_in_order(path, table.columns)):
        yield video, *cells


def _read_rows(path: Path, content: Sequence[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """A JSON list with one object a detection."""
    for row in content:
        cells = _cells(row)
        yield tuple(cells[name] for name in _in_order(path, tuple(cells)))


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an object by canonical names, with the ends of its `segment`."""
    segment = row.get("segment")
    if isinstance(segment, list) and len(segment) == 2:
        row = {**row, "start": segment[0], "end": segment[1]}
    return dict(zip(canonical(list(row), _KNOWN), row.values(), strict=True))


def _read_pickle(path: Path) -> Iterator[tuple[Any, ...]]:
    try:
        content = load_pickle(path)
    except FeatureError as error:
        raise PredictionError(f"{error} Or save the predictions as a table in CSV.") from error
    if not isinstance(content, dict):
        raise PredictionError(f"{path} holds no columns of predictions: save them as CSV with {', '.join(COLUMNS)}.")
    if "results" in content or _are_of_videos(content):
        yield from _read_results(path, content)
        return
    header = [str(_decoded(name)) for name in content]
    columns = dict(zip(canonical(header, _KNOWN), content.values(), strict=True))
    chosen = [np.asarray(columns[name]).ravel().tolist() for name in _in_order(path, tuple(columns))]
    if len({len(column) for column in chosen}) > 1:
        raise PredictionError(f"{path} has columns of different lengths: save the predictions again.")
    for row in zip(*chosen, strict=True):
        yield tuple(map(_decoded, row))


def _decoded(value: Any) -> Any:  # noqa: ANN401  any content
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _in_order(path: Path, columns: Sequence[str]) -> list[str]:
    """Names of the columns in a table, in the order of :data:`COLUMNS`.

    Raises:
        PredictionError: If one is missing.
    """
    missing = [name for name in COLUMNS if _NAMES[name] not in columns]
    if missing:
        raise PredictionError(
            f"{path} lacks the column {missing[0]!r}; a table of predictions has {', '.join(COLUMNS)}, and this one "
            f"{', '.join(columns) or 'none'}."
        )
    return [_NAMES[name] for name in COLUMNS]


def _checked(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Check the values and give the columns their types; the first impossible value raises."""
    table = table.assign(label=table["label"].map(_label), video_id=table["video_id"].map(_video))
    for video in table.loc[table["label"] == "", "video_id"]:
        raise PredictionError(
            f"{path}: a prediction of video {video} has no label, or something else in its place; it must be a class "
            "name or number."
        )
    for name in {*table["video_id"], *table["label"]}:
        if re.search("[\ud800-\udfff]", name):
            raise PredictionError(f"{path}: {name!r} is not valid text, as it holds half of a surrogate pair.")
    numbers = table[list(COLUMNS[2:])].map(seconds).astype(float)
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


def _label(value: object) -> str:
    """A label as text; empty if the value cannot be one."""
    try:
        return value.strip() if isinstance(value, str) else label_text(value)
    except TypeError:
        return ""


def _video(value: object) -> str:
    return unicodedata.normalize("NFC", video_name(str(value).strip()))


_KNOWN = known("video", "label", "start", "end", "start_ms", "end_ms", "score")
_READERS = {
    ".json": _read_json,
    ".jsonl": lambda path: _read_rows(path, read_lines(path)),
    **dict.fromkeys((".csv", ".tsv", ".txt"), _read_table),
    **dict.fromkeys((".pkl", ".pickle"), _read_pickle),
}

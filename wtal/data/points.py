"""Points: one time inside each action instance, as an annotator clicks it, in the forms that are in use.

A file may hold more, such as the true segments that points were drawn from. Nothing but video, class and time leaves
this module.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.errors import AnnotationError, brief
from wtal.io.bounds import read_json
from wtal.io.columns import known
from wtal.io.files import write_text
from wtal.io.tables import Row, Table, read_table, split_rows
from wtal.io.text import plain, read_any_text
from wtal.io.times import seconds
from wtal.video.files import video_name

__all__ = ["Points", "frame_rates", "read_points", "write_points"]

_COLUMNS = ("video", "label", "time")
_ORIGIN = "# points "


@dataclass(frozen=True)
class Points:
    """Points of some videos.

    Args:
        table: One row per point: ``video_id``, ``label``, ``time_s`` and ``line``, its line in the file.
        origin: How they came about, if the file says so, such as ``drawn from the segments of gt.json``.
    """

    table: pd.DataFrame
    origin: str = ""


def read_points(path: Path, fps: float | Mapping[str, float] | None = None, seed: int = 0) -> Points:
    """Read points in any of the forms in use.

    These are a table with the columns ``video``, ``label`` and ``time`` in seconds; that of LACP and HR-Pro, whose
    ``point`` beside ``start_frame`` and ``stop_frame`` is a frame; and SF-Net's rows of video, seconds and class
    without a header, one file an annotator: of a folder of such files, an annotator is drawn for each video.

    Args:
        path: The file, or the folder of the annotators' files.
        fps: Frame rate of the videos where points are frames: one for all, or by name of the video.
        seed: Seed by which annotators are drawn.

    Returns:
        The points; bounds of instances are never among them, even where the file has them.

    Raises:
        AnnotationError: If a file cannot be read, lacks a column or a frame rate, or has a time that is not a number.

    Source:
        SF-Net, arXiv:2003.06845; LACP, arXiv:2108.05029; HR-Pro, arXiv:2308.12608; each in its authors' files.
    """
    path = Path(path)
    if not path.is_dir():
        return _of_file(path, fps)
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".txt", ".csv", ".tsv"))
    if not files:
        raise AnnotationError(
            f"{path} has no file of points (.txt, .csv): give the file, or a folder of annotators' files."
        )
    annotators = [_of_file(file, fps).table for file in files]
    rng, chosen = np.random.default_rng(seed), []
    for name in sorted({name for table in annotators for name in table["video_id"]}):
        table = annotators[rng.integers(len(annotators))]
        chosen.append(table[table["video_id"] == name])
    return Points(pd.concat(chosen, ignore_index=True), f"of {len(files)} annotators, one drawn for each video")


def _of_file(path: Path, fps: float | Mapping[str, float] | None) -> Points:
    text, _ = read_any_text(path, AnnotationError)
    first = next((line for line in text.splitlines() if line.strip()), "")
    cells = first.split(",")
    if len(cells) == 3 and math.isfinite(seconds(cells[1])):  # no header has a number there
        rows = _of_three(path, split_rows(path, text, ",", AnnotationError))
        return Points(_tabulated(path, Table(path, ("video", "time", "label"), rows), None))
    table, is_frame = _with_header(path)
    origin = first.removeprefix(_ORIGIN).rstrip(" ,;") if first.startswith(_ORIGIN) else ""
    return Points(_tabulated(path, table, _Rates(path, fps) if is_frame else None), origin)


def _with_header(path: Path) -> tuple[Table, bool]:
    """The table of a file, and whether its times are frames, as those of LACP and HR-Pro are."""
    names = known(*_COLUMNS) | {"point": ("point",), "start_frame": (), "stop_frame": ()}
    names["time"] = [name for name in names["time"] if name != "point"]
    table = read_table(path, AnnotationError, names, numbers=("time", "point"))
    is_frame = False
    if "time" not in table.columns:
        is_frame = "point" in table.columns and bool({"start_frame", "stop_frame"} & set(table.columns))
        table = replace(table, columns=tuple("time" if name == "point" else name for name in table.columns))
    for name in _COLUMNS:
        if name not in table.columns:
            raise AnnotationError(f"{path} has no column {name!r}: points need {', '.join(_COLUMNS)}.")
    return table, is_frame


def _of_three(path: Path, rows: list[Row]) -> list[Row]:
    for line, cells in rows:
        if len(cells) != 3:
            raise AnnotationError(f"{path}, line {line}: 3 cells expected, {len(cells)} found; correct it.")
    return rows


class _Rates:
    """Frames per second of each video.

    Args:
        path: The file of points, for messages.
        fps: One rate for all, or rates by name.
    """

    def __init__(self, path: Path, fps: float | Mapping[str, float] | None) -> None:
        self.path, self.fps = path, fps

    def of(self, video_id: str, line: int) -> float:
        """The rate of a video."""
        fps = self.fps.get(video_id) if isinstance(self.fps, Mapping) else self.fps
        if fps is None:
            of = f"of video {video_id} " if isinstance(self.fps, Mapping) else ""
            raise AnnotationError(
                f"{self.path}, line {line}: the points are frames, and the frame rate {of}is not known: give `fps`, a "
                "number or a file such as fps_dict.json or gt_full.json."
            )
        return fps


def _tabulated(path: Path, table: Table, rates: _Rates | None) -> pd.DataFrame:
    """Video, class and time of each row; whatever else a row holds is dropped here."""
    rows = []
    for line, row in table.records():
        name, time = plain(video_name(row["video"].strip())), _number(path, line, row["time"].strip())
        rows.append((name, plain(row["label"]), time / rates.of(name, line) if rates else time, line))
    return pd.DataFrame(rows, columns=["video_id", "label", "time_s", "line"])


def _number(path: Path, line: int, text: str) -> float:
    value = seconds(text)
    if not math.isfinite(value):
        raise AnnotationError(f"{path}, line {line}: the time {text!r} is not a number of seconds; correct it.")
    return value


def frame_rates(fps: float | Path) -> float | dict[str, float]:
    """Frame rates of videos: a number, or a JSON file of rates by video or of annotations that state them.

    Args:
        fps: The number or the file: LACP's ``fps_dict.json``, or annotations in ActivityNet's form whose videos have
            ``fps``, such as HR-Pro's ``gt_full.json`` and SF-Net's ``gtea_groundtruth.json``.

    Raises:
        AnnotationError: If the file has another form, or a rate is not above 0.
    """
    if isinstance(fps, int | float):
        return _rate("`fps`", fps)
    path = Path(fps)
    content = read_json(path, AnnotationError)
    content = content.get("database", content) if isinstance(content, dict) else content
    if not isinstance(content, dict):
        raise AnnotationError(f"{path} has no frame rates: give a number, or rates by name of the video.")
    rates = {
        plain(str(name)): value.get("fps") if isinstance(value, dict) else value for name, value in content.items()
    }
    return {
        name: _rate(f"{path}: the frame rate of {name}", value) for name, value in rates.items() if value is not None
    }


def _rate(what: str, value: object) -> float:
    rate = seconds(value)
    if not (math.isfinite(rate) and rate > 0):
        raise AnnotationError(f"{what} is {brief(value)}: it must be above 0.")
    return rate


def write_points(path: Path, table: pd.DataFrame, origin: str = "") -> None:
    """Write points as a table ``video,label,time``, which :func:`read_points` reads.

    Args:
        path: The file; an existing one is replaced once the new one is complete.
        table: Points with the columns ``video_id``, ``label`` and ``time_s``.
        origin: How they came about, which the file states in its first line.
    """
    rows = table[["video_id", "label", "time_s"]].rename(columns={"video_id": "video", "time_s": "time"})
    text = rows.to_csv(index=False, float_format="%.3f", lineterminator="\n")
    write_text(path, (f"{_ORIGIN}{origin}\n" if origin else "") + text)

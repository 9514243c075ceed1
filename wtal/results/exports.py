"""Detections for other programs: subtitles, ELAN annotations, label tracks of sound editors, JSON and CSV."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from wtal.data.annotations import first
from wtal.errors import ConfigError
from wtal.io.files import write_text
from wtal.io.text import counted
from wtal.results.cues import Cue, cues_of, shown
from wtal.results.elan import as_eaf
from wtal.results.label_tracks import as_audacity, as_raven
from wtal.results.predictions import as_table, write_table
from wtal.results.webvtt import as_vtt
from wtal.video.files import video_files

if TYPE_CHECKING:  # exporting a file needs no torch
    from wtal.types import Detections

__all__ = [
    "NOTHING_FOUND",
    "TABLES",
    "Format",
    "chosen_of",
    "export",
    "export_table",
    "file_name",
    "media_files",
    "print_found",
]

Format = Literal["json", "csv", "vtt", "eaf", "audacity", "raven"]

TABLES = ("json", "csv")  # of all videos; every other format is one file a video
_SUFFIXES = {"audacity": ".txt", "raven": ".selections.txt"}  # as these programs name them

NOTHING_FOUND = "no action found"
_LONGEST = 209  # bytes of a file name, without its extension and that of a draft


def export(
    detections: Mapping[str, "Detections"],
    folder: Path,
    formats: Sequence[Format],
    class_names: Sequence[str],
    media: Mapping[str, Path] | None = None,
    *,
    minimum: float | None = None,
    overlapping: bool = False,
) -> list[Path]:
    """Write the detections of videos, as :func:`export_table` does; a video without detections gets empty files."""
    table = as_table(detections, class_names)
    return export_table(table, folder, formats, list(detections), media, minimum=minimum, overlapping=overlapping)


def export_table(
    table: pd.DataFrame,
    folder: Path,
    formats: Sequence[Format],
    videos: Sequence[str] | None = None,
    media: Mapping[str, Path] | None = None,
    *,
    minimum: float | None = None,
    overlapping: bool = False,
    floors: Mapping[str, float] | None = None,
    note: str = "",
) -> list[Path]:
    """Write a table of detections for other programs.

    ``json`` (ActivityNet's format) and ``csv`` hold all detections with all digits, in ``detections.json`` and
    ``detections.csv``. ``vtt``, ``eaf``, ``audacity`` (label tracks, ``.txt``) and ``raven`` (selection tables,
    ``.selections.txt``) are for people: one file per video, named like the video, with the detections that
    :func:`~wtal.results.cues.shown` chooses, their classes and scores, and times in milliseconds. A subtitle is one
    line of plain text, so players can also use the file for chapters. In an ELAN file each class has a tier, and
    further ones, ``class (2)``, for overlapping detections, because those in one tier must not overlap. Subtitles and
    ELAN files of a video for which none is chosen say so; label tracks have no place for that.

    Args:
        table: Detections, with the columns :data:`~wtal.results.predictions.COLUMNS`.
        folder: Folder of the files; no name of a video or class leads out of it. Existing files are replaced.
        formats: The formats to write.
        videos: Names of all videos; by default those in the table.
        media: Video files by name of the video, which ``eaf`` links to.
        minimum: Lowest score; see :func:`~wtal.results.cues.shown`.
        overlapping: Whether to keep overlapping detections; see :func:`~wtal.results.cues.shown`.
        floors: Score that the best detection of each class must reach; see :func:`~wtal.results.cues.shown`.
        note: A remark for readers, such as that the weights are random; written to every file but label tracks.

    Returns:
        The files, those that hold all videos first.

    Raises:
        PredictionError: If a value is not finite or a time is later than any video.
        ConfigError: If a format is unknown.
    """
    for kind in formats:
        if kind not in get_args(Format):
            raise ConfigError(f"{kind!r} is not a format of detections: choose from {', '.join(get_args(Format))}.")
    names = list(dict.fromkeys(table["video_id"])) if videos is None else videos
    tables = [folder / f"detections.{kind}" for kind in formats if kind in TABLES]
    for path in tables:
        write_table(path, table, names, note)
    per_video = [kind for kind in formats if kind not in TABLES]
    if not per_video:
        return tables
    chosen = chosen_of(table, names, minimum, overlapping, floors)
    return [*tables, *_write_videos(chosen, folder, per_video, media or {}, note)]


def chosen_of(
    table: pd.DataFrame,
    videos: Sequence[str],
    minimum: float | None = None,
    overlapping: bool = False,
    floors: Mapping[str, float] | None = None,
) -> dict[str, pd.DataFrame]:
    """The detections of each video that are worth a look; see :func:`~wtal.results.cues.shown`."""
    rows = dict(list(table.groupby("video_id", sort=False)))
    return {name: shown(rows.get(name, table[:0]), minimum, overlapping, floors) for name in videos}


def print_found(chosen: Mapping[str, pd.DataFrame], output: Path, without_floor: bool = False) -> None:
    """Print how many of the chosen detections there are, and in which videos there is none.

    Args:
        chosen: Chosen detections of each video.
        output: The folder that they were written to.
        without_floor: Whether nothing is known about the lowest score of an action; a remark then says so.
    """
    count, empty = sum(map(len, chosen.values())), [name for name, table in chosen.items() if table.empty]
    videos = counted(len(chosen), "video")
    if len(empty) < len(chosen):
        print(f"{counted(count, 'action')} found in {len(chosen) - len(empty)} of {videos} -> {output}")
    if empty:
        print(f"{NOTHING_FOUND} in {len(empty)} of {videos}: {first(empty)}.")
    if without_floor:
        print(
            "No lowest score of an action was learned for these detections, so even a video without any action shows "
            "its best ones; `--minimum` sets one."
        )


def _write_videos(
    chosen: Mapping[str, pd.DataFrame], folder: Path, formats: Sequence[Format], media: Mapping[str, Path], note: str
) -> Iterator[Path]:
    """Write the files of each video, and yield their paths."""
    for video, table in chosen.items():
        cues = list(cues_of(video, table))
        text = "; ".join(filter(None, [note, "" if cues else NOTHING_FOUND]))
        for kind in formats:
            path = folder / f"{file_name(video)}{_SUFFIXES.get(kind, f'.{kind}')}"
            write_text(path, _as(kind, cues, path, media.get(video), text))
            yield path


def _as(kind: Format, cues: Sequence[Cue], path: Path, medium: Path | None, note: str) -> str:
    if kind == "vtt":
        return as_vtt(cues, note)
    if kind == "eaf":
        return as_eaf(cues, path, medium, note)
    return as_audacity(cues) if kind == "audacity" else as_raven(cues)


def file_name(name: str) -> str:
    r"""Turn the name of a video into the name of a file that any file system accepts; unchanged if possible.

    Characters that are not allowed become ``_``, and a few digits then distinguish it from similar names.

    >>> [file_name("v_1 run.x"), file_name("../v_1"), file_name(".")]
    ['v_1 run.x', '_._v_1-5b51b181', '_-d8a7128a']
    """
    plain = re.sub(r'^[. ]|[. ]$|[\x00-\x1f\x7f-\x9f<>:"/\\|?*\ud800-\udfff]', "_", name)
    if len(plain.encode()) > _LONGEST:
        plain = plain.encode()[: _LONGEST - 9].decode(errors="ignore")
    if plain == name and name:
        return name
    digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    return f"{plain}-{digest}"


def media_files(folder: Path, videos: Sequence[str]) -> dict[str, Path]:
    """Find the files of videos, named like the videos apart from their extensions."""
    files = {file.stem: file for file in reversed(video_files(folder))}  # the first of several
    return {video: files[video] for video in videos if video in files}

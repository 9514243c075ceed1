"""Detections for other programs: subtitles (WebVTT), ELAN's annotations (EAF), JSON and CSV."""

import hashlib
import heapq
import html
import mimetypes
import os
import re
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from wtal.errors import ConfigError, PredictionError
from wtal.io.extras import from_extra
from wtal.io.files import write_text
from wtal.results.predictions import as_table, write_table
from wtal.video.files import video_files

if TYPE_CHECKING:  # exporting a file needs no torch
    from wtal.types import Detections

__all__ = ["SHARE_OF_BEST", "Format", "export", "export_table", "file_name", "media_files", "one_line", "shown"]

Format = Literal["json", "csv", "vtt", "eaf"]

SHARE_OF_BEST = 0.3  # of a video's best score; see `shown`
_LONGEST = 209  # bytes of a file's name, endings and those of a draft not counted
_LATEST_S = 1e8  # three years; a subtitle's hours have few digits


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
    """Write detections of videos by name; see :func:`export_table`. A video without any gets files that say so."""
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
    note: str = "",
) -> list[Path]:
    """Write a table of detections for other programs.

    ``json`` (ActivityNet's form) and ``csv`` hold all of them, ``detections.json`` and ``detections.csv``, with all
    digits. ``vtt`` and ``eaf`` are for people: a file for each video, named as it is, with what :func:`shown` leaves,
    each with its class and score, times in milliseconds. A subtitle is one line of plain text, so players also take
    the file for chapters. In ELAN's file each class has a tier, and further ones, ``class (2)``, for instances that
    overlap, since those of one tier must not.

    Args:
        table: :data:`~wtal.results.predictions.COLUMNS`.
        folder: Where the files go; no name of a video or class leads out of it. Files there are replaced, each at once.
        formats: Which files.
        videos: Names of all videos; None takes those of the table.
        media: Files of videos by name, linked to by ``eaf``.
        minimum: See :func:`shown`.
        overlapping: See :func:`shown`.
        note: What whoever reads it must know, such as weights that are random; it stands in every file.

    Returns:
        The files, those of all videos first.

    Raises:
        PredictionError: If a value is not finite or a time is beyond all videos.
        ConfigError: For an unknown format.
    """
    for kind in formats:
        if kind not in get_args(Format):
            raise ConfigError(f"{kind!r} is no format of detections: choose of {', '.join(get_args(Format))}.")
    videos = list(table["video_id"].unique()) if videos is None else videos
    written = []
    for kind in formats:
        if kind in ("json", "csv"):
            written.append(folder / f"detections.{kind}")
            write_table(written[-1], table, videos, note)
    per_video = [kind for kind in formats if kind in ("vtt", "eaf")]
    rows = dict(list(table.groupby("video_id", sort=False))) if per_video else {}
    for video in videos if per_video else ():
        cues = list(_cues(video, shown(rows.get(video, table[:0]), minimum, overlapping)))
        for kind in per_video:
            path = folder / f"{file_name(video)}.{kind}"
            link = (media or {}).get(video)
            write_text(path, _as_vtt(cues, note) if kind == "vtt" else _as_eaf(cues, path, link, note))
            written.append(path)
    return written


def shown(table: pd.DataFrame, minimum: float | None = None, overlapping: bool = False) -> pd.DataFrame:
    """The detections of one video that are worth a look, best first.

    Soft suppression leaves hundreds of overlapping detections a video, whose scores mean little from method to method:
    mAP wants them, nobody wants to read them.

    Args:
        table: Rows of one video: ``label``, ``start_s``, ``end_s``, ``score``.
        minimum: Least score; None is :data:`SHARE_OF_BEST` of the video's best one.
        overlapping: Keep also what overlaps a better one of its class.

    Source:
        Our choice: of the shares 0.2 to 0.7, it has the best or nearly the best F1 at tIoU 0.3 on P-MIL's base
        detections and on ours of simulated THUMOS14 and of the embedded benchmark (0.55, 0.66, 0.93).
    """
    table = table.sort_values("score", ascending=False, kind="stable")
    if minimum is None:
        best = table["score"].max()
        minimum = min(best, SHARE_OF_BEST * best)  # the best one itself, should all be negative
    table = table[table["score"] >= minimum]
    return table if overlapping else table[_without_better(table)]


def _without_better(table: pd.DataFrame) -> np.ndarray:
    """Of detections, best first, which overlap none that was kept before, of their class."""
    taken: dict[str, tuple[list[float], list[float]]] = {}  # disjoint, in the order of time
    kept = []
    for label, start_s, end_s in zip(table["label"], table["start_s"], table["end_s"], strict=True):
        starts, ends = taken.setdefault(label, ([], []))
        place = bisect(starts, start_s)
        kept.append((not place or ends[place - 1] <= start_s) and (place == len(starts) or end_s <= starts[place]))
        if kept[-1]:
            starts.insert(place, start_s)
            ends.insert(place, end_s)
    return np.array(kept, bool)


# Names and times ----------------------------------------------------------------------------------------------------


class _Cue(NamedTuple):
    """One detection as people read it."""

    start_ms: int
    end_ms: int
    label: str  # on one line, of characters that any format can hold
    text: str


def _cues(video: str, table: pd.DataFrame) -> Iterator[_Cue]:
    """In the order of time, within it best first; what lies before 0 s is cut off."""
    for label, start_s, end_s, score in (
        table.sort_values(["start_s", "end_s"], kind="stable")[["label", "start_s", "end_s", "score"]]
    ).itertuples(index=False):
        if not -_LATEST_S < start_s <= end_s < _LATEST_S:
            raise PredictionError(f"A detection in video {video} is [{start_s}, {end_s}] s: no video is that long.")
        start_ms, end_ms = (max(0, round(1000 * time_s)) for time_s in (start_s, end_s))
        if end_s >= 0:
            name = one_line(label)
            yield _Cue(start_ms, max(end_ms, start_ms + 1), name, f"{name} {score:.3g}")  # none may be empty


def one_line(text: str) -> str:
    r"""A name on one line, without what XML cannot hold.

    >>> one_line("high\n jump\x00 \ud800")
    'high jump\ufffd \ufffd'
    """
    words = " ".join(str(text).split())
    return re.sub("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\x7f", "\ufffd", words) or "\ufffd"


def file_name(name: str) -> str:
    r"""A name that stays in its folder and that any file system takes, its own wherever possible.

    What cannot stand becomes ``_``, and a few digits then tell it from others that end up alike.

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
    """Files of videos, whose names they have but for the ending."""
    files = {file.stem: file for file in reversed(video_files(folder))}  # of two, the first one
    return {video: files[video] for video in videos if video in files}


# WebVTT -------------------------------------------------------------------------------------------------------------


def _as_vtt(cues: Sequence[_Cue], note: str) -> str:
    with from_extra("export"):
        from webvtt import Caption, WebVTT

    subtitles = WebVTT(header_comments=[note] if note else [])
    for cue in cues:
        text = html.escape(cue.text, quote=False)
        subtitles.captions.append(Caption(_clock(cue.start_ms), _clock(cue.end_ms), text))
    return f"{subtitles.content.rstrip()}\n"


def _clock(time_ms: int) -> str:
    """A time as WebVTT writes it.

    >>> _clock(3_723_004)
    '01:02:03.004'
    """
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"


# ELAN ---------------------------------------------------------------------------------------------------------------


def _as_eaf(cues: Sequence[_Cue], path: Path, media: Path | None, note: str) -> str:
    with from_extra("export"):
        from pympi.Elan import Eaf, to_adocument

    document = Eaf(author=f"wtal ({note})" if note else "wtal")
    document.adocument["DATE"] = datetime.now().astimezone().isoformat(timespec="seconds")  # pympi's own may be wrong
    if media is not None:
        relative = Path(os.path.relpath(media.resolve(), path.parent.resolve())).as_posix()
        document.add_linked_file(
            media.resolve().as_uri(),
            one_line(relative if relative.startswith("../") else f"./{relative}"),
            mimetypes.guess_type(media.name)[0] or "unknown",
        )
    if cues:  # without any, pympi's empty tier remains, since ELAN wants one
        document.remove_tier("default")
    tiers: set[str] = set()
    for label in sorted({cue.label for cue in cues}):
        own = [cue for cue in cues if cue.label == label]
        names: list[str] = []
        for cue, lane in zip(own, _lanes(own), strict=True):
            if lane == len(names):
                names.append(_free(label, lane, tiers))
                document.add_tier(names[lane])
            document.add_annotation(names[lane], cue.start_ms, cue.end_ms, cue.text)
    root = to_adocument(document, pretty=False)
    slots = root.find("TIME_ORDER")
    slots[:] = sorted(slots, key=lambda slot: int(slot.get("TIME_VALUE")))  # pympi's are in the order of their making
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _lanes(cues: Sequence[_Cue]) -> Iterator[int]:
    """For each of some cues, in the order of time, the first lane in which none before it is still going on."""
    busy: list[tuple[int, int]] = []  # ends of the last ones, and their lanes
    free: list[int] = []
    for cue in cues:
        while busy and busy[0][0] <= cue.start_ms:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (cue.end_ms, lane))
        yield lane


def _free(label: str, lane: int, tiers: set[str]) -> str:
    """A name for a class's tier that no other has, and take it."""
    number = lane + 1
    name = label if number == 1 else f"{label} ({number})"
    while name in tiers:
        number += 1
        name = f"{label} ({number})"
    tiers.add(name)
    return name

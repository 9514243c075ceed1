"""Annotations as ELAN saves them, read into records."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from wtal.data.records import Content, Record, Segment
from wtal.errors import AnnotationError
from wtal.io.tables import Row, split_rows
from wtal.io.text import plain, read_any_text
from wtal.io.times import seconds
from wtal.io.xml import read_xml
from wtal.video.files import VIDEO_SUFFIXES, media_name

__all__ = ["is_elan_text", "read_eaf", "read_elan_text"]

_CLOCK = re.compile(r"\d\d:\d\d:\d\d\.\d+")


def read_eaf(path: Path) -> Content:
    """Read ELAN's ``.eaf``: one video, named by its medium, else by the file.

    The text of an annotation is its label, or the tier's name where the text is empty. In a file that this project has
    written, each class has a tier, and the text holds a score as well.

    Raises:
        AnnotationError: If the file is not one of ELAN.
    """
    root = read_xml(path, "ANNOTATION_DOCUMENT", "ELAN", AnnotationError)
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    medium, begin_ms = "", 0.0
    if media is not None:
        medium = media.get("MEDIA_URL") or media.get("RELATIVE_MEDIA_URL") or ""
        begin_ms = seconds(media.get("TIME_ORIGIN") or 0)  # of the medium, where the document's time is 0
    name = media_name(medium) if medium else plain(path.stem)
    notes = () if medium else (f"{path} links to no video, so it is read as that of {name!r}.",)
    return Content([Record(name, list(_segments(root, begin_ms)))], notes=notes)


def _segments(root: ElementTree.Element, begin_ms: float) -> Iterator[Segment]:
    times = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    own = (root.get("AUTHOR") or "").startswith("wtal")
    for tier in root.iter("TIER"):
        lane = re.sub(r" \(\d+\)$", "", tier.get("TIER_ID") or "")  # further tiers of a class are numbered
        for one in tier.iter("ALIGNABLE_ANNOTATION"):
            text = (one.findtext("ANNOTATION_VALUE") or "").strip()
            ends = (times.get(one.get(f"TIME_SLOT_REF{end}")) for end in (1, 2))
            start_s, end_s = ((seconds(end) + begin_ms) / 1000 if end else None for end in ends)
            yield Segment(lane if own or not text else text, start_s, end_s)


def is_elan_text(start: str) -> bool:
    """Whether text begins like ELAN's tab-delimited export: without a header, with times as ``hh:mm:ss.ms``."""
    first = next((line for line in start.splitlines() if line.strip()), "").split("\t")
    return len(first) > 3 and len(_clocks(first)) > 1


def _clocks(cells: Sequence[str]) -> list[int]:
    """Places of the times."""
    return [place for place, cell in enumerate(cells) if _CLOCK.fullmatch(cell.strip())]


def read_elan_text(path: Path) -> Content:
    """Read ELAN's tab-delimited text without a header.

    A row has tier, participant, begin, end, duration (each in one format or in several) and annotation, and perhaps the
    name of a file. Without that, the video is named like the text file.

    Raises:
        AnnotationError: If a row has no begin and end.
    """
    own_name = plain(path.stem)
    segments: dict[str, list[Segment]] = {}
    for row in split_rows(path, read_any_text(path, AnnotationError)[0], "\t", AnnotationError):
        name, segment = _row(path, row)
        segments.setdefault(name or own_name, []).append(segment)
    notes: tuple[str, ...] = ()
    if list(segments) == [own_name]:
        notes = (
            f"{path} names no video, so it is read as that of {own_name!r}: name it like the video, or export it with "
            "the names of the files.",
        )
    return Content([Record(name, found) for name, found in segments.items()], notes=notes)


def _row(path: Path, row: Row) -> tuple[str, Segment]:
    """Name of the video, empty if there is none, and the segment."""
    cells = [cell.strip() for cell in row.cells]
    clocks = _clocks(cells)
    if len(clocks) < 2:
        raise AnnotationError(f"{path}, line {row.line}: a row of ELAN needs begin and end as hh:mm:ss.ms.")
    last = clocks[-1]
    while last + 1 < len(cells) - 1 and re.fullmatch(r"\d+(\.\d+)?", cells[last + 1]):  # the same in other formats
        last += 1
    files = [cell for cell in cells if cell.lower().endswith((*VIDEO_SUFFIXES, ".eaf"))]
    label = next((cell for cell in cells[last + 1 :] if cell and cell not in files), cells[0])
    return media_name(files[0]) if files else "", Segment(label, cells[clocks[0]], cells[clocks[1]])

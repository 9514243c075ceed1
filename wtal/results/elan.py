"""Annotations for ELAN (EAF)."""

import heapq
import mimetypes
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from wtal.io.extras import from_extra
from wtal.results.cues import Cue, one_line

if TYPE_CHECKING:
    from pympi.Elan import Eaf

__all__ = ["as_eaf"]


def as_eaf(cues: Sequence[Cue], path: Path, media: Path | None, note: str) -> str:
    """Format cues as an ELAN document.

    Args:
        cues: The cues of one video, ordered by time.
        path: File that the document is written to.
        media: File of the video, to which the document links by a path relative to its own; None links to nothing.
        note: A remark that is appended to the author.
    """
    with from_extra("export"):
        from pympi.Elan import Eaf, to_adocument

    document = Eaf(author=f"wtal ({note})" if note else "wtal")
    document.adocument["DATE"] = datetime.now().astimezone().isoformat(timespec="seconds")  # pympi's own may be wrong
    if media is not None:
        _link(document, media, path)
    if cues:  # without any, pympi's empty tier remains, because ELAN needs one
        document.remove_tier("default")
    _add_tiers(document, cues)
    root = to_adocument(document, pretty=False)
    slots = root.find("TIME_ORDER")
    slots[:] = sorted(slots, key=lambda slot: int(slot.get("TIME_VALUE")))  # pympi keeps the order of their creation
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _link(document: "Eaf", media: Path, path: Path) -> None:
    relative = Path(os.path.relpath(media.resolve(), path.parent.resolve())).as_posix()
    document.add_linked_file(
        media.resolve().as_uri(),
        one_line(relative if relative.startswith("../") else f"./{relative}"),
        mimetypes.guess_type(media.name)[0] or "unknown",
    )


def _add_tiers(document: "Eaf", cues: Sequence[Cue]) -> None:
    """Add one tier per class, and further ones for overlapping cues, because cues in one tier must not overlap."""
    tiers: set[str] = set()
    for label in sorted({cue.label for cue in cues}):
        own = [cue for cue in cues if cue.label == label]
        names: list[str] = []
        for cue, lane in zip(own, _lanes(own), strict=True):
            if lane == len(names):
                names.append(_free_name(label, lane, tiers))
                tiers.add(names[lane])
                document.add_tier(names[lane])
            document.add_annotation(names[lane], cue.start_ms, cue.end_ms, cue.text)


def _lanes(cues: Sequence[Cue]) -> Iterator[int]:
    """For each cue, ordered by time, the first lane in which every earlier cue has ended."""
    busy: list[tuple[int, int]] = []  # end of the last cue of each lane, and the lane
    free: list[int] = []
    for cue in cues:
        while busy and busy[0][0] <= cue.start_ms:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (cue.end_ms, lane))
        yield lane


def _free_name(label: str, lane: int, taken: set[str]) -> str:
    """The name of a class's tier, numbered if it is not the first or if another tier has that name."""
    number = lane + 1
    name = label if number == 1 else f"{label} ({number})"
    while name in taken:
        number += 1
        name = f"{label} ({number})"
    return name

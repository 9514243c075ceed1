"""Annotations as annotation programs save them, read into records: ELAN, VIA, Label Studio, CVAT."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote
from xml.etree import ElementTree

from wtal.data.records import Content, Record, Segment, label_text
from wtal.errors import AnnotationError
from wtal.io.bounds import read_json
from wtal.io.text import plain, read_any_text
from wtal.io.times import seconds
from wtal.video.files import VIDEO_SUFFIXES, video_name

__all__ = ["read_cvat", "read_eaf", "read_elan_text", "read_label_studio", "read_via", "tool_of"]

_CLOCK = re.compile(r"\d\d:\d\d:\d\d\.\d+")


def tool_of(path: Path) -> Literal["elan", "via", ""]:
    """The program that wrote a text file without a header of columns; empty if it is an ordinary table.

    Raises:
        AnnotationError: If the file cannot be read.
    """
    start = read_any_text(path, AnnotationError)[0][:20_000]
    if re.search(r"^#\s*CSV_HEADER\s*=\s*metadata_id", start, re.MULTILINE):
        return "via"
    first = next((line for line in start.splitlines() if line.strip()), "").split("\t")
    return "elan" if len(first) > 3 and any(_CLOCK.fullmatch(cell.strip()) for cell in first) else ""


# ELAN ---------------------------------------------------------------------------------------------------------------


def read_eaf(path: Path) -> Content:
    """Read ELAN's ``.eaf``: one video, named by its medium, else by the file.

    The text of an annotation is its label, or the tier's name where the text is empty. In a file that this project has
    written, each class has a tier, and the text holds a score as well.

    Raises:
        AnnotationError: If the file is not one of ELAN.
    """
    root = _xml(path, "ANNOTATION_DOCUMENT", "ELAN")
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    medium = "" if media is None else media.get("MEDIA_URL") or media.get("RELATIVE_MEDIA_URL") or ""
    begin_ms = seconds((media.get("TIME_ORIGIN") if media is not None else None) or 0)
    times = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    own = str(root.get("AUTHOR")).startswith("wtal")
    segments = []
    for tier in root.iter("TIER"):
        lane = re.sub(r" \(\d+\)$", "", tier.get("TIER_ID") or "")
        for one in tier.iter("ALIGNABLE_ANNOTATION"):
            text = (one.findtext("ANNOTATION_VALUE") or "").strip()
            ends = (times.get(one.get(f"TIME_SLOT_REF{end}")) for end in (1, 2))
            start_s, end_s = ((seconds(end) + begin_ms) / 1000 if end else None for end in ends)
            segments.append(Segment(lane if own or not text else text, start_s, end_s))
    name = _media_name(medium) if medium else plain(path.stem)
    notes = () if medium else (f"{path} links to no video, so it is read as that of {name!r}.",)
    return Content([Record(name, segments)], notes=notes)


def read_elan_text(path: Path) -> Content:
    """Read ELAN's tab-delimited text without a header.

    A row has tier, participant, begin, end, duration (each in one format or in several) and annotation, and perhaps the
    name of a file. Without that, the video is named like the text file.

    Raises:
        AnnotationError: If a row has no begin and end.
    """
    text = read_any_text(path, AnnotationError)[0]
    segments: dict[str, list[Segment]] = {}
    for line, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE), 1):
        if not any(cells):
            continue
        clocks = [place for place, cell in enumerate(cells) if _CLOCK.fullmatch(cell.strip())]
        if len(clocks) < 2:
            raise AnnotationError(f"{path}, line {line}: a row of ELAN needs begin and end as hh:mm:ss.ms.")
        last = max(place for place, cell in enumerate(cells) if place in clocks or _follows(cells, place, clocks))
        words = [cell.strip() for cell in cells[last + 1 :]]
        files = [cell.strip() for cell in cells if cell.strip().lower().endswith((*VIDEO_SUFFIXES, ".eaf"))]
        label = next((word for word in words if word and word not in files), "") or cells[0].strip()
        name = _media_name(files[0]) if files else plain(path.stem)
        segments.setdefault(name, []).append(Segment(label, cells[clocks[0]], cells[clocks[1]]))
    notes = ()
    if list(segments) == [plain(path.stem)]:
        notes = (
            f"{path} names no video, so it is read as that of {plain(path.stem)!r}: name it like the video, or export "
            "it with the names of the files.",
        )
    return Content([Record(name, found) for name, found in segments.items()], notes=notes)


def _follows(cells: Sequence[str], place: int, clocks: Sequence[int]) -> bool:
    """Whether a cell is a number that repeats one of the times in another format."""
    return place > clocks[0] and place - 4 <= clocks[-1] and re.fullmatch(r"\d+(\.\d+)?", cells[place].strip()) is not None


# VGG Image Annotator ------------------------------------------------------------------------------------------------


def read_via(path: Path) -> Content:
    """Read temporal segments of VIA 3: its project in JSON, or its CSV.

    Raises:
        AnnotationError: If the file has another form.
    """
    text = read_any_text(path, AnnotationError)[0]
    try:
        rows = _via_project(json.loads(text)) if path.suffix.lower() == ".json" else _via_table(text)
        segments: dict[str, list[Segment]] = {}
        for file, times, values, attributes in rows:
            found = segments.setdefault(_media_name(file), [])
            if len(times) == 2:  # one time marks a frame, none the whole file
                found += [Segment(label, *times) for label in _via_labels(values, attributes)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise AnnotationError(f"{path} cannot be read as annotations of VIA ({error}): export it again.") from error
    return Content([Record(name, found) for name, found in segments.items()])


_ViaRow = tuple[str, Sequence[float], Mapping[str, str], Mapping[str, Any]]


def _via_project(project: Mapping[str, Any]) -> Iterator[_ViaRow]:
    files = {view: project["file"][str(one["fid_list"][0])] for view, one in project["view"].items()}
    for file in files.values():
        yield file["fname"], (), {}, {}
    for one in project["metadata"].values():
        yield files[one["vid"]]["fname"], one["z"], one["av"], project.get("attribute", {})


def _via_table(text: str) -> Iterator[_ViaRow]:
    described = re.search(r"^#\s*ATTRIBUTE\s*=\s*(\{.*\})\s*$", text, re.MULTILINE)
    attributes = json.loads(described[1]) if described else {}
    lines = "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for cells in csv.reader(io.StringIO(lines), skipinitialspace=True):
        files, times, values = (json.loads(cells[place]) for place in (1, 3, 5))
        yield files[0], times, values, attributes


def _via_labels(values: Mapping[str, str], attributes: Mapping[str, Any]) -> Iterator[str]:
    """The labels of a segment: texts, or those that the numbers of options stand for."""
    for attribute, value in values.items():
        options = attributes.get(attribute, {}).get("options") or {}
        for one in str(value).split(",") if options else [str(value)]:
            yield label_text(str(options.get(one, one)).strip())


# Label Studio -------------------------------------------------------------------------------------------------------


def read_label_studio(path: Path, tasks: Sequence[Mapping[str, Any]]) -> Content:
    """Read an export of Label Studio, in its long (JSON) or short form (JSON-MIN).

    Times of a video's timeline are frames there; those of sound are seconds.

    Raises:
        AnnotationError: If a task names no file.
    """
    records: dict[str, Record] = {}
    for task in tasks:
        data = task.get("data", task)
        medium = next((text for text in _texts(data) if text.lower().endswith(VIDEO_SUFFIXES)), None)
        if medium is None:
            raise AnnotationError(f"{path}: the task {task.get('id')} names no video file.")
        name = _media_name(medium)
        regions = list(_regions(task))
        in_frames = any(is_frames for *_, is_frames in regions)
        segments = [Segment(label, start, end) for label, start, end, _ in regions if start is not None]
        labels = [label for label, *_ in regions]
        if name in records:
            segments, labels = [*records[name].segments, *segments], [*(records[name].labels or ()), *labels]
        fps = data.get("fps") or data.get("framerate") if isinstance(data, dict) else None
        records[name] = Record(name, segments, labels, str(data.get("subset") or ""), None, "", in_frames, fps)
    return Content(list(records.values()))


_Region = tuple[str, Any, Any, bool]  # label, start, end, whether these are frames


def _regions(task: Mapping[str, Any]) -> Iterator[_Region]:
    long = task.get("annotations", task.get("completions"))
    if isinstance(long, list):
        for annotation in long:
            if not annotation.get("was_cancelled"):
                for result in annotation.get("result") or ():
                    yield from _region(result.get("value") or {})
        return
    for value in task.values():
        for one in value if isinstance(value, list) else [value] if isinstance(value, dict) else ():
            if isinstance(one, dict):
                yield from _region(one)
    for choice in task.get("choice"), task.get("choices"):
        if isinstance(choice, str):
            yield choice, None, None, False


def _region(value: Mapping[str, Any]) -> Iterator[_Region]:
    for label in value.get("timelinelabels") or ():
        for times in value.get("ranges") or ():
            yield label_text(label), int(times["start"]) - 1, times["end"], True  # the first frame is 1
    for label in value.get("labels") or ():
        if "start" in value and "end" in value:
            yield label_text(label), value["start"], value["end"], False
    for label in value.get("choices") or ():
        yield label_text(label), None, None, False


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  nested plain values
    if isinstance(value, str):
        yield value.partition("?d=")[2] or value.partition("?")[0]
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)


# CVAT ---------------------------------------------------------------------------------------------------------------


def read_cvat(path: Path) -> Content:
    """Read "CVAT for video": a track is a segment from frame to frame, and a tag without an end holds for its frame.

    Raises:
        AnnotationError: If the file is not one of CVAT.
    """
    root = _xml(path, "annotations", "CVAT")
    source = next((text for text in (one.text for one in root.iter("source")) if text), "")
    name = _media_name(source) if source.lower().endswith(VIDEO_SUFFIXES) else plain(path.stem)
    segments = [
        Segment(track.get("label") or "", *span)
        for track in root.iter("track")
        for span in _spans(shape for shape in track if shape.get("frame") is not None)
    ]
    tags = (tag.get("label") for tag in root.iter("tag"))
    labels = [*(segment.label for segment in segments), *(tag for tag in tags if tag)]
    return Content([Record(name, segments, labels, in_frames=True)])


def _spans(shapes: Iterable[ElementTree.Element]) -> Iterator[tuple[int, int]]:
    """First frame and frame after the last one of each stretch in which a track is seen."""
    begin = last = None
    for frame, outside in sorted((int(shape.get("frame", 0)), shape.get("outside") == "1") for shape in shapes):
        if outside and begin is not None:
            yield begin, frame
            begin = None
        elif not outside:
            begin, last = frame if begin is None else begin, frame
    if begin is not None and last is not None:
        yield begin, last + 1


def _xml(path: Path, tag: str, program: str) -> ElementTree.Element:
    text = read_any_text(path, AnnotationError)[0]
    try:
        if "<!ENTITY" in text or "<!DOCTYPE" in text:
            raise ElementTree.ParseError("it declares entities")
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml.*?\?>", "", text))
    except ElementTree.ParseError as error:
        raise AnnotationError(f"{path} is not a file of {program} ({error}): save it again.") from error
    if root.tag != tag:
        raise AnnotationError(f"{path} is not a file of {program}, as it begins with <{root.tag}>: give its own export.")
    return root


def _media_name(text: str) -> str:
    """The name of a video by its file or address, without the digits that Label Studio writes before it.

    >>> [_media_name(text) for text in ("/data/upload/1/0a1b2c3d-run.mp4", "file:///C:/a%20b.mov", "x.eaf")]
    ['run', 'a b', 'x']
    """
    name = re.split(r"[/\\]", unquote(text))[-1]
    if "/upload/" in text:
        name = re.sub(r"^[0-9a-f]{8}-", "", name)
    return plain(video_name(name).removesuffix(".eaf"))

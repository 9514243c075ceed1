"""Annotations as annotation programs save them, read into records: VIA, Label Studio, CVAT."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from wtal.data.records import Content, Record, Segment, label_text
from wtal.errors import AnnotationError
from wtal.io.tables import split_rows
from wtal.io.text import plain, read_any_text
from wtal.io.xml import read_xml
from wtal.video.files import VIDEO_SUFFIXES, media_name

__all__ = ["is_label_studio", "is_via", "read_cvat", "read_label_studio", "read_via"]


# VGG Image Annotator ------------------------------------------------------------------------------------------------


def is_via(content: str | Mapping[str, Any]) -> bool:
    """Whether the beginning of a text, or an object of a JSON file, is of VIA 3."""
    if isinstance(content, str):
        return re.search(r"^#\s*CSV_HEADER\s*=\s*metadata_id", content, re.MULTILINE) is not None
    return {"metadata", "file", "view"} <= content.keys()


def read_via(path: Path) -> Content:
    """Read temporal segments of VIA 3: its project in JSON, or its CSV.

    Raises:
        AnnotationError: If the file has another form.
    """
    text = read_any_text(path, AnnotationError)[0]
    try:
        rows = list(_via_project(json.loads(text)) if path.suffix.lower() == ".json" else _via_table(path, text))
        segments: dict[str, list[Segment]] = {}
        for file, times, values, attributes in rows:
            found = segments.setdefault(media_name(file), [])
            if len(times) == 2:  # one time marks a frame, none the whole file
                found += [Segment(label, *times) for label in _via_labels(values, attributes)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise AnnotationError(f"{path} cannot be read as annotations of VIA ({error}): export it again.") from error
    mute = sum(len(times) == 2 and not [*_via_labels(values, attributes)] for _, times, values, attributes in rows)
    notes = (f"{mute} segments of {path} have no label and are not read.",) if mute else ()
    return Content([Record(name, found) for name, found in segments.items()], notes=notes)


_ViaRow = tuple[str, Sequence[float], Mapping[str, str], Mapping[str, Any]]


def _via_project(project: Mapping[str, Any]) -> Iterator[_ViaRow]:
    files = {view: project["file"][str(one["fid_list"][0])] for view, one in project["view"].items()}
    for file in files.values():
        yield file["fname"], (), {}, {}
    for one in project["metadata"].values():
        yield files[one["vid"]]["fname"], one["z"], one["av"], project.get("attribute", {})


def _via_table(path: Path, text: str) -> Iterator[_ViaRow]:
    described = re.search(r"^#\s*ATTRIBUTE\s*=\s*(\{.*\})\s*$", text, re.MULTILINE)
    attributes = json.loads(described[1]) if described else {}
    lines = "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for row in split_rows(path, lines, ",", AnnotationError):
        files, times, values = (json.loads(row.cells[place]) for place in (1, 3, 5))
        yield files[0], times, values, attributes


def _via_labels(values: Mapping[str, str], attributes: Mapping[str, Any]) -> Iterator[str]:
    """The labels of a segment: texts, or those that the numbers of options stand for."""
    for attribute, value in values.items():
        options = attributes.get(attribute, {}).get("options") or {}
        for one in str(value).split(",") if options else [str(value)]:
            yield label_text(str(options.get(one, one)).strip())


# Label Studio -------------------------------------------------------------------------------------------------------


def is_label_studio(tasks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list of objects is an export of Label Studio: tasks with lists of regions, long or short."""
    return any(
        {"annotations", "completions"} & task.keys()
        or ("id" in task and any(isinstance(one, list) and one and isinstance(one[0], dict) for one in task.values()))
        for task in tasks
    )


def read_label_studio(path: Path, tasks: Sequence[Mapping[str, Any]]) -> Content:
    """Read an export of Label Studio, in its long (JSON) or short form (JSON-MIN).

    Times of a video's timeline are frames there; those of sound are seconds.

    Raises:
        AnnotationError: If a task names no video, or a region has another form.
    """
    records: dict[str, Record] = {}
    for task in tasks:
        try:
            record = _task(task)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AnnotationError(
                f"{path}: the task {task.get('id')} of Label Studio cannot be read ({error}): export it again."
            ) from error
        before = records.get(record.video_id, Record(record.video_id, (), ()))
        segments, labels = [*before.segments, *record.segments], [*(before.labels or ()), *(record.labels or ())]
        records[record.video_id] = record._replace(segments=segments, labels=labels)
    return Content(list(records.values()))


def _task(task: Mapping[str, Any]) -> Record:
    data = task.get("data", task)
    medium = next((text for text in _texts(data) if text.lower().endswith(VIDEO_SUFFIXES)), None)
    if medium is None:
        raise ValueError("it names no video file")
    regions = list(_regions(task))
    return Record(
        media_name(medium),
        [Segment(label, start, end) for label, start, end, _ in regions if start is not None],
        [label for label, *_ in regions],
        subset=str(data.get("subset") or ""),
        in_frames=any(in_frames for *_, in_frames in regions),
        fps=data.get("fps", data.get("framerate")),
    )


_Region = tuple[str, Any, Any, bool]  # label, start, end, whether these are frames


def _regions(task: Mapping[str, Any]) -> Iterator[_Region]:
    long = task.get("annotations", task.get("completions"))
    for value in _values(task) if long is None else _results(long):
        if isinstance(value, dict):
            yield from _region(value)


def _results(annotations: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    for annotation in annotations:
        for result in () if annotation.get("was_cancelled") else annotation.get("result") or ():
            yield result.get("value")


def _values(task: Mapping[str, Any]) -> Iterator[Any]:
    """The values of a task in the short form, where a single choice is text."""
    for name, value in task.items():
        if name in ("choice", "choices") and isinstance(value, str):
            yield {"choices": [value]}
        yield from value if isinstance(value, list) else [value]


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
    """Read "CVAT for video": a track gives segments from frame to frame, a tag only the label of its video.

    Raises:
        AnnotationError: If the file is not one of CVAT.
    """
    root = read_xml(path, "annotations", "CVAT", AnnotationError)
    source = root.findtext(".//source") or ""
    name = media_name(source) if source.lower().endswith(VIDEO_SUFFIXES) else plain(path.stem)
    try:
        segments = [Segment(track.get("label", ""), *span) for track in root.iter("track") for span in _spans(track)]
    except ValueError as error:
        raise AnnotationError(f"{path} has a frame that is not a number ({error}): export it again.") from error
    labels = [*(segment.label for segment in segments), *(tag.get("label", "") for tag in root.iter("tag"))]
    return Content([Record(name, segments, labels, in_frames=True)])


def _spans(track: Iterable[ElementTree.Element]) -> Iterator[tuple[int, int]]:
    """First frame and frame after the last one of each stretch in which a track is seen."""
    begin = last = None
    shapes = [(int(shape.attrib["frame"]), shape.get("outside") == "1") for shape in track if "frame" in shape.attrib]
    for frame, outside in sorted(shapes):
        if outside and begin is not None:
            yield begin, frame
            begin = None
        elif not outside:
            begin, last = frame if begin is None else begin, frame
    if begin is not None and last is not None:
        yield begin, last + 1

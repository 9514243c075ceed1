"""What the readers of annotations return: the content of a file, video by video, not yet checked."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wtal.errors import brief

__all__ = ["Content", "Record", "Segment", "Span", "label_text"]


class Segment(NamedTuple):
    """One instance of an action."""

    label: str
    start_s: Any  # not yet checked; frames in a record with `in_frames`
    end_s: Any


class Span(NamedTuple):
    """A segment of a video in which it is unclear whether there is an action."""

    video_id: str
    start_s: Any
    end_s: Any


class Record(NamedTuple):
    """One video."""

    video_id: str
    segments: Sequence[Segment]
    labels: Sequence[str] | None = None  # None for those of the segments
    subset: str = ""
    duration_s: Any = None
    alias: str = ""
    in_frames: bool = False
    fps: Any = None  # None if unknown

    def video_labels(self) -> set[str]:
        """The video-level labels: those given for the video, else those of its segments."""
        return {s.label for s in self.segments} if self.labels is None else set(self.labels)


class Content(NamedTuple):
    """The content of a file or folder."""

    records: list[Record]
    class_names: tuple[str, ...] = ()
    ambiguous: Sequence[Span] = ()
    notes: tuple[str, ...] = ()  # what a user should know about how it was read
    class_ids: Mapping[int, str] = {}  # names of the classes by the numbers that the file gives them


def label_text(value: object) -> str:
    """A label as text; it may be a number, which pandas may have written as ``1.0``.

    Raises:
        TypeError: If the value cannot be a label.

    >>> [label_text(value) for value in ("run", 3, 3.0, "3.0")]
    ['run', '3', '3', '3']
    """
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise TypeError(f"{brief(value)} is not a label")
    text = str(value)
    return text[:-2] if text.endswith(".0") and text[:-2].isdecimal() else text

"""Lists of videos as RTFM, UR-DMU and VadCLIP have them; labels and names say what is abnormal, never places."""

from dataclasses import dataclass
from pathlib import Path

from wtal.data.anomaly_names import classes_named, feature_file, kinds_of
from wtal.errors import AnnotationError, brief
from wtal.io.bounds import read_text
from wtal.io.columns import known
from wtal.io.tables import read_table
from wtal.io.text import plain

__all__ = ["ListedVideo", "read_video_list"]

_COLUMNS = {**known("label"), "path": ("video", "video_id", "name", "file"), "frames": ("num_frames", "n_frames")}


@dataclass
class ListedVideo:
    """A video in a list.

    Args:
        video_id: Name of the video.
        kinds: Kinds of anomaly in it; none if it is normal.
        files: Its feature files as they are listed, one or one a crop.
        frames: Number of its frames, where the list says so.
    """

    video_id: str
    kinds: tuple[str, ...]
    files: list[str]
    frames: int | None = None


def read_video_list(path: Path) -> list[ListedVideo]:
    """Read a list: one path of a feature file a line (``.list``, ``.txt``), or a table ``path,label`` (``.csv``).

    Files that are crops of one video, ``NAME__0.npy`` and so on, are one video. Whether a video is abnormal is said by
    its label or, without one, by its name; its place in the list means nothing. A table may have a column ``frames``.

    Returns:
        The videos in the order of the list.

    Raises:
        AnnotationError: If the file is unreadable or names no video, a label is not known, a name says nothing and has
            no label, label and name contradict each other, or a crop is listed twice.
    """
    videos: dict[str, ListedVideo] = {}
    for line, text, label, frames in _rows(path):
        video_id, crop = feature_file(plain(text))
        kinds = _kinds(path, line, video_id, label)
        video = videos.setdefault(video_id, ListedVideo(video_id, kinds, [], frames))
        if video.files and (crop is None or text in video.files):
            raise AnnotationError(f"{path}, line {line}: the video {video_id} is listed twice: keep one of the lines.")
        if video.kinds != kinds:
            raise AnnotationError(
                f"{path}, line {line}: the crops of {video_id} have different labels, such as {label!r}: correct them."
            )
        video.files.append(text)
    if not videos:
        raise AnnotationError(f"{path} names no video: give a list with the path of one feature file a line.")
    return list(videos.values())


def _rows(path: Path) -> list[tuple[int, str, str | None, int | None]]:
    """Line, path, label and number of frames of each row."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        lines = [(number, line.strip()) for number, line in enumerate(read_text(path, AnnotationError).splitlines(), 1)]
        return [(number, *_parts(line), None) for number, line in lines if line]
    table = read_table(path, AnnotationError, _COLUMNS, numbers=("frames",))
    if "path" not in table.columns:
        raise AnnotationError(f"{path} has no column `path`: give a table with the columns `path` and `label`.")
    return [
        (line, row["path"], row.get("label"), _frames(path, line, row.get("frames", "")))
        for line, row in table.records()
    ]


def _parts(line: str) -> tuple[str, str | None]:
    """Path and label of a line; a path may contain spaces, and a label is the last word after it."""
    head, space, last = line.rpartition(" ")
    return (head.strip(), last) if space and head.strip().endswith(".npy") else (line, None)


def _frames(path: Path, line: int, text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) > 10**9:
        raise AnnotationError(f"{path}, line {line}: {brief(text)} is not a number of frames; correct it.")
    return int(text)


def _kinds(path: Path, line: int, video_id: str, label: str | None) -> tuple[str, ...]:
    named = kinds_of(video_id)
    labelled = None if label is None else classes_named(label)
    if label is not None and labelled is None and label not in ("1", "1.0"):  # a bare 1 means that it is abnormal
        raise AnnotationError(
            f"{path}, line {line}: the label {brief(label)} is neither a class of UCF-Crime or XD-Violence nor Normal: "
            "correct it."
        )
    kinds = named if labelled is None else labelled
    if kinds is None:
        raise AnnotationError(
            f"{path}, line {line}: the name {video_id} does not say whether the video is abnormal: give a table with "
            "the columns `path` and `label`."
        )
    if named is not None and labelled is not None and bool(named) != bool(labelled):
        raise AnnotationError(
            f"{path}, line {line}: by its label {label} the video {video_id} is "
            f"{'abnormal' if labelled else 'normal'}, by its name it is not: correct one of them."
        )
    return kinds

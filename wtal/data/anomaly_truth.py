"""When anomalies happen: the annotation files of UCF-Crime and XD-Violence, and the frame masks of ShanghaiTech."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wtal.data.anomaly_names import ANOMALY, classes_named, kinds_of
from wtal.errors import AnnotationError, brief
from wtal.io.arrays import read_array
from wtal.io.bounds import read_text
from wtal.io.text import plain
from wtal.video.files import video_name

__all__ = ["AnnotatedVideo", "Interval", "intervals_of", "read_frame_annotations"]

_LARGEST = 10**9  # frames


@dataclass(frozen=True)
class Interval:
    """An anomaly.

    Args:
        kind: Its kind.
        first: Its first frame, counted from 0.
        last: Its last frame.
    """

    kind: str
    first: int
    last: int


@dataclass(frozen=True)
class AnnotatedVideo:
    """A video whose anomalies are known.

    Args:
        video_id: Name of the video.
        kinds: Kinds of anomaly in it; none if it is normal.
        intervals: The anomalies, in the order of the file.
        frames: Number of its frames, where the annotation says so.
        guessed: Whether the file does not say of which of several kinds an interval is; the first one is taken.
    """

    video_id: str
    kinds: tuple[str, ...]
    intervals: tuple[Interval, ...]
    frames: int | None = None
    guessed: bool = False


def read_frame_annotations(path: Path) -> list[AnnotatedVideo]:
    """Read annotations in frames.

    Forms: UCF-Crime's ``Temporal_Anomaly_Annotation.txt``, with lines ``NAME CLASS START END START END`` in which -1
    stands for nothing; XD-Violence's ``annotations.txt``, with lines ``NAME START END START END ...``, and
    ``annotations_multiclasses.txt``, with ``NAME CODE START END CODE START END ...``; and a folder of ShanghaiTech's
    ``test_frame_mask``, one ``.npy`` a video. Names are compared whole, so that no video takes the anomalies of
    another whose name begins alike.

    Returns:
        The videos in the order of the file; those that are not in it have no anomaly.

    Raises:
        AnnotationError: If the file is unreadable, a line has another form, or a video is named twice.
    """
    if path.is_dir():
        found = [_of_mask(file) for file in sorted(path.glob("*.npy"))]
    else:
        lines = enumerate(read_text(path, AnnotationError).splitlines(), 1)
        found = [_of_line(path, number, line.split()) for number, line in lines if line.strip()]
    if not found:
        raise AnnotationError(f"{path} annotates no video: give UCF-Crime's or XD-Violence's file, or frame masks.")
    names = set()
    for video in found:
        if video.video_id in names:
            raise AnnotationError(f"{path} annotates the video {video.video_id} twice: keep one of the lines.")
        names.add(video.video_id)
    return found


def _of_line(path: Path, number: int, words: Sequence[str]) -> AnnotatedVideo:
    video_id, rest = plain(video_name(words[0])), words[1:]
    named, texts = kinds_of(video_id), [word for word in rest if not _is_number(word)]
    try:
        if texts and texts == rest[:1]:  # UCF-Crime
            named = _kinds(rest[0])
            intervals = _of_kind(named, rest[1:])
        else:  # XD-Violence, with or without kinds
            intervals = list(_triples(rest)) if texts else _of_kind(named or (ANOMALY,), rest)
    except ValueError as error:
        raise AnnotationError(
            f"{path}, line {number}: {brief(' '.join(words))} is no annotation ({error}): a line is a name, a class "
            "and pairs of frames."
        ) from error
    kinds = tuple(dict.fromkeys([*(named or ()), *(one.kind for one in intervals)]))
    return AnnotatedVideo(video_id, kinds, tuple(intervals), guessed=len(kinds) > 1 and not texts)


def _of_kind(kinds: Sequence[str], words: Sequence[str]) -> list[Interval]:
    """Intervals of the first kind; none of a normal video."""
    pairs = list(_pairs(words))
    return [Interval(kinds[0], *pair) for pair in pairs] if kinds else []


def _is_number(word: str) -> bool:
    return word.removeprefix("-").isdecimal()


def _kinds(label: str) -> tuple[str, ...]:
    kinds = classes_named(label)
    if kinds is None:
        raise ValueError(f"{brief(label)} is no kind of anomaly")
    return kinds


def _pairs(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First and last frames; -1 stands for nothing.

    Raises:
        ValueError: If they are no pairs of frames in order.
    """
    if len(words) % 2:
        raise ValueError("a frame is missing")
    frames = [int(word[:12]) for word in words]
    for first, last in zip(frames[::2], frames[1::2], strict=True):
        if (first, last) == (-1, -1):
            continue
        if not 0 <= first <= last <= _LARGEST:
            raise ValueError(f"{first} to {last} is no interval")
        yield first, last


def _triples(words: Sequence[str]) -> Iterator[Interval]:
    """Intervals of XD-Violence, each with the code of its kind.

    Raises:
        ValueError: If they are none.
    """
    if len(words) % 3:
        raise ValueError("a code or a frame is missing")
    for place in range(0, len(words), 3):
        kinds = _kinds(words[place])
        if len(kinds) != 1:
            raise ValueError(f"{brief(words[place])} is not one kind of anomaly")
        for first, last in _pairs(words[place + 1 : place + 3]):
            yield Interval(kinds[0], first, last)


def _of_mask(file: Path) -> AnnotatedVideo:
    mask = read_array(file, AnnotationError)
    if mask.ndim != 1 or not np.isin(mask, (0, 1)).all():
        raise AnnotationError(f"{file} is no mask of frames, one 0 or 1 a frame: give ShanghaiTech's test_frame_mask.")
    kinds = kinds_of(file.stem) or ((ANOMALY,) if mask.any() else ())
    kind = kinds[0] if kinds else ANOMALY
    intervals = tuple(Interval(kind, *pair) for pair in intervals_of(mask))
    return AnnotatedVideo(file.stem, kinds, intervals, len(mask))


def intervals_of(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of each run of abnormal frames in a mask, ``(F,)``.

    >>> intervals_of(np.array([0, 1, 1, 0, 1]))
    [(1, 2), (4, 4)]
    """
    edges = np.diff(np.pad(np.asarray(mask, dtype=np.int8), 1))
    ends = np.flatnonzero(edges == -1) - 1
    return list(zip(np.flatnonzero(edges == 1).tolist(), ends.tolist(), strict=True))

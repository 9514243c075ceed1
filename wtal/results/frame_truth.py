"""What scores of frames are measured against, and whether the lengths of videos fit."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.data.annotations import first, read_annotations
from wtal.data.anomaly_lists import ListedVideo
from wtal.data.anomaly_names import kinds_of
from wtal.data.anomaly_truth import AnnotatedVideo, Interval, intervals_of, read_frame_annotations
from wtal.errors import AnnotationError, PredictionError
from wtal.io.arrays import read_array
from wtal.metrics.frame_scores import FRAMES_OF_SNIPPET

__all__ = ["FrameTruth", "in_frames", "length_problem", "load_frame_truth", "missing_videos"]

_ROUNDING = 2 * FRAMES_OF_SNIPPET  # a feature set drops or pads up to two snippets
_SNIPPETS = "the scores seem to be of snippets of 16 frames, so add `--frames_per_score 16`"
_EARLY = "the features end early, or come from a copy of the video of another frame rate"


@dataclass(frozen=True)
class FrameTruth:
    """Ground truth of the tested videos, normal ones included.

    Args:
        path: The file it was read from.
        videos: The videos by name.
        class_names: Names of the kinds of anomaly that occur, in alphabetical order.
        notes: What a reader should know about how it was read.
    """

    path: Path
    videos: Mapping[str, AnnotatedVideo]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, videos: Mapping[str, AnnotatedVideo], notes: tuple[str, ...] = ()) -> "FrameTruth":
        """Ground truth of videos, with the kinds that occur in them."""
        return cls(path, videos, tuple(sorted({kind for video in videos.values() for kind in video.kinds})), notes)


def load_frame_truth(
    annotations: Path,
    scored: Iterable[str],
    listed: Sequence[ListedVideo] | None = None,
    fps: float = math.nan,
) -> FrameTruth:
    """Read ground truth.

    Args:
        annotations: A file of :func:`~wtal.data.anomaly_truth.read_frame_annotations`; one long ``.npy`` of 0 and 1
            over the videos of a list; or annotations in seconds in any form of
            :func:`~wtal.data.annotations.read_annotations`, such as a run's ``ground_truth.json``.
        scored: Names of the videos that have scores.
        listed: The tested videos; None for the annotated ones and those scored ones that are normal by their names, as
            XD-Violence's file has the abnormal ones alone.
        fps: Frame rate of the videos, for annotations in seconds.

    Raises:
        AnnotationError: If a file is unreadable or does not fit the list, or the frame rate is missing.
        PredictionError: If a scored video is not known.
    """
    known, notes = _annotated(annotations, listed, fps)
    if listed is not None:
        videos = {video.video_id: _as_listed(annotations, video, known.get(video.video_id)) for video in listed}
    else:
        videos = {**known, **_normal(annotations, [name for name in scored if name not in known])}
    guessed = sum(video.guessed for video in videos.values())
    if guessed:
        notes = (
            *notes,
            f"The kind of the anomalies of {guessed} videos is not annotated; the first of the name is taken.",
        )
    return FrameTruth.of(annotations, videos, notes)


def _annotated(
    path: Path, listed: Sequence[ListedVideo] | None, fps: float
) -> tuple[dict[str, AnnotatedVideo], tuple[str, ...]]:
    """The annotated videos, and notes."""
    if path.suffix == ".npy":
        return _of_long_mask(path, listed), ()
    if path.is_file() and path.suffix.lower() != ".txt":
        return _of_seconds(path, fps)
    return {video.video_id: video for video in read_frame_annotations(path)}, ()


def _normal(path: Path, names: Sequence[str]) -> dict[str, AnnotatedVideo]:
    """Videos that are not annotated as they are normal, by their names.

    Raises:
        PredictionError: If a name does not say so.
    """
    foreign = [name for name in names if kinds_of(name) != ()]
    if foreign:
        raise PredictionError(
            f"{len(foreign)} videos with scores are not in {path}, such as {foreign[0]}: correct their names, or give "
            "the list of the tested videos in `--video_list`."
        )
    return {name: AnnotatedVideo(name, (), ()) for name in names}


def _as_listed(path: Path, listed: ListedVideo, known: AnnotatedVideo | None) -> AnnotatedVideo:
    """What is known of a listed video.

    Raises:
        AnnotationError: If the list calls it abnormal and nothing is annotated, or the other way round.
    """
    if bool(listed.kinds) != bool(known and known.intervals):
        kind = "abnormal" if listed.kinds else "normal"
        raise AnnotationError(f"The list calls {listed.video_id} {kind}, but {path} does not: correct one of them.")
    frames = listed.frames if known is None or known.frames is None else known.frames
    if known is None:
        return AnnotatedVideo(listed.video_id, (), (), frames)
    return AnnotatedVideo(listed.video_id, known.kinds, known.intervals, frames, known.guessed)


def _of_long_mask(path: Path, listed: Sequence[ListedVideo] | None) -> dict[str, AnnotatedVideo]:
    mask = read_array(path, AnnotationError).ravel()
    if not np.isin(mask, (0, 1)).all():
        raise AnnotationError(f"{path} is no ground truth of frames: it has other values than 0 and 1.")
    videos = listed or ()
    frames = [video.frames for video in videos if video.frames is not None]
    if not frames or len(frames) < len(videos):
        raise AnnotationError(
            f"{path} is one long array: give a table of its videos with the columns `video` and `frames` in "
            "`--video_list`."
        )
    if sum(frames) != len(mask):
        raise AnnotationError(
            f"{path} has {len(mask)} frames, the videos of the list have {sum(frames)}: its length is that of one set "
            "of features; give the list of the same set."
        )
    parts = np.split(mask, np.cumsum(frames)[:-1])
    return {video.video_id: _of_part(video, part) for video, part in zip(videos, parts, strict=True)}


def _of_part(video: ListedVideo, mask: np.ndarray) -> AnnotatedVideo:
    kind = video.kinds[0] if video.kinds else ""
    intervals = tuple(Interval(kind, *pair) for pair in intervals_of(mask))
    return AnnotatedVideo(video.video_id, video.kinds, intervals, len(mask), len(video.kinds) > 1)


def _of_seconds(path: Path, fps: float) -> tuple[dict[str, AnnotatedVideo], tuple[str, ...]]:
    content = read_annotations(path)
    if not fps > 0:
        raise AnnotationError(f"The times of {path} are seconds: give the frame rate of the videos in `--fps`.")
    return in_frames(content.videos.index, content.segments, fps), content.notes


def in_frames(video_ids: Iterable[str], segments: pd.DataFrame, fps: float) -> dict[str, AnnotatedVideo]:
    """Videos whose anomalies are known in seconds.

    Args:
        video_ids: Names of all videos, normal ones included.
        segments: One row per anomaly: ``video_id``, ``label``, ``start_s``, ``end_s``.
        fps: Frames per second.
    """
    of_video = dict(list(segments.groupby("video_id", sort=False)))
    found = {}
    for name in map(str, video_ids):
        mine = of_video.get(name, segments.iloc[:0])
        spans = zip(mine["label"], np.rint(mine["start_s"] * fps), np.rint(mine["end_s"] * fps), strict=True)
        intervals = tuple(Interval(label, int(start), int(end) - 1) for label, start, end in spans if end > start)
        found[name] = AnnotatedVideo(name, tuple(dict.fromkeys(one.kind for one in intervals)), intervals)
    return found


def length_problem(video: AnnotatedVideo, scored: int, step: int) -> str:
    """Why the scores of a video do not fit its truth; empty if they do, give or take the rounding to whole snippets.

    Args:
        video: The video.
        scored: Number of frames that its scores cover.
        step: Frames that a score stands for.

    >>> length_problem(AnnotatedVideo("a", (), (), 320), 20, 1)
    '20 frames are scored of 320: the scores seem to be of snippets of 16 frames, so add `--frames_per_score 16`'
    """
    needed = max((one.last + 1 for one in video.intervals), default=0)
    if video.frames is None:
        if scored >= needed - _ROUNDING:
            return ""
        reason = _SNIPPETS if step == 1 and FRAMES_OF_SNIPPET * scored >= needed - _ROUNDING else _EARLY
        return f"{scored} frames are scored, an anomaly lasts to {needed}: {reason}"
    if abs(scored - video.frames) <= _ROUNDING:
        return ""
    return f"{scored} frames are scored of {video.frames}: {_reason(scored, video.frames, step)}"


def _reason(scored: int, frames: int, step: int) -> str:
    """Why a video of known length is scored at another length."""
    if step == 1 and abs(FRAMES_OF_SNIPPET * scored - frames) <= _ROUNDING:
        return _SNIPPETS
    if step > 1 and abs(scored // step - frames) <= _ROUNDING:
        return "the scores seem to be of single frames, so leave out `--frames_per_score`"
    if scored < frames:
        return _EARLY
    crops = next((count for count in (10, 5) if abs(scored - count * frames) <= count * _ROUNDING), 0)
    if crops:
        return f"the scores seem to be of {crops} crops one after the other: average them"
    return "the features are of a longer copy of the video, or of another frame rate"


def missing_videos(truth: FrameTruth, scored: Iterable[str]) -> str:
    """Which tested videos have no score; empty if all have one."""
    lacking = sorted(truth.videos.keys() - set(scored))
    return f"{len(lacking)} of {len(truth.videos)} videos have no score: {first(lacking)}" if lacking else ""

"""Anyone's scores of frames: one ``.npy`` a video, an ``.npz``, one long array with a list, or those of a run."""

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wtal.data.anomaly_lists import ListedVideo
from wtal.data.anomaly_names import feature_file
from wtal.errors import PredictionError
from wtal.io.arrays import read_array
from wtal.io.bounds import check_size, read_npy_header
from wtal.metrics.frame_scores import FRAMES_OF_SNIPPET
from wtal.results.scores import TestScores, read_scores

__all__ = ["FramePredictions", "anomaly_scores_of", "frames_of_run", "read_frame_scores"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FramePredictions:
    """Scores of frames, or of snippets of equal length, by video.

    Args:
        path: File or folder that they were read from.
        scores: How abnormal each row is, ``(N,)``, larger for more.
        probabilities: Probability to be normal and of each kind of anomaly, ``(N, 1 + C)``; empty where only a score is
            known.
        step: Frames that a row stands for.
        class_names: Names of the kinds, ``C``, where the file says so.
        fps: Frame rate by which seconds become frames, where the file says so; otherwise NaN.
    """

    path: Path
    scores: Mapping[str, Floats]
    probabilities: Mapping[str, NDArray[np.floating]]
    step: int
    class_names: tuple[str, ...] = ()
    fps: float = math.nan


def read_frame_scores(path: Path, step: int = 1, listed: Sequence[ListedVideo] | None = None) -> FramePredictions:
    """Read scores.

    Forms: a folder with ``NAME.npy`` for each video; an ``.npz`` with an array a video; an ``.npy`` with the scores of
    all videos one after the other, in the order of a list that says how many frames each has; and the ``scores/*.npz``
    of a run. An array is ``(N,)`` or ``(N, 1)``, or ``(N, 1 + C)`` with the probability to be normal first, as VadCLIP
    has it. Names are those of feature files, also with endings such as ``_i3d``.

    Args:
        path: File or folder.
        step: Frames that a row stands for: 1, or 16 for scores of snippets. That of a run is known.
        listed: The videos of a long array, in its order.

    Raises:
        PredictionError: If the scores are unreadable, not finite or of another form, a video has several, or a long
            array does not fit its list.
    """
    if path.is_dir():
        arrays = _distinct(
            path, [(file.stem, read_array(file, PredictionError)) for file in sorted(path.glob("*.npy"))]
        )
    elif path.suffix == ".npz":
        content = _npz(path)
        if "video_ids" in content:
            return frames_of_run(read_scores(path), path)
        arrays = _distinct(path, list(content.items()))
    elif path.suffix == ".npy":
        arrays = _cut(path, read_array(path, PredictionError), listed, step)
    else:
        raise PredictionError(f"{path} holds no scores of frames: give a folder of `.npy`, an `.npz` or one `.npy`.")
    if not arrays:
        raise PredictionError(f"{path} holds no scores: a folder has one `.npy` a video.")
    return _of_arrays(path, arrays, step)


def _of_arrays(path: Path, arrays: Mapping[str, np.ndarray], step: int) -> FramePredictions:
    plain = {name: _checked(path, name, array) for name, array in arrays.items()}
    wide = {name: array for name, array in plain.items() if array.ndim == 2}
    if wide and (len(wide) < len(plain) or len({array.shape[1] for array in wide.values()}) > 1):
        raise PredictionError(f"{path} has arrays of different widths: save those of all videos alike.")
    scores = {name: array if array.ndim == 1 else 1 - array[:, 0] for name, array in plain.items()}
    return FramePredictions(path, scores, wide, step)


def _distinct(path: Path, arrays: Sequence[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, array in arrays:
        video_id, _ = feature_file(name)
        if video_id in found:
            raise PredictionError(
                f"{path} has several arrays of the video {video_id}: average the scores of its crops, and save one."
            )
        found[video_id] = array
    return found


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                with archive.open(info) as member:
                    shape, dtype = read_npy_header(path, member, info.file_size)
                check_size(math.prod(shape) * dtype.itemsize, path.stat().st_size)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # a damaged archive can raise anything
        raise PredictionError(
            f"{path} cannot be read and may be damaged ({str(error)[:100]}): save it again."
        ) from error


def frames_of_run(found: TestScores, path: Path) -> FramePredictions:
    """The scores of one source of a run as scores of frames.

    Args:
        found: Scores of its snippets.
        path: Their file.
    """
    kinds = found.probability.astype(float)
    kinds = kinds / np.maximum(kinds.sum(axis=1, keepdims=True), 1)  # half precision may exceed 1
    wide, score = np.column_stack([1 - kinds.sum(axis=1), kinds]), anomaly_scores_of(found)
    steps = np.unique(found.grids.step_s)
    return FramePredictions(
        path,
        {name: score[place] for name, place in found.grids.slices.items()},
        {name: wide[place] for name, place in found.grids.slices.items()},
        FRAMES_OF_SNIPPET,
        tuple(found.class_names),
        FRAMES_OF_SNIPPET / float(steps[0]) if len(steps) == 1 else math.nan,
    )


def anomaly_scores_of(found: TestScores) -> Floats:
    """How abnormal each snippet is, ``(S,)``, as :func:`~wtal.tasks.anomaly_score` has it."""
    kinds = np.minimum(found.probability.astype(float).sum(axis=1), 1)
    return np.asarray((found.actionness.astype(float) + kinds) / 2)


def _cut(path: Path, array: np.ndarray, listed: Sequence[ListedVideo] | None, step: int) -> dict[str, np.ndarray]:
    """The parts of a long array."""
    if listed is None:
        raise PredictionError(
            f"{path} is one long array: give the list of its videos in their order, in `--video_list`."
        )
    unknown = next((video.video_id for video in listed if video.frames is None), None)
    if unknown is not None:
        raise PredictionError(
            f"{path} is one long array, and the list does not say how many frames {unknown} has: give a table with the "
            "columns `video` and `frames`, in the order of the array."
        )
    rows = [-(-(video.frames or 0) // step) for video in listed]
    if sum(rows) != len(array):
        raise PredictionError(f"{path} has {len(array)} rows, but {_wanted(sum(rows), len(array), step)}")
    parts = np.split(array, np.cumsum(rows)[:-1])
    return {video.video_id: part for video, part in zip(listed, parts, strict=True)}


def _wanted(rows: int, found: int, step: int) -> str:
    for other in (1, 16):
        if other != step and abs(rows * step - found * other) <= 16 * max(1, rows // 1000):
            return f"the list has {rows * step} frames: a row stands for {other}, so add `--frames_per_score {other}`."
    per_row = f", {step} a row," if step > 1 else ""
    return (
        f"the videos of the list have {rows * step} frames{per_row} so that it should have {rows}: ground truth and "
        "scores must come from the same features, as their lengths differ between feature sets."
    )


def _checked(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """An array of numbers, ``(N,)`` or ``(N, 1 + C)``."""
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim not in (1, 2) or not len(array) or array.dtype.kind not in "fiu":
        raise PredictionError(
            f"{path}: the scores of {name} have the shape {array.shape} and type {array.dtype} instead of one number, "
            "or one a class, a frame."
        )
    if not np.isfinite(array).all():
        raise PredictionError(f"{path}: the scores of {name} are not all finite, as row {_bad_row(array)} shows.")
    return array if array.ndim == 2 else array.astype(float)


def _bad_row(array: np.ndarray) -> int:
    return int(np.argwhere(~np.isfinite(array))[0][0])

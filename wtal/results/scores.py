"""Snippet scores and pseudo-labels of a run on disk: one ``.npz`` of plain numbers per source."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wtal.errors import PredictionError
from wtal.io.bounds import read_npy_header
from wtal.io.files import drafted

if TYPE_CHECKING:  # making a page needs no torch
    from wtal.types import Video

__all__ = [
    "StudentLabels",
    "TestScores",
    "VideoGrids",
    "added",
    "read_pseudo_labels",
    "read_scores",
    "write_pseudo_labels",
    "write_scores",
]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class VideoGrids:
    """Videos and the times of their snippets.

    Arrays of snippets are concatenated over the videos, in their order; ``S`` snippets in all.

    Args:
        video_ids: Names of the videos, ``N``.
        lengths: Number of snippets of each video, ``(N,)``.
        first_s: Start of the cell of snippet 0, ``(N,)``; see :meth:`~wtal.types.TimeGrid.edge_s`.
        step_s: Length of a cell, ``(N,)``.
        duration_s: Duration of each video, ``(N,)``.
    """

    video_ids: Sequence[str]
    lengths: Ints
    first_s: Floats
    step_s: Floats
    duration_s: Floats

    @classmethod
    def of(cls, videos: Sequence["Video"]) -> "VideoGrids":
        """The grids of videos, in the given order."""
        columns = [(v.num_snippets, v.grid.edge_s(0), v.grid.step_s, v.duration_s) for v in videos]
        lengths, first_s, step_s, duration_s = np.array(columns, dtype=float).reshape(-1, 4).T
        return cls([v.video_id for v in videos], lengths.astype(np.int64), first_s, step_s, duration_s)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The snippets of each video."""
        ends = np.cumsum(self.lengths).tolist()
        return {name: slice(a, b) for name, a, b in zip(self.video_ids, [0, *ends], ends, strict=False)}

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each video."""
        return {name: row for row, name in enumerate(self.video_ids)}


@dataclass(frozen=True)
class TestScores:
    """The scores of one source for test videos.

    Args:
        grids: The videos.
        class_names: Class names by index, ``C``.
        probability: Probability of each class in each snippet, ``(S, C)`` float16.
        actionness: Actionness of each snippet, ``(S,)`` float16.
        video: Probability of each class in each video, ``(N, C)`` float16.
    """

    __test__ = False  # pytest would take the name for a test

    grids: VideoGrids
    class_names: Sequence[str]
    probability: Floats
    actionness: Floats
    video: Floats


@dataclass(frozen=True)
class StudentLabels:
    """The pseudo-labels of the training videos that each student last learned from.

    Args:
        grids: The videos.
        class_names: Class names by index.
        label: By student: 1 foreground, 0 background, -1 ignored, ``(S,)`` int8.
        class_index: By student: class of a foreground snippet, otherwise -1, ``(S,)`` int16.
        mark: Addition to the name of the benchmark, if the teachers learned from more than video labels.
    """

    grids: VideoGrids
    class_names: Sequence[str]
    label: Mapping[str, Ints]
    class_index: Mapping[str, Ints]
    mark: str = ""


def write_scores(path: Path, scores: TestScores) -> None:
    """Write the scores of one source; an existing file is replaced once the new one is complete."""
    arrays = {"probability": scores.probability, "actionness": scores.actionness, "video": scores.video}
    half = {name: np.asarray(array, np.float16) for name, array in arrays.items()}
    _write(path, {**_head(scores.grids, scores.class_names), **half})


def read_scores(path: Path) -> TestScores:
    """Read a file of :func:`write_scores`.

    Raises:
        PredictionError: If the file is missing, damaged, or of another kind.
    """
    arrays = _read(path)
    grids, class_names = _read_head(path, arrays)
    snippets, videos, classes = int(grids.lengths.sum()), len(grids.video_ids), len(class_names)
    shapes = {"probability": (snippets, classes), "actionness": (snippets,), "video": (videos, classes)}
    return TestScores(grids, class_names, **{n: _taken(path, arrays, n, "f", s) for n, s in shapes.items()})


def added(earlier: TestScores, new: TestScores) -> TestScores:
    """The scores of earlier videos and of new ones; a video that is in both is the new one.

    Args:
        earlier: Scores of the same classes.
        new: Scores.
    """
    kept = [row for row, name in enumerate(earlier.grids.video_ids) if name not in new.grids.rows]
    parts = [(earlier, kept), (new, list(range(len(new.grids.video_ids))))]
    names = [scores.grids.video_ids[row] for scores, rows in parts for row in rows]
    times = [
        np.concatenate([getattr(scores.grids, name)[rows] for scores, rows in parts])
        for name in ("lengths", "first_s", "step_s", "duration_s")
    ]
    probability, actionness = (
        np.concatenate([getattr(s, name)[s.grids.slices[s.grids.video_ids[row]]] for s, rows in parts for row in rows])
        for name in ("probability", "actionness")
    )
    video = np.concatenate([scores.video[rows] for scores, rows in parts])
    return TestScores(VideoGrids(names, *times), new.class_names, probability, actionness, video)


def write_pseudo_labels(path: Path, labels: StudentLabels) -> None:
    """Write the pseudo-labels of all students; an existing file is replaced once the new one is complete."""
    arrays = {f"label_{student}": np.asarray(values, np.int8) for student, values in labels.label.items()}
    arrays |= {f"class_index_{student}": np.asarray(values, np.int16) for student, values in labels.class_index.items()}
    if labels.mark:
        arrays["mark"] = np.frombuffer(labels.mark.encode(), np.uint8)
    _write(path, {**_head(labels.grids, labels.class_names), **arrays})


def read_pseudo_labels(path: Path) -> StudentLabels:
    """Read a file of :func:`write_pseudo_labels`.

    Raises:
        PredictionError: If the file is missing, damaged, or of another kind.
    """
    arrays = {_present_name(name): array for name, array in _read(path).items()}
    grids, class_names = _read_head(path, arrays)
    shape = (int(grids.lengths.sum()),)
    students = [name.removeprefix("label_") for name in arrays if name.startswith("label_")]
    label, class_index = (
        {s: _taken(path, arrays, f"{k}_{s}", "i", shape) for s in students} for k in ("label", "class_index")
    )
    for student in students:
        if not np.isin(label[student], (-1, 0, 1)).all() or not _within(class_index[student], -1, len(class_names)):
            raise PredictionError(f"{path} has pseudo-labels of {student} out of range: {_WAY_OUT}.")
    mark = arrays["mark"].tobytes()[:200].decode("utf-8", "replace") if "mark" in arrays else ""
    return StudentLabels(grids, class_names, label, class_index, mark)


def _present_name(name: str) -> str:
    """Present name of an array; ``class_index`` was called ``klass`` before version 0.2."""
    return f"class_index_{name.removeprefix('klass_')}" if name.startswith("klass_") else name


_WAY_OUT = "write it again with `wtal fit` or `wtal test`"


def _within(values: Ints, low: int, high: int) -> bool:
    return bool(((low <= values) & (values < high)).all())


def _head(grids: VideoGrids, class_names: Sequence[str]) -> dict[str, NDArray[Any]]:
    names = {"video_ids": grids.video_ids, "class_names": class_names}
    text = {name: np.frombuffer(json.dumps(list(values)).encode(), np.uint8) for name, values in names.items()}
    times = {name: np.asarray(getattr(grids, name), float) for name in ("first_s", "step_s", "duration_s")}
    return {**text, "lengths": np.asarray(grids.lengths, np.int64), **times}


def _read_head(path: Path, arrays: Mapping[str, NDArray[Any]]) -> tuple[VideoGrids, list[str]]:
    video_ids, class_names = (_names(path, arrays, name) for name in ("video_ids", "class_names"))
    count = (len(video_ids),)
    lengths = _taken(path, arrays, "lengths", "i", count)
    times = [_taken(path, arrays, name, "f", count) for name in ("first_s", "step_s", "duration_s")]
    if not _within(lengths, 0, 2**31) or not np.isfinite(times).all() or (np.array(times[1:]) <= 0).any():
        raise PredictionError(f"{path} has a video with an impossible length in snippets or seconds: {_WAY_OUT}.")
    return VideoGrids(video_ids, lengths, *times), class_names


def _names(path: Path, arrays: Mapping[str, NDArray[Any]], name: str) -> list[str]:
    if name not in arrays or arrays[name].dtype != np.uint8:
        raise PredictionError(f"{path} has no {name}: {_WAY_OUT}.")
    try:
        names = json.loads(arrays[name].tobytes())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise PredictionError(f"{path} is damaged, as its {name} are not text: {_WAY_OUT}.") from error
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names) or len({*names}) < len(names):
        raise PredictionError(f"{path} is damaged, as its {name} are not a list of distinct names: {_WAY_OUT}.")
    return names


def _taken(path: Path, arrays: Mapping[str, NDArray[Any]], name: str, kind: str, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    if name not in arrays:
        raise PredictionError(f"{path} has no array {name}: {_WAY_OUT}.")
    array = arrays[name]
    if array.dtype.kind != kind or array.shape != shape:
        raise PredictionError(f"{path}: {name} is {array.dtype} {array.shape}, expected {shape}: {_WAY_OUT}.")
    return array


def _write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with drafted(path) as draft, draft.open("wb") as file:
        np.savez(file, **dict[str, Any](arrays))  # uncompressed, because compression would take longer than the test


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a file. Nothing in it may be compressed, so no array is larger than the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise PredictionError(f"{path} is compressed, unlike any file of this program: {_WAY_OUT}.")
            if any(info.file_size > path.stat().st_size for info in archive.infolist()):
                raise PredictionError(f"{path} is damaged, as a part of it is larger than the whole: {_WAY_OUT}.")
            return {name.removesuffix(".npy"): _array(path, archive, name) for name in archive.namelist()}
    except PredictionError:
        raise
    except FileNotFoundError as error:
        raise PredictionError(f"{path} does not exist: {_WAY_OUT}.") from error
    except Exception as error:  # a damaged archive can raise anything
        raise PredictionError(f"{path} is damaged ({str(error)[:100]}): {_WAY_OUT}.") from error


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as member:
        shape, dtype = read_npy_header(path, member, archive.getinfo(name).file_size)
        if dtype.hasobject:
            raise ValueError(f"{name} holds objects")
        values = np.frombuffer(member.read(), dtype)
    return values[: int(np.prod(shape))].reshape(shape)

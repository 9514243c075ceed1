"""Streams that a run gives its student besides those of the data: its own scores, and similarities to class texts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from wtal.branches.branch import Branch
from wtal.branches.localization import LocalizationModule
from wtal.branches.scoring import score_videos
from wtal.data.datamodule import SnippetDataModule
from wtal.data.store import StoreWriter
from wtal.errors import AnnotationError, ConfigError
from wtal.localization.scored import VideoScores
from wtal.nn.text.prompts import TextSource
from wtal.types import Split, Video

__all__ = ["MADE", "check_inputs", "similarities", "teacher_scores", "write_inputs"]

MADE = ("teacher", "similarity")

Rows = NDArray[np.float32]
_Maker = Callable[[VideoScores, Mapping[str, NDArray[np.generic]]], Rows]  # from a video's scores and features


def check_inputs(inputs: Sequence[str], model: LocalizationModule, data: SnippetDataModule) -> None:
    """Refuse inputs of a student that neither the data nor the run have.

    Args:
        inputs: Names of streams of the data, ``teacher`` or ``similarity``.
        model: The run's model.
        data: Its data.

    Raises:
        ConfigError: If one is unknown or given twice, or there are no class texts to compare with.
    """
    for place, name in enumerate(inputs):
        if name in inputs[:place]:
            raise ConfigError(f"The input {name!r} is given twice: name it once.")
        if name not in (*data.streams, *MADE):
            raise ConfigError(f"There is no input {name!r}: give some of {', '.join(data.streams)}, {', '.join(MADE)}.")
    if "similarity" in inputs and "similarity" not in data.streams:
        _texts_of(model)


def write_inputs(
    model: LocalizationModule, data: SnippetDataModule, inputs: Sequence[str], folder: Path
) -> dict[str, int]:
    """Write those inputs that the data do not have, for the videos of all splits, as feature stores.

    Args:
        model: The run's model, in evaluation mode; test videos are scored too, but no label or segment is read.
        data: Its data.
        inputs: Names of the student's inputs, as :func:`check_inputs` takes them.
        folder: Folder of the stores, each named like its stream; existing ones are replaced.

    Returns:
        Channels of each stream that was written.

    Raises:
        ConfigError: If the snippets of two videos differ in more than their frame rate.
        WTALError: If features cannot be read.
    """
    makers: dict[str, _Maker] = {}
    for name in (name for name in inputs if name not in data.streams):
        makers[name] = _teacher if name == "teacher" else _similarity(*_texts_of(model))
    return {name: _write(folder / name, _made(model, data, maker)) for name, maker in makers.items()}


def teacher_scores(seen: VideoScores) -> Rows:
    """Probability of each class and actionness, from the model's own answer, ``(T, C + 1)``."""
    scores = seen.sources[list(seen.sources)[-1]]
    return np.asarray(torch.cat([scores.probability, scores.attention[:, None]], dim=1), np.float32)


def similarities(rows: NDArray[np.generic], texts: torch.Tensor) -> Rows:
    """Cosines of snippets ``(T, D)`` and class texts ``(C, D)``, ``(T, C)``.

    >>> similarities(np.array([[0.0, 2.0]]), torch.tensor([[3.0, 0.0], [3.0, 3.0]])).round(3).tolist()
    [[0.0, 0.7070000171661377]]
    """
    image = F.normalize(torch.from_numpy(np.array(rows, np.float32)), dim=1)
    return np.asarray(image @ F.normalize(texts.float(), dim=1).T)


def _teacher(seen: VideoScores, _: Mapping[str, NDArray[np.generic]]) -> Rows:
    return teacher_scores(seen)


def _similarity(stream: str, texts: torch.Tensor) -> _Maker:
    return lambda _, features: similarities(features[stream], texts)


@torch.no_grad()
def _texts_of(model: LocalizationModule) -> tuple[str, torch.Tensor]:
    """The stream that a branch of the model compares with class texts, and these ``(C, D)``.

    Raises:
        ConfigError: If no branch does.
    """
    for branch in (part for part in model.modules() if isinstance(part, Branch)):
        for texts in (part for part in branch.modules() if isinstance(part, TextSource)):
            return branch.streams[0], texts().cpu()
    raise ConfigError("There is no input 'similarity': the run's model has no class texts. Leave it out.")


def _made(model: LocalizationModule, data: SnippetDataModule, maker: _Maker) -> Iterator[tuple[Video, Rows]]:
    """The rows of one stream for each video, once, though it may be in several splits."""
    done: set[str] = set()
    for split in _splits(data):
        features, new = data.split(split).features, [v.video_id for v in data.videos(split) if v.video_id not in done]
        for name, seen in score_videos(model, data, split, new).items():
            yield seen.video, maker(seen, features.read(name, slice(None)))
        done.update(new)


def _splits(data: SnippetDataModule) -> list[Split]:
    splits: list[Split] = ["train", "val"] if data.held_out else ["train"]
    try:
        data.test_table()
    except AnnotationError:  # the annotations are of training videos alone
        return splits
    return [*splits, "test"]


def _write(folder: Path, videos: Iterable[tuple[Video, Rows]]) -> int:
    """Write a store, and return its number of channels."""
    channels, grid = 0, None
    with ExitStack() as stack:
        for video, rows in videos:
            if grid is None:
                grid = video.grid
                store = stack.enter_context(StoreWriter(folder, grid))
            if (video.grid.stride, video.grid.window, video.grid.offset_s) != (grid.stride, grid.window, grid.offset_s):
                raise ConfigError(
                    f"The snippets of {video.video_id} differ from those of other videos in stride, window or offset, "
                    "so the run's scores cannot be stored as a stream: leave `teacher` and `similarity` out."
                )
            store.add(video.video_id, rows, video.grid.fps)
            channels = rows.shape[1]
    return channels

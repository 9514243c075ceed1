"""The videos of a split with their features, and the choice of those that are held out of training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from wtal.data.annotations import Annotations, first
from wtal.data.dataset import SnippetFeatures
from wtal.data.store import FeatureStore
from wtal.errors import AnnotationError, FeatureNotFoundError
from wtal.types import Split, Video

__all__ = [
    "SplitVideos",
    "WithoutAction",
    "hold_out",
    "open_split",
    "remark_on_unlabelled",
    "with_action",
    "without_features",
]

WithoutAction = Literal["keep", "skip"]


@dataclass(frozen=True)
class SplitVideos:
    """The videos of a split, in the order of ``SnippetBatch.video``.

    Args:
        table: Rows of :attr:`Annotations.videos`.
        features: Features of these videos.
        videos: Each video without its features and segments.
        left_out: Annotated videos of this split that have no features.
    """

    table: pd.DataFrame
    features: SnippetFeatures
    videos: list[Video]
    left_out: list[str]


def open_split(
    annotations: Annotations,
    split: Split,
    table: pd.DataFrame,
    features: SnippetFeatures,
    left_out: list[str],
    drop_up_to: int,
) -> SplitVideos:
    """Put the videos of a split together with their features.

    Args:
        annotations: Source of the table, for messages.
        split: Name of the split.
        table: Rows of :attr:`Annotations.videos` in the split.
        features: Features of its videos.
        left_out: Videos without features.
        drop_up_to: Leave out videos of this many snippets or fewer.

    Raises:
        AnnotationError: If no video is left.
        FeatureError: If the streams of a video disagree.
    """
    table = table.drop(index=left_out)
    table = table.assign(length=[features.length(video_id) for video_id in table.index])
    table = table[table["length"] > drop_up_to]
    if table.empty:
        raise AnnotationError(f"{annotations.path}: no {split} video with features is left.")
    videos = []
    for video_id, length, duration_s in zip(table.index, table["length"], table["duration_s"], strict=True):
        grid = features.grid(video_id)
        videos.append(Video(video_id, length, grid, grid.edge_s(length) if np.isnan(duration_s) else duration_s))
    return SplitVideos(table, features, videos, left_out)


def with_action(path: Path, table: pd.DataFrame, without_action: WithoutAction) -> pd.DataFrame:
    """The training videos of a table, with or without those that have no label.

    Args:
        path: Path of the annotations, for messages.
        table: Rows of :attr:`Annotations.videos`.
        without_action: What happens to videos without a label.

    Raises:
        AnnotationError: If no video has a label.
    """
    labelled = table["labels"].map(bool)
    if not labelled.any():
        raise AnnotationError(
            f"{path}: none of the {len(table)} training videos has a label: write beside each what it shows."
        )
    return table[labelled] if without_action == "skip" else table


def without_features(
    table: pd.DataFrame, streams: Mapping[str, FeatureStore], split: Split, missing: Literal["error", "skip"]
) -> list[str]:
    """Names of the videos that lack features of a stream.

    Args:
        table: Rows of :attr:`Annotations.videos`.
        streams: Features by name of the stream.
        split: Name of the split, for the message.
        missing: Whether there may be such videos.

    Raises:
        FeatureNotFoundError: If there are some, and they may not be skipped.
    """
    left_out: set[str] = set()
    for name, stream in streams.items():
        absent = [video_id for video_id in table.index if video_id not in stream]
        if absent and missing == "error":
            raise FeatureNotFoundError(
                f"{len(absent)} of {len(table)} {split} videos have no {name} features in {stream.path}: "
                f"{first(absent)}; extract them, choose a benchmark without them, or leave them out with "
                "`data.missing: skip`."
            )
        left_out.update(absent)
    return [video_id for video_id in table.index if video_id in left_out]


def remark_on_unlabelled(table: pd.DataFrame, without_action: WithoutAction) -> list[str]:
    """One sentence on what happens to the training videos without a label; none if all have one."""
    names = [str(name) for name, labels in table["labels"].items() if not labels]
    taken = "are taken as videos without any action, which teach the background (`data.without_action: skip` leaves "
    taken = "are left out, as `data.without_action` is `skip`" if without_action == "skip" else taken + "them out)"
    return [f"{len(names)} training videos have no label and {taken}: {first(names)}."] if names else []


def hold_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose videos to hold out, class by class.

    The rarest classes choose first. Each class gives up to its share of videos and always keeps one. Videos without a
    label count as one more class.

    Args:
        labels: Multi-hot labels, ``(N, C)``.
        share: Share of each class's videos to hold out.
        seed: Seed of the choice.

    Returns:
        True on held-out videos, ``(N,)``.
    """
    unlabelled = labels.sum(axis=1) == 0
    if unlabelled.any():
        labels = np.column_stack([labels, unlabelled])
    out = np.zeros(len(labels), bool)
    order = np.random.default_rng(seed).permutation(len(labels))
    videos = labels.sum(axis=0)
    quota, given = np.round(videos * share), np.zeros_like(videos)
    for label in np.argsort(videos, kind="stable"):
        for row in order[labels[order, label] == 1]:
            with_row = given + labels[row]
            keeps_all = ((videos - with_row)[labels[row] == 1] >= 1).all()
            if not out[row] and keeps_all and with_row[label] <= quota[label]:
                out[row], given = True, with_row
    return out

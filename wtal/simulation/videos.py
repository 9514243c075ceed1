"""The videos to simulate: names, lengths and instances, from annotations of any form."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wtal.data.annotations import Annotations, first
from wtal.errors import AnnotationError
from wtal.io.bounds import is_file_name
from wtal.simulation.noise import random_stream
from wtal.types import TimeGrid

__all__ = ["Instance", "SimulatedVideo", "chosen", "videos_of"]

_AFTER_LAST_S, _WITHOUT_ANY_S = 5.0, 60.0  # where durations are unknown
_LONGEST_S = 24 * 3600.0
_MADE_UP, _MADE_UP_S = 3, 4.0  # instances of a label without any, and their median length


@dataclass(frozen=True)
class Instance:
    """One event in a video: what is annotated from one time to another, with all its labels.

    Args:
        start_s: Start in seconds.
        end_s: End in seconds.
        labels: Class indices; several where one event is annotated as several classes.
    """

    start_s: float
    end_s: float
    labels: tuple[int, ...]


@dataclass(frozen=True)
class SimulatedVideo:
    """A video to simulate.

    Args:
        name: Name of the video.
        subset: Its subset as annotated; may be empty.
        length: Number of snippets.
        instances: What happens in it, by start.
    """

    name: str
    subset: str
    length: int
    instances: tuple[Instance, ...]


def videos_of(annotations: Annotations, grid: TimeGrid, seed: int) -> tuple[list[SimulatedVideo], list[str]]:
    """The videos in the order of the annotations, and what a user should know about what had to be assumed.

    A video of unknown duration ends 5 s after its last instance, or lasts 60 s without one. Labels without segments
    get instances that are made up. Segments without length, and those beyond the end of their video, are left out.

    Args:
        annotations: Labels and segments.
        grid: Time grid of the snippets.
        seed: Seed of what is made up.

    Raises:
        AnnotationError: If there is no label, a name cannot be that of a file, or a video is longer than a day.
    """
    if not annotations.class_names:
        raise AnnotationError(f"{annotations.path} has no label yet: write one beside each video.")
    index = {name: number for number, name in enumerate(annotations.class_names)}
    segments = dict(list(annotations.segments.groupby("video_id", sort=False)))
    videos, assumed, invented, dropped = [], [], [], 0
    for name, row in annotations.videos.iterrows():
        name = _checked(annotations, str(name))
        given = segments.get(name, annotations.segments.iloc[:0])
        duration_s = row["duration_s"]
        if np.isnan(duration_s):
            assumed.append(name)
            duration_s = given["end_s"].max() + _AFTER_LAST_S if len(given) else _WITHOUT_ANY_S
        if duration_s > _LONGEST_S:
            raise AnnotationError(
                f"{annotations.path}: video {name} lasts {duration_s / 3600:.0f} hours: correct its duration, in "
                "seconds."
            )
        length = max(1, int(grid.index_of(duration_s) + 1e-9))
        events = _events(given, index, grid.edge_s(length))
        dropped += len(given) - sum(len(event.labels) for event in events)
        bare = [index[label] for label in row["labels"]] if given.empty else []
        if bare:
            invented.append(name)
            events = _made_up(bare, grid.edge_s(length), random_stream(seed, name, "instances"))
        videos.append(SimulatedVideo(name, row["subset"], length, tuple(events)))
    return videos, list(_notes(assumed, invented, dropped))


def _checked(annotations: Annotations, name: str) -> str:
    if not is_file_name(name):
        raise AnnotationError(f"{annotations.path}: {name!r} cannot be the name of a file: rename this video.")
    return name


def _notes(assumed: list[str], invented: list[str], dropped: int) -> list[str]:
    notes = []
    if assumed:
        notes.append(
            f"The duration of {len(assumed)} videos is unknown ({first(assumed)}): each ends {_AFTER_LAST_S:g} s after "
            f"its last instance, or lasts {_WITHOUT_ANY_S:g} s without one."
        )
    if invented:
        notes.append(
            f"{len(invented)} videos have labels but no segments ({first(invented)}): instances are made up for them, "
            "which no annotation knows."
        )
    if dropped:
        notes.append(
            f"{dropped} segments are left out, as they have no length, lie beyond their video, or are repeated."
        )
    return notes


def _events(segments: pd.DataFrame, index: dict[str, int], end_s: float) -> list[Instance]:
    """Instances up to the end of a video; those of equal times are one event with all their labels."""
    labels: dict[tuple[float, float], set[int]] = defaultdict(set)
    for label, start_s, stop_s in zip(segments["label"], segments["start_s"], segments["end_s"], strict=True):
        if max(0.0, start_s) < min(stop_s, end_s):
            labels[max(0.0, start_s), min(stop_s, end_s)].add(index[label])
    return [Instance(*times, tuple(sorted(found))) for times, found in sorted(labels.items())]


def _made_up(labels: Sequence[int], end_s: float, rng: np.random.Generator) -> list[Instance]:
    """Instances of each label, one in each of equal parts of the video."""
    parts = np.linspace(0, end_s, _MADE_UP * len(labels) + 1)
    part_s, events = parts[1], []
    for start_s, label in zip(parts, rng.permutation(np.repeat(labels, _MADE_UP)), strict=False):
        length_s = min(_MADE_UP_S * rng.lognormal(0, 0.5), 0.8 * part_s)
        begin_s = start_s + rng.uniform(0, part_s - length_s)
        events.append(Instance(float(begin_s), float(begin_s + length_s), (int(label),)))
    return events


def chosen(videos: Sequence[SimulatedVideo], names: Sequence[str], subsets: Sequence[str]) -> list[SimulatedVideo]:
    """The videos with one of the names, and in one of the subsets, ignoring their case; no names or subsets mean all.

    Raises:
        AnnotationError: If a name or a subset does not exist.
    """
    known, existing = {video.name for video in videos}, {video.subset.lower() for video in videos}
    wanted, parts = set(names) or known, {subset.lower() for subset in subsets} or existing
    if wanted - known:
        raise AnnotationError(
            f"{len(wanted - known)} of the --videos are not annotated ({first(sorted(wanted - known))}); names are "
            f"such as {first(sorted(known))}."
        )
    if parts - existing:
        there = ", ".join(map(repr, sorted(existing)))
        raise AnnotationError(f"No video is of the subset {min(parts - existing)!r}; there are: {there}.")
    found = [video for video in videos if video.name in wanted and video.subset.lower() in parts]
    if not found:
        raise AnnotationError("None of the --videos is in the chosen --subset: drop one of the two options.")
    return found

"""A feature store seen in another way: videos by their aliases, channels by their numbers, rows spread in time."""

import re
from collections.abc import Mapping
from functools import partial

import numpy as np

from wtal.data.store import FeatureStore, spellings
from wtal.errors import FeatureError
from wtal.types import TimeGrid

__all__ = ["column_numbers", "renamed", "spread", "with_columns"]


def renamed(store: FeatureStore, aliases: Mapping[str, str]) -> FeatureStore:
    """The features of some videos under other names.

    Args:
        store: Features of these videos and of others.
        aliases: Name of each video in the store, by its new name.
    """
    return FeatureStore(
        store.path,
        {name: partial(store.__getitem__, alias) for name, alias in aliases.items()},
        {name: partial(_shape, store, alias, store.dim) for name, alias in aliases.items()},
        partial(_grid_of_alias, store, aliases),
        store.dim,
        reading=store.reading,
    )


def with_columns(store: FeatureStore, columns: str) -> FeatureStore:
    """The same videos with only some of the channels.

    Args:
        store: Features.
        columns: See :func:`column_numbers`.

    Raises:
        FeatureError: If the columns cannot be read, or the features have fewer.
    """
    numbers = column_numbers(columns)
    if max(numbers) >= store.dim:
        raise FeatureError(
            f"The features at {store.path} have {store.dim} channels, so there is no column {max(numbers)}: correct "
            f"`columns`, which count from 0."
        )
    run = numbers == list(range(numbers[0], numbers[-1] + 1))  # a slice of a memory-mapped array is not copied
    chosen = slice(numbers[0], numbers[-1] + 1) if run else np.array(numbers)
    return FeatureStore(
        store.path,
        {name: partial(_columns, store, name, chosen) for name in store},
        {name: partial(_shape, store, name, len(numbers)) for name in store},
        store.grid,
        len(numbers),
        transposed=False,
        manifest=store.manifest,
        reading=store.reading,
    )


def spread(store: FeatureStore, durations_s: Mapping[str, float]) -> FeatureStore:
    """The same features with the rows of each video spread evenly over its duration.

    Args:
        store: Features whose rows were scaled to some number.
        durations_s: Durations of the videos in seconds.
    """
    known = {name: duration_s for video_id, duration_s in durations_s.items() for name in spellings(video_id)}
    return FeatureStore(
        store.path,
        {name: partial(store.__getitem__, name) for name in store},
        {name: partial(_shape, store, name, store.dim) for name in store},
        partial(_spread_grid, store, known),
        store.dim,
        transposed=False,
        manifest=store.manifest,
        reading=store.reading,
    )


def column_numbers(columns: str) -> list[int]:
    """Numbers of the channels that a text names.

    Args:
        columns: Numbers and ranges (the end excluded), counted from 0 and separated by commas.

    Raises:
        FeatureError: If the text has another form, or names a column twice.

    >>> column_numbers("0:3, 7")
    [0, 1, 2, 7]
    """
    numbers: list[int] = []
    for part in columns.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})\s*(?::\s*(\d{1,6})\s*)?", part)
        if not match:
            raise FeatureError(f"`columns` is {columns!r}: give numbers and ranges such as '0:3, 7'.")
        start = int(match[1])
        numbers += range(start, int(match[2]) if match[2] else start + 1)
    if not numbers or len(set(numbers)) < len(numbers):
        raise FeatureError(f"`columns` is {columns!r}, which names no column or one of them twice.")
    return numbers


def _grid_of_alias(store: FeatureStore, aliases: Mapping[str, str], name: str) -> TimeGrid:
    return store.grid(aliases[name])


def _spread_grid(store: FeatureStore, durations_s: Mapping[str, float], video_id: str) -> TimeGrid:
    duration_s = next((durations_s[name] for name in spellings(video_id) if durations_s.get(name, 0) > 0), None)
    if duration_s is None:
        raise FeatureError(
            f"The features of video {video_id} at {store.path} are `rescaled`, so its duration must be known: add a "
            "column `duration` to the annotations."
        )
    return TimeGrid(store.length(video_id) / duration_s, 1, 1)


def _columns(store: FeatureStore, name: str, columns: slice | np.ndarray) -> np.ndarray:
    return store[name][:, columns]


def _shape(store: FeatureStore, name: str, dim: int) -> tuple[int, int]:
    return store.length(name), dim

"""Turns sequences over time into scored proposals, for all classes and thresholds at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wtal.functional.segments import inner_outer_means, runs

__all__ = ["Proposals", "propose", "stretch", "upsample"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Proposals(NamedTuple):
    """Proposals before suppression, on the grid of the sequences."""

    row: Ints  # (P,) row of the sequence
    start: Ints  # (P,) first step
    end: Ints  # (P,) step after the last
    contrast: Floats  # (P,) inner minus outer mean


def upsample(values: Floats, factor: int) -> Floats:
    """Replace each step by ``factor`` steps, by linear interpolation between the centres of the steps.

    Args:
        values: Sequences, ``(..., T)``.
        factor: Number of new steps per step, at least 1.

    Returns:
        Sequences, ``(..., T * factor)``, constant before the first and after the last centre.

    >>> upsample(np.array([0.0, 4.0]), 2).tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    if factor == 1:
        return values
    length = values.shape[-1]
    place = np.clip((np.arange(length * factor) + 0.5) / factor - 0.5, 0, length - 1)
    left = place.astype(int)
    right = np.minimum(left + 1, length - 1)
    weight = place - left
    return np.asarray(values[..., left] * (1 - weight) + values[..., right] * weight)


def stretch(values: Floats) -> Floats:
    """Stretch each sequence ``(..., T)`` to [0, 1]; a constant sequence becomes zero."""
    low = values.min(axis=-1, keepdims=True)
    span = values.max(axis=-1, keepdims=True) - low
    return np.asarray((values - low) / np.where(span > 0, span, 1))


def propose(
    sequences: Floats,
    contrast: Floats,
    thresholds: Floats,
    outer_ratio: float = 0.25,
    min_margin: int = 1,
    min_length: int = 1,
) -> Proposals:
    """Make proposals of the runs above each threshold, and score them by outer-inner contrast.

    Args:
        sequences: Sequences to cut, ``S`` for each of ``R`` rows such as classes, ``(S, R, T)``.
        contrast: Sequence of each row whose inner and outer means are compared, ``(R, T)``.
        thresholds: Thresholds that a sequence exceeds in a run, ``(K,)``.
        outer_ratio: Length of the margin on each side as a share of the length of the run.
        min_margin: Minimum length of the margin, in steps.
        min_length: Minimum length of a run, in steps.

    Returns:
        Proposals without duplicates from several sequences and thresholds, ordered by row, start and end.

    Source:
        arXiv:1807.08333 for the contrast; many thresholds as in BaS-Net, arXiv:1911.09963.

    >>> sequence = np.array([[0.1, 0.9, 0.9, 0.4, 0.1]])
    >>> found = propose(sequence[None], sequence, np.array([0.3, 0.5]))
    >>> found.start.tolist(), found.end.tolist(), found.contrast.round(3).tolist()
    ([1, 1], [3, 4], [0.65, 0.633])
    """
    _, rows, length = sequences.shape
    masks = sequences[:, :, None] > thresholds[:, None]  # (S, R, K, T)
    line, start, end = runs(masks.reshape(-1, length))
    row = line // len(thresholds) % rows
    long = end - start >= min_length
    code = np.unique(((row * (length + 1) + start) * (length + 1) + end)[long])
    row, start, end = code // (length + 1) ** 2, code // (length + 1) % (length + 1), code % (length + 1)
    inner, outer = inner_outer_means(contrast, row, start, end, outer_ratio, min_margin)
    return Proposals(row, start, end, inner - outer)

"""How good a model is over a stream: each video is tested before it is learned from, and some are tested again."""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["faded_mean", "forgetting"]


def faded_mean(scores: Sequence[float], fading: float) -> float:
    """The mean of a sequence in which each score weighs ``fading`` times as much as the one after it.

    Args:
        scores: Scores in the order of the stream.
        fading: Factor in (0, 1]; 1 gives the plain mean, and 0.95 looks back on about 20 scores.

    Returns:
        The mean; NaN without any score.

    Raises:
        ValueError: If the factor is out of range.

    Source:
        Prequential error with a fading factor: Gama, Sebastião and Rodrigues, On evaluating stream learning algorithms,
        Machine Learning 90, 2013, section 4.

    >>> faded_mean([1.0, 1.0, 0.0], 0.5)
    0.42857142857142855
    """
    if not 0 < fading <= 1:
        raise ValueError(f"`fading` must lie in (0, 1], got {fading}.")
    if not len(scores):
        return float("nan")
    weights = fading ** np.arange(len(scores) - 1, -1, -1, dtype=float)
    return float(np.average(np.asarray(scores, float), weights=weights))


def forgetting(scores: Mapping[str, Sequence[float]]) -> float:
    """How far the present scores of videos lie below the best that they ever had, on average.

    Args:
        scores: For each video all its scores in their order; those with a single one tell nothing.

    Returns:
        The mean; it is negative where videos are better known now than ever before, and NaN if none has two scores.

    Source:
        The forgetting measure of Riemannian Walk, arXiv:1801.10112, section 3, with a video in place of a task.

    >>> round(forgetting({"a": [0.5, 0.8, 0.6], "b": [0.1, 0.3], "c": [0.9]}), 3)
    0.0
    """
    lost = [max(found[:-1]) - found[-1] for found in scores.values() if len(found) > 1]
    return float(np.mean(lost)) if lost else float("nan")

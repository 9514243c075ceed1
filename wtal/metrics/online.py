"""How good detections of a stream are, and how late: average precision and delay by the time of emission."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtal.functional.average_precision import AveragePrecision, average_precision, best_first_by_class, match

__all__ = ["OnlineScore", "online_score"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class OnlineScore(NamedTuple):
    """Result of an online evaluation."""

    precision: AveragePrecision  # in [0, 1]
    delay_s: Floats  # (K,) mean time from the end of an instance to the emission of its detection; NaN without any
    found: Ints  # (K,) detections that found an instance
    early: int  # detections left out because they end after they were emitted
    instances: int


def online_score(detections: ArrayLike, segments: ArrayLike, tious: Sequence[float]) -> OnlineScore:
    """Measure detections that were written while a stream came and never changed.

    A detection that ends after its emission speaks of what it has not seen, and is left out. What remains is measured
    as usual. The delay of a detection that finds an instance is the time from the end of the instance to the emission;
    it is negative where the detection came before the true end. A method that suppresses detections must do so in the
    order of their emission, before this.

    Args:
        detections: ``(N, 6)`` rows of video, label, start, end, score, emission, all times in seconds.
        segments: Ground truth, ``(M, 4)`` rows of video, label, start, end.
        tious: Thresholds of temporal IoU, ``(K,)``.

    Raises:
        ValueError: See :func:`~wtal.functional.average_precision.average_precision`.

    Source:
        MATR, arXiv:2408.02957: skhcjh231/MATR_codebase, Evaluation/eval_detection_gentime.py and util/utils.py. There
        a class without an instance makes the mean undefined; here it is left out, as everywhere in this package.

    >>> found = [[0, 0, 0.0, 9.0, 0.9, 10.5], [0, 0, 20.0, 30.0, 0.8, 29.0]]
    >>> score = online_score(found, [[0, 0, 0.0, 10.0], [0, 0, 20.0, 30.0]], [0.5])
    >>> score.precision.mean.tolist(), score.delay_s.tolist(), score.early
    ([0.5], [0.5], 1)
    """
    rows, truth = np.asarray(detections, float).reshape(-1, 6), np.asarray(segments, float).reshape(-1, 4)
    early = rows[:, 3] > rows[:, 5]
    rows = rows[~early]
    precision = average_precision(rows[:, :5], truth, tious)
    ranked = best_first_by_class(rows, "official")
    taken = match(ranked, truth, tious, "official")  # (K, N)
    is_true = taken >= 0
    ends_s = truth[:, 3] if len(truth) else np.zeros(1)
    late_s = np.where(is_true, ranked[:, 5] - ends_s[taken], 0.0)
    found = is_true.sum(axis=1)
    delay_s = np.where(found > 0, late_s.sum(axis=1) / np.maximum(found, 1), np.nan)
    return OnlineScore(precision, delay_s, found, int(early.sum()), len(truth))

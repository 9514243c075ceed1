"""A bounded memory of videos of a stream, in which rare classes are not crowded out by frequent ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wtal.errors import ConfigError

__all__ = ["Reservoir"]


class Reservoir:
    """Holds at most ``capacity`` videos, with about as many of each class as the stream allows.

    A video counts for the one of its labels that the memory has least of; videos without a label are one more class.
    When the memory is full, a video of a class that has never been the largest takes the place of a random one of the
    largest class. A video of any other class is held with the probability that keeps a uniform sample of that class, in
    the place of another one of it.

    The choice depends on the seed and on the number of videos so far, so no state of a generator is kept.

    Args:
        capacity: Number of videos that are held at most.
        seed: Seed of the random choices.

    Raises:
        ConfigError: If the capacity is below 1.

    Source:
        CBRS of Chrysakis and Moens, Online Continual Learning from Imbalanced Data, ICML 2020 (PMLR 119), algorithm 1.
        The class of a video with several labels is our choice.

    >>> memory = Reservoir(2)
    >>> [memory.offer(name, [label]) for name, label in (("a", "run"), ("b", "run"), ("c", "jump"))]
    [None, None, 'b']
    >>> memory.held
    {'a': 'run', 'c': 'jump'}
    """

    def __init__(self, capacity: int, seed: int = 0) -> None:
        if capacity < 1:
            raise ConfigError(f"A memory holds at least 1 video, not {capacity}.")
        self.capacity, self.seed = capacity, seed
        self.held: dict[str, str] = {}  # class that each video counts for, in the order of their arrival
        self.offered: Counter[str] = Counter()  # videos so far, by class
        self.largest: set[str] = set()  # classes that have been the largest in the full memory

    def offer(self, video_id: str, labels: Sequence[str]) -> str | None:
        """Take in a video, or not.

        Args:
            video_id: Name of the video, which must be new.
            labels: Its labels.

        Returns:
            Name of the video that is not held any more, or not at all; None if there is room for all.
        """
        sizes = Counter(self.held.values())
        own = min(labels, key=lambda label: (sizes[label], self.offered[label], label), default="")
        self.offered[own] += 1
        if len(self.held) < self.capacity:
            self.held[video_id] = own
            return None
        most = max(sizes.values())
        biggest = {label for label, size in sizes.items() if size == most}
        self.largest |= biggest
        rng = np.random.default_rng([self.seed, self.offered.total()])
        if own not in self.largest:
            dropped = self._one_of(biggest, rng)
        elif sizes[own] and rng.random() <= sizes[own] / self.offered[own]:
            dropped = self._one_of({own}, rng)
        else:
            return video_id
        del self.held[dropped]
        self.held[video_id] = own
        return dropped

    def _one_of(self, labels: set[str], rng: np.random.Generator) -> str:
        names = [name for name, label in self.held.items() if label in labels]
        return names[int(rng.integers(len(names)))]

    def state_dict(self) -> dict[str, Any]:
        """What is held, in plain values."""
        return {"held": dict(self.held), "offered": dict(self.offered), "largest": sorted(self.largest)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.held, self.offered = dict(state["held"]), Counter(state["offered"])
        self.largest = set(state["largest"])

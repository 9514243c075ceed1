"""Data order and randomness as functions of (seed, epoch, place), so that no generator's state needs saving."""

import signal
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

__all__ = ["EpochSampler", "ResumableLoader", "derive_seed", "leave_sigterm"]

T_co = TypeVar("T_co", covariant=True)


def derive_seed(*words: int) -> int:
    """One seed out of several whole numbers that are not negative; neighbours give unrelated seeds.

    >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def leave_sigterm(worker: int) -> None:
    """For a loader's process: SIGTERM is the main process's, which needs its batches to the end of the step."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class EpochSampler(DistributedSampler[tuple[int, int]]):
    """Shuffles anew each epoch and yields ``(index, seed)`` pairs.

    What is drawn for an item depends on its seed alone, so neither on the worker that draws it nor on a restart.

    Args:
        dataset: What is sampled from.
        seed: Of the whole run.
        num_replicas: Number of processes that share the epoch.
        rank: Of this process.
    """

    def __init__(self, dataset: Dataset[Any], seed: int = 0, num_replicas: int = 1, rank: int = 0) -> None:
        super().__init__(dataset, num_replicas=num_replicas, rank=rank, seed=seed)
        self.start = 0  # items of this epoch to leave out, as they were taken before a restart

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is next; a new one begins with its first item."""
        if epoch != self.epoch:
            self.start = 0
        super().set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Pairs of index and seed, from ``start`` on."""
        indices: list[Any] = list(super().__iter__())
        for index in indices[self.start :]:
            yield index, derive_seed(self.seed, self.epoch, index)


class ResumableLoader(DataLoader[T_co]):
    """A loader that Lightning can restart inside an epoch: it saves and loads ``state_dict``.

    The pass starts when its first batch is asked for, not at ``iter``: Lightning 2.5.3 and later make the iterator of a
    resumed run before they tell the sampler the epoch (Lightning issue 21938).
    """

    sampler: EpochSampler
    _taken = 0

    def __init__(self, dataset: Dataset[T_co], sampler: EpochSampler, **options: Any) -> None:  # noqa: ANN401
        # A generator of its own: workers' base seeds would else be drawn from the global one, each epoch.
        super().__init__(dataset, sampler=sampler, generator=torch.Generator(), worker_init_fn=leave_sigterm, **options)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Batches of the epoch that are left."""
        assert self.batch_size is not None
        self._taken = self.sampler.start // self.batch_size
        for batch in super().__iter__():
            self._taken += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The epoch and how many of its batches were taken."""
        return {"epoch": self.sampler.epoch, "taken": self._taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on in that epoch after these batches."""
        assert self.batch_size is not None
        self.sampler.set_epoch(state["epoch"])
        self.sampler.start = state["taken"] * self.batch_size

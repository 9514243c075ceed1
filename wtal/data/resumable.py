"""Order of the data and randomness as functions of seed, epoch and index, so that no generator state is saved."""

import signal
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, SequentialSampler
from torch.utils.data.distributed import DistributedSampler

__all__ = ["EpochSampler", "FixedOrder", "ResumableLoader", "derive_seed", "leave_sigterm"]

T_co = TypeVar("T_co", covariant=True)


def derive_seed(*words: int) -> int:
    """One seed from several non-negative integers; neighbouring integers give unrelated seeds.

    >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def leave_sigterm(worker: int) -> None:
    """Ignore SIGTERM in a worker process: the main process handles it, and needs batches until its step ends."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class EpochSampler(DistributedSampler[tuple[int, int]]):
    """Yields pairs of index and seed, in a different order each epoch.

    Random choices for an item depend on its seed alone, and thus neither on the worker nor on a restart.

    Args:
        dataset: Dataset to sample from.
        seed: Seed of the run.
        num_replicas: Number of processes that share the epoch.
        rank: Rank of this process.
    """

    def __init__(self, dataset: Dataset[Any], seed: int = 0, num_replicas: int = 1, rank: int = 0) -> None:
        super().__init__(dataset, num_replicas=num_replicas, rank=rank, seed=seed)
        self.start = 0  # items of this epoch to skip, as they were used before a restart

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; a new one begins with its first item."""
        if epoch != self.epoch:
            self.start = 0
        super().set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of index and seed, from ``start`` on."""
        indices: list[Any] = list(super().__iter__())
        for index in indices[self.start :]:
            yield index, derive_seed(self.seed, self.epoch, index)


class FixedOrder(DistributedSampler[Any], SequentialSampler):
    """Yields items in order, each in one process only.

    Lightning would replace a sampler that it does not know under several processes (``use_distributed_sampler``) and in
    ``overfit_batches``, so that a process saw each video again; it leaves samplers of these two classes alone.

    Args:
        dataset: Dataset to sample from.
        num_replicas: Number of processes that share the items.
        rank: Rank of this process.
        seed: Seed of pairs of index and seed as in :class:`EpochSampler`, the same in every epoch; None for indices.
    """

    def __init__(self, dataset: Dataset[Any], num_replicas: int = 1, rank: int = 0, seed: int | None = None) -> None:
        super().__init__(dataset, num_replicas=num_replicas, rank=rank, shuffle=False)
        self.rows = range(rank, len(dataset), num_replicas)  # type: ignore[arg-type]
        self.item_seed = seed

    def __iter__(self) -> Iterator[Any]:
        """Yield indices, or pairs of index and seed."""
        for index in self.rows:
            yield index if self.item_seed is None else (index, derive_seed(self.item_seed, 0, index))

    def __len__(self) -> int:
        """Number of this process's items."""
        return len(self.rows)


class ResumableLoader(DataLoader[T_co]):
    """A loader that Lightning can resume within an epoch, as it has a ``state_dict``.

    The pass starts when its first batch is requested, not at ``iter``: from 2.5.3 on, Lightning creates the iterator of
    a resumed run before it sets the epoch of the sampler (Lightning issue 21938).
    """

    sampler: EpochSampler
    _taken = 0

    def __init__(self, dataset: Dataset[T_co], sampler: EpochSampler, **options: Any) -> None:  # noqa: ANN401
        # Its own generator: otherwise each epoch would draw the base seeds of its workers from the global one.
        super().__init__(dataset, sampler=sampler, generator=torch.Generator(), worker_init_fn=leave_sigterm, **options)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the remaining batches of the epoch."""
        assert self.batch_size is not None
        self._taken = self.sampler.start // self.batch_size
        for batch in super().__iter__():
            self._taken += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The epoch and the number of its batches that were used."""
        return {"epoch": self.sampler.epoch, "taken": self._taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue in that epoch after these batches."""
        assert self.batch_size is not None
        self.sampler.set_epoch(state["epoch"])
        self.sampler.start = state["taken"] * self.batch_size

"""The branches' own optimizers and schedulers behind one of each, for Lightning's automatic optimization."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from wtal.errors import CheckpointError

__all__ = ["BranchOptimizer", "BranchScheduler"]


class BranchOptimizer(Optimizer):
    """Steps the optimizers of all branches.

    A frozen branch has no gradients (None), and an optimizer leaves such parameters alone, weight decay included, so
    the branch stays bit-identical.

    Args:
        optimizers: Optimizers by name of the branch.
    """

    def __init__(self, optimizers: dict[str, Optimizer]) -> None:
        self.optimizers = optimizers
        super().__init__([group for o in optimizers.values() for group in o.param_groups], {})
        self._share_groups()

    def _share_groups(self) -> None:
        """Share the dictionaries, so that both sides see a change by a scheduler or by Lightning."""
        self.param_groups = [group for o in self.optimizers.values() for group in o.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401
        """Run the closure once, then step every optimizer."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers.values():
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """State of each optimizer by name of the branch."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore each optimizer.

        Raises:
            CheckpointError: If the state belongs to branches of other names.
        """
        if state_dict.keys() != self.optimizers.keys():
            raise CheckpointError(
                f"The checkpoint was trained with the branches {' and '.join(state_dict)}, but here they are called "
                f"{' and '.join(self.optimizers)}: give them the names that they were trained under."
            )
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state_dict[name])
        self._share_groups()


class BranchScheduler:
    """One learning-rate scheduler per branch; only those of the branches that trained take a step.

    Args:
        optimizer: Optimizer of all branches, which Lightning asks for.
        schedulers: Schedulers by name of the branch; a branch may have none.
    """

    def __init__(self, optimizer: BranchOptimizer, schedulers: dict[str, LRScheduler | ReduceLROnPlateau]) -> None:
        self.optimizer, self.schedulers = optimizer, schedulers

    def step(self, students: Iterable[str], metric: Any = None) -> None:  # noqa: ANN401  a tensor or a number
        """Step once, at the end of an epoch in which ``students`` trained.

        Args:
            students: Names of the branches that trained.
            metric: Value of the metric that schedulers watch which wait for a plateau.
        """
        for name in students:
            scheduler = self.schedulers.get(name)
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(metric)
            elif scheduler is not None:
                scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """State of each scheduler by name of the branch."""
        return {name: scheduler.state_dict() for name, scheduler in self.schedulers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore each scheduler."""
        for name, scheduler in self.schedulers.items():
            scheduler.load_state_dict(state[name])

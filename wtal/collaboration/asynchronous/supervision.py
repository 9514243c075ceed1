"""The loop of a pair whose branches train elsewhere: it lets them train, and puts the pair together."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pytorch_lightning import Trainer
from torch import nn

from wtal.collaboration.asynchronous.exchange import FolderExchange
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.loop import CollaborationLoop
from wtal.collaboration.schedule import Schedule
from wtal.errors import CheckpointError
from wtal.io.bounds import read_checkpoint
from wtal.results.run_folder import RunFolder

__all__ = ["AsynchronousLoop", "Workers", "fill_branches"]

Workers = Callable[[Trainer], dict[str, Path]]  # trains the branches; returns the last checkpoint of each, by name


class AsynchronousLoop(CollaborationLoop):
    """A collaboration loop of one pass, in which both branches train in processes of their own.

    Around that pass everything is as in any training, so the run folder, its checkpoint and what the callbacks write
    are those of a training in turns.

    Takes the arguments of :class:`~wtal.collaboration.loop.CollaborationLoop`.
    """

    workers: Workers

    @classmethod
    def install_with(cls, trainer: Trainer, schedule: Schedule, workers: Workers) -> "AsynchronousLoop":
        """Replace the trainer's fit loop.

        Args:
            trainer: The trainer.
            schedule: Schedule of the pair.
            workers: See :data:`Workers`.
        """
        loop = cls.install(trainer, schedule)
        assert isinstance(loop, cls)
        loop.workers = workers
        return loop

    def on_run_start(self) -> None:
        """Write a first checkpoint, by which an interrupted run is found again."""
        super().on_run_start()
        last = RunFolder.of(self.trainer).last
        if not last.exists() and self.trainer.checkpoint_callbacks:
            self.trainer.save_checkpoint(last)

    def on_advance_start(self) -> None:
        """Train the branches, and load what they have learned; then begin what counts as the last epoch."""
        checkpoints = self.workers(self.trainer)
        steps = fill_branches(self._pair.branches, checkpoints)
        exchange = FolderExchange(RunFolder.of(self.trainer).asynchronous)
        lessons: dict[str, PseudoLabelBuffer] = {}
        first, second = self._pair.branches
        for student, teacher in ((first, second), (second, first)):
            version = exchange.latest(teacher)
            if version and student in self._taught():
                packet, buffer = exchange.read(teacher, version), self.buffers[student]
                state = {"offsets": buffer.offsets.cpu(), **packet.tensors()}
                buffer.load_state_dict(state)
                lessons[student] = buffer
                self.turn_progress.refreshes += version
        assert self.max_epochs is not None
        epoch = self.max_epochs - 1
        views = tuple(branch.view for branch in self._pair.branches.values())
        self._pair.begin_step(self.schedule.step(epoch, (views[0], views[1])), lessons, float("nan"))
        self.count_as_trained(epoch, steps)
        super(CollaborationLoop, self).on_advance_start()

    def _taught(self) -> set[str]:
        """The students of all lessons within the epochs."""
        first, second = (branch.view for branch in self._pair.branches.values())
        steps = [self.schedule.step(epoch, (first, second)) for epoch in range(self.max_epochs or 0)]
        return {lesson.student for step in steps for lesson in step.lessons}

    def advance(self) -> None:
        """Nothing: the branches have trained."""


def fill_branches(branches: Mapping[str, nn.Module], checkpoints: dict[str, Path]) -> int:
    """Load the weights of branches that trained alone.

    Args:
        branches: Branches by name.
        checkpoints: Their checkpoints.

    Returns:
        Number of optimizer steps of all branches.

    Raises:
        CheckpointError: If a checkpoint does not fit its branch.
    """
    steps = 0
    for name, branch in branches.items():
        content = read_checkpoint(checkpoints[name])
        try:
            branch.load_state_dict(content["state_dict"])
            steps += int(content["global_step"])
        except (RuntimeError, KeyError, TypeError) as error:
            raise CheckpointError(f"{checkpoints[name]} does not hold the weights of {name}: {error}") from error
    return steps

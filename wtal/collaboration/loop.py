"""The custom loop: the only code that knows when who teaches whom, and the only one on Lightning's loop classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.progress import _BaseProgress
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import DataLoader

from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.pseudo_labels import pseudo_labels
from wtal.collaboration.schedule import BranchName, Lesson, Schedule
from wtal.nn.modes import evaluating
from wtal.types import SnippetBatch

if TYPE_CHECKING:
    from wtal.collaboration.module import CollaborationModule

__all__ = ["CollaborationLoop"]


@dataclass
class _TurnProgress(_BaseProgress):
    """Saved and restored by Lightning's `_Loop.state_dict`, because it is a progress tracker."""

    turn: int = -1  # the turn that the buffers were filled for
    refreshes: int = 0


class CollaborationLoop(_FitLoop):
    """Lightning's fit loop with a :class:`Schedule`: freezes, refreshes and swaps at the start of an epoch.

    Before each epoch it asks the schedule for the step; the students get gradients and training mode, every other
    branch loses both. When a new turn begins, each teacher of the step labels all training videos at full length.
    The buffers are part of the loop's state: a resumed run goes on with the labels it had.

    Args:
        trainer: The trainer it runs in.
        schedule: Who teaches whom, when.
        min_epochs: As for Lightning's loop.
        max_epochs: As for Lightning's loop.

    Source:
        arXiv:2212.09335, section 3.3, alternate training.
    """

    def __init__(
        self, trainer: Trainer, schedule: Schedule, min_epochs: int | None = None, max_epochs: int | None = None
    ) -> None:
        super().__init__(trainer, min_epochs, max_epochs)
        self.schedule = schedule
        self.turn_progress = _TurnProgress()
        self.buffers: dict[BranchName, PseudoLabelBuffer] = {}  # by student
        self._loaded: dict[BranchName, dict[str, Tensor]] = {}

    @classmethod
    def install(cls, trainer: Trainer, schedule: Schedule) -> "CollaborationLoop":
        """Put a collaboration loop in the place of the trainer's fit loop; a second call changes the schedule alone."""
        old = trainer.fit_loop
        if isinstance(old, cls):
            old.schedule = schedule
            return old
        loop = cls(trainer, schedule, old.min_epochs, old.max_epochs)
        loop.epoch_loop, loop._data_source = old.epoch_loop, old._data_source
        trainer.fit_loop = loop
        return loop

    @property
    def _module(self) -> "CollaborationModule":
        return self.trainer.lightning_module  # type: ignore[return-value]

    # Control ----------------------------------------------------------------------------------------------------

    def on_run_start(self) -> None:
        """Make the buffers, or take over those of the checkpoint."""
        super().on_run_start()
        lengths = self.trainer.datamodule.train_lengths  # type: ignore[attr-defined]
        self.buffers = {student: PseudoLabelBuffer(lengths) for student in ("cbp", "vlp")}
        for student, state in self._loaded.items():
            self.buffers[student].load_state_dict(state)
        self._loaded = {}
        self._trainable = {
            name: [p for p in branch.parameters() if p.requires_grad] for name, branch in self._module.branches.items()
        }
        for buffer in self.buffers.values():
            buffer.to(self.trainer.strategy.root_device)

    def on_advance_start(self) -> None:
        """Swap the students and, when a new turn begins, refresh what they learn from."""
        module, epoch = self._module, self.trainer.current_epoch
        step, turn = self.schedule.step(epoch), self.schedule.turn(epoch)
        for name, branch in module.branches.items():
            branch.train(name in step.students)
            for parameter in self._trainable[name]:
                parameter.requires_grad_(name in step.students)
        if turn != self.turn_progress.turn:
            for lesson in step.lessons:
                self.refresh(lesson)
            self.turn_progress.turn = turn
        taught = {lesson.student: self.buffers[lesson.student] for lesson in step.lessons}
        agreement = self.buffers["cbp"].agreement(self.buffers["vlp"])
        module.begin_step(step, taught, agreement)
        super().on_advance_start()

    def on_run_end(self) -> None:
        """Thaw both branches."""
        for parameters in self._trainable.values():
            for parameter in parameters:
                parameter.requires_grad_(True)
        super().on_run_end()

    # Pseudo-labels ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def refresh(self, lesson: Lesson) -> None:
        """Let the teacher label every training video at full length, into the student's buffer.

        Every process labels its own share of the videos; an element-wise maximum joins what they wrote, so the buffer
        is the same for any number of processes.
        """
        trainer, module, strategy = self.trainer, self._module, self.trainer.strategy
        teacher, buffer = module.branches[lesson.teacher], self.buffers[lesson.student]
        source: DataLoader[SnippetBatch] = trainer.datamodule.pseudo_label_dataloader()  # type: ignore[attr-defined]
        mine = range(trainer.global_rank, len(source.dataset), trainer.world_size)  # type: ignore[arg-type]
        loader = DataLoader(
            source.dataset,
            batch_size=source.batch_size,
            sampler=mine,
            num_workers=source.num_workers,
            collate_fn=source.collate_fn,
            worker_init_fn=source.worker_init_fn,
        )
        buffer.begin()
        with evaluating(module), trainer.precision_plugin.forward_context():
            for cpu_batch in loader:
                batch: SnippetBatch = strategy.batch_to_device(cpu_batch)
                scores = module.all_scores(batch)["fused"] if self.schedule.agree else teacher.scores(batch)
                labels = pseudo_labels(scores, batch.labels, batch.mask, module.thresholds[lesson.teacher], lesson.keep)
                buffer.write(batch.video, batch.grid_index, batch.mask, labels)
        buffer.end(lambda tensor: strategy.reduce(tensor, reduce_op="max"))
        self._tell_of_nothing_learned(lesson, buffer.shares())
        self.turn_progress.refreshes += 1

    def _tell_of_nothing_learned(self, lesson: Lesson, shares: Mapping[str, float]) -> None:
        """A turn in which the labels say nothing goes on, but not in silence."""
        teacher, student = lesson.teacher.upper(), lesson.student.upper()
        if shares["ignored"] == 1:
            rank_zero_warn(
                f"{teacher} is sure of no snippet: {student} learns from video labels alone in this turn. Bring the "
                f"two `{lesson.teacher}_thresholds` nearer to each other, or warm up longer."
            )
        elif max(shares["foreground"], shares["background"]) == 1:
            kind = "foreground" if shares["foreground"] == 1 else "background"
            rank_zero_warn(
                f"{teacher} calls every snippet of every video {kind}: {student} can learn no bounds from that."
            )

    # State ------------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self) -> dict[str, Any]:
        """Keep the buffers with the loop's progress."""
        state = super().on_save_checkpoint()
        state["pseudo_labels"] = {student: buffer.state_dict() for student, buffer in self.buffers.items()}
        return state

    def on_load_checkpoint(self, state_dict: dict[str, Any]) -> None:
        """Remember the buffers until the run starts and the training set is known."""
        super().on_load_checkpoint(state_dict)
        self._loaded = state_dict.get("pseudo_labels", {})

"""The training loop of a pair: the only code that decides who teaches when, and that extends Lightning's loops."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, cast

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.progress import _BaseProgress
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor
from torch.nn import Parameter
from torch.utils.data import DataLoader

from wtal.branches.branch import Branch
from wtal.collaboration.better_branch import better_branch, label_precision
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.pseudo_labels import Thresholds, overridden, pseudo_labels
from wtal.collaboration.schedule import Lesson, Schedule, Step
from wtal.data.contract import data_of
from wtal.errors import ConfigError
from wtal.nn.modes import evaluating
from wtal.types import SnippetBatch, SnippetScores

__all__ = ["CollaborationLoop", "Pair", "load_again"]


class Pair(Protocol):
    """What the loop asks of the module that it trains."""

    sources: tuple[str, ...]
    thresholds: dict[str, Thresholds]

    @property
    def branches(self) -> dict[str, Branch]:
        """The first and the second branch, by name."""
        ...

    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """Scores of each branch and, last, of both fused."""
        ...

    def begin_step(self, step: Step, lessons: Mapping[str, PseudoLabelBuffer], agreement: float) -> None:
        """Receive who trains in the epoch that begins, and the labels for each student."""
        ...


@dataclass
class _TurnProgress(_BaseProgress):
    """Progress that Lightning's `_Loop.state_dict` saves and restores."""

    turn: int = -1  # the turn for which the buffers were filled
    refreshes: int = 0
    agree: Literal["B", "F", False] | None = None  # what was measured for `schedule.agree: auto`; None before


class CollaborationLoop(_FitLoop):
    """Lightning's fit loop with a :class:`Schedule`, which freezes, refreshes and swaps at the start of an epoch.

    Before each epoch it asks the schedule for the step: the students get gradients and training mode, every other
    branch loses both. When a new turn begins, each teacher of the step labels all training videos at full length.
    The buffers are part of the loop's state, so a resumed run continues with its labels.

    Args:
        trainer: The trainer that runs the loop.
        schedule: Schedule that decides who teaches whom, and when.
        min_epochs: Minimum number of epochs; see Lightning's loop.
        max_epochs: Maximum number of epochs; see Lightning's loop.

    Source:
        arXiv:2212.09335, section 3.3, alternate training.
    """

    def __init__(
        self, trainer: Trainer, schedule: Schedule, min_epochs: int | None = None, max_epochs: int | None = None
    ) -> None:
        super().__init__(trainer, min_epochs, max_epochs)
        self.schedule = schedule
        self.turn_progress = _TurnProgress()
        self.buffers: dict[str, PseudoLabelBuffer] = {}  # by student
        self._loaded: dict[str, dict[str, Tensor]] = {}

    @classmethod
    def install(cls, trainer: Trainer, schedule: Schedule) -> "CollaborationLoop":
        """Replace the trainer's fit loop with a collaboration loop; a second call changes only the schedule.

        Under several processes, gradients are awaited only from parameters that were used, as one branch is frozen.

        Raises:
            ConfigError: If the trainer's strategy cannot freeze a part of the model for an epoch.
        """
        _find_unused_parameters(trainer.strategy)
        old = trainer.fit_loop
        if isinstance(old, cls):
            old.schedule = schedule
            return old
        loop = cls(trainer, schedule, old.min_epochs, old.max_epochs)
        loop.epoch_loop, loop._data_source = old.epoch_loop, old._data_source
        trainer.fit_loop = loop
        return loop

    @property
    def _pair(self) -> Pair:
        return cast(Pair, self.trainer.lightning_module)

    # Control ----------------------------------------------------------------------------------------------------

    def on_run_start(self) -> None:
        """Make the buffers, or restore those of the checkpoint.

        Raises:
            CheckpointError: If the checkpoint's pseudo-labels belong to other training videos.
        """
        branches, lengths = self._pair.branches, data_of(self.trainer).train_lengths
        self.buffers = {student: PseudoLabelBuffer(lengths) for student in branches}
        for student, state in self._loaded.items():
            self.buffers[student].load_state_dict(state)
        self._loaded = {}
        self._trainable = {
            name: [p for p in branch.parameters() if p.requires_grad] for name, branch in branches.items()
        }
        for buffer in self.buffers.values():
            buffer.to(self.trainer.strategy.root_device)
        super().on_run_start()

    def on_advance_start(self) -> None:
        """Swap the students and, when a new turn begins, refresh what they learn from."""
        pair, epoch = self._pair, self.trainer.current_epoch
        first, second = pair.branches.values()
        is_open = self.schedule.agree == "auto" and self.turn_progress.agree is None
        if is_open and self.schedule.teaches and epoch >= self.schedule.first_lesson:
            self.turn_progress.agree = self.judge()
        settled, turn = self.schedule.settled(self.turn_progress.agree), self.schedule.turn(epoch)
        step = settled.step(epoch, (first.view, second.view))
        for name, branch in pair.branches.items():
            branch.train(name in step.students)
            for parameter in self._trainable[name]:
                parameter.requires_grad_(name in step.students)
        if turn != self.turn_progress.turn:
            for lesson in step.lessons:
                self.refresh(lesson)
            self.turn_progress.turn = turn
        agreement = self.buffers[first.name].agreement(self.buffers[second.name])
        pair.begin_step(step, {lesson.student: self.buffers[lesson.student] for lesson in step.lessons}, agreement)
        super().on_advance_start()

    def on_run_end(self) -> None:
        """Make the parameters of both branches trainable again."""
        for parameters in self._trainable.values():
            for parameter in parameters:
                parameter.requires_grad_(True)
        super().on_run_end()

    def count_as_trained(self, epochs: int, steps: int) -> None:
        """Count epochs and optimizer steps that were trained elsewhere."""
        for name in ("ready", "started", "processed", "completed"):
            setattr(self.epoch_progress.current, name, epochs)
        self.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total.completed = steps

    # Videos that keep coming ------------------------------------------------------------------------------------

    def take_videos(self, rows: Sequence[int | None], renewed: Mapping[Parameter, Parameter]) -> None:
        """Go on with other training videos.

        Args:
            rows: For each video that is now trained on its former row; None if it is new.
            renewed: Parameters that have taken the place of others, by these.
        """
        lengths = data_of(self.trainer).train_lengths
        self.buffers = {student: buffer.moved(rows, lengths) for student, buffer in self.buffers.items()}
        self._trainable = {name: [renewed.get(p, p) for p in former] for name, former in self._trainable.items()}

    # Pseudo-labels ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def refresh(self, lesson: Lesson) -> None:
        """Label every training video at full length with the teacher, into the student's buffer.

        Labels of the student's own source stand above the teacher's if they override, as those of points do.

        Every process labels its own share of the videos, and an element-wise maximum joins what they wrote, so the
        buffer is the same for any number of processes.
        """
        pair, strategy = self._pair, self.trainer.strategy
        teacher, buffer = pair.branches[lesson.teacher], self.buffers[lesson.student]
        own = pair.branches[lesson.student].labels
        buffer.begin()
        for batch in self._training_videos():
            scores = pair.all_scores(batch)[pair.sources[-1]] if lesson.agreed else teacher.scores(batch)
            labels = pseudo_labels(scores, batch.labels, batch.mask, pair.thresholds[lesson.teacher], lesson.keep)
            if own is not None and own.overrides:
                labels = overridden(labels, own.completed(batch, partial(_given, scores)))
            buffer.write(batch.video, batch.grid_index, batch.mask, labels)
        buffer.end(lambda tensor: strategy.reduce(tensor, reduce_op="max"))
        self._warn_of_empty_lesson(lesson, buffer.shares())
        self.turn_progress.refreshes += 1

    @torch.no_grad()
    def judge(self) -> Literal["B", "F", False]:
        """Measure on the labels of all training videos in which step the better branch learns: ``agree: auto``."""
        pair, strategy = self._pair, self.trainer.strategy
        branches = pair.branches.values()
        total = torch.zeros(4, device=strategy.root_device)  # two precisions, labels, videos
        for batch in self._training_videos():
            shows = batch.labels.sum(dim=1)
            found = [label_precision(branch.scores(batch), batch.labels, batch.mask) for branch in branches]
            total += torch.stack([*found, shows, torch.ones_like(shows)])[:, shows > 0].sum(dim=1)
        summed: Tensor = strategy.reduce(total, reduce_op="sum")
        *precisions, labels = (summed[:3] / summed[3].clamp(min=1)).tolist()
        better = better_branch(dict(zip(pair.branches, precisions, strict=True)), labels)
        named = ", ".join(f"{one.view.title} {value:.2f}" for one, value in zip(branches, precisions, strict=True))
        rank_zero_info(
            f"Average precision with which snippets show the labels of the training videos, {labels:.1f} a video: "
            f"{named}; {pair.branches[better].view.title if better else 'no branch'} learns from both."
        )
        if better is None:
            return False
        background, _ = self.schedule.lessons(*(branch.view for branch in branches))
        return "B" if background.student == better else "F"

    def _training_videos(self) -> Iterator[SnippetBatch]:
        """This process's share of the training videos at full length, while the pair is in evaluation mode."""
        trainer = self.trainer
        source: DataLoader[Any] = data_of(trainer).pseudo_label_dataloader()
        mine = range(trainer.global_rank, len(source.dataset), trainer.world_size)  # type: ignore[arg-type]
        loader = DataLoader(
            source.dataset,
            batch_size=source.batch_size,
            sampler=mine,
            num_workers=source.num_workers,
            collate_fn=source.collate_fn,
            worker_init_fn=source.worker_init_fn,
        )
        with evaluating(trainer.lightning_module), trainer.precision_plugin.forward_context():
            for batch in loader:
                yield trainer.strategy.batch_to_device(batch)

    def _warn_of_empty_lesson(self, lesson: Lesson, shares: Mapping[str, float]) -> None:
        """Warn of a turn in which the labels teach nothing."""
        teacher, student = (self._pair.branches[name].view.title for name in lesson[:2])
        if shares["ignored"] == 1:
            rank_zero_warn(
                f"{teacher} is confident about no snippet, so {student} learns from video labels alone in this turn. "
                f"Bring the two thresholds of {teacher} closer together, or warm up longer."
            )
        elif max(shares["foreground"], shares["background"]) == 1:
            kind = "foreground" if shares["foreground"] == 1 else "background"
            rank_zero_warn(
                f"{teacher} labels every snippet of every video as {kind}, from which {student} can learn no bounds."
            )

    # State ------------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self) -> dict[str, Any]:
        """Save the buffers with the loop's progress."""
        state = super().on_save_checkpoint()
        state["pseudo_labels"] = {student: buffer.state_dict() for student, buffer in self.buffers.items()}
        return state

    def on_load_checkpoint(self, state_dict: dict[str, Any]) -> None:
        """Keep the saved buffers until the run starts and the training set is known."""
        super().on_load_checkpoint(state_dict)
        self._loaded = state_dict.get("pseudo_labels", {})


def load_again(trainer: Trainer) -> None:
    """Let a trainer ask its data module for the training videos again, before the next epoch."""
    trainer.fit_loop._combined_loader = None


def _given(scores: SnippetScores) -> SnippetScores:
    return scores


def _find_unused_parameters(strategy: Strategy) -> None:
    if isinstance(strategy, DDPStrategy) and not strategy._ddp_kwargs.get("static_graph"):
        strategy._ddp_kwargs["find_unused_parameters"] = True
    elif not isinstance(strategy, SingleDeviceStrategy):
        raise ConfigError(
            f"The collaboration freezes one branch after the other, which {type(strategy).__name__} with these options "
            "does not allow: use `trainer.strategy` ddp or auto, or one device."
        )

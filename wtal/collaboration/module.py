"""Both branches in one LightningModule."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer

from wtal.branches.branch import Branch
from wtal.branches.cbp import CBPBranch
from wtal.branches.classes import Renewed
from wtal.branches.hyperparameters import save_plain_hyperparameters
from wtal.branches.localization import LocalizationModule
from wtal.branches.scheduling import due_plateaus
from wtal.branches.trainer_check import check_trainer
from wtal.branches.vlp import VLPBranch
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.fusion import Fusion
from wtal.collaboration.loop import CollaborationLoop
from wtal.collaboration.optimizer import BranchOptimizer, BranchScheduler
from wtal.collaboration.pseudo_labels import Thresholds
from wtal.collaboration.schedule import Lesson, Schedule, Step
from wtal.data.contract import data_of
from wtal.errors import ConfigError
from wtal.localization.localizer import Localizer
from wtal.types import SnippetBatch, SnippetScores, Split
from wtal.views import FUSED, WARM_UP_ONLY, View

__all__ = ["BranchFactory", "CollaborationModule"]

BranchFactory = Callable[[list[str]], Branch]

# As in `wtal.branches.branch`: what a checkpoint of a module made in Python holds beside tensors and primitives.
torch.serialization.add_safe_globals([Fusion, Schedule, Thresholds])


class CollaborationModule(LocalizationModule):
    """Two branches that teach each other what each sees better.

    The module holds and wires them; :class:`CollaborationLoop`, which it installs for ``fit``, decides who trains.

    Args:
        class_names: Names of the classes, in the order of the labels.
        cbp: Function from the class names to the first branch, by default the classification-based one on I3D features.
            Either branch may be of any class and, through its ``view``, have any name and read any streams.
        vlp: Function from the class names to the second branch, by default the vision-language one on CLIP features.
        schedule: Schedule of the warm-up and of who teaches whom, epoch by epoch.
        cbp_thresholds: Confidence thresholds of the labels that the first branch hands over.
        vlp_thresholds: Confidence thresholds of the labels that the second branch hands over.
        fusion: Fusion of the branches' scores.
        localizer: Localizer for the scores of the pair and of each branch in it.

    Raises:
        ConfigError: If both branches have the same name, or one has that of their fusion.

    Source:
        arXiv:2212.09335, section 3.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        cbp: BranchFactory = CBPBranch,
        vlp: BranchFactory = VLPBranch,
        schedule: Schedule = Schedule(),  # noqa: B008  frozen
        cbp_thresholds: Thresholds = Thresholds(),  # noqa: B008
        vlp_thresholds: Thresholds = Thresholds(),  # noqa: B008
        fusion: Fusion = Fusion(),  # noqa: B008
        localizer: Localizer = Localizer(),  # noqa: B008
    ) -> None:
        super().__init__(class_names, localizer)
        save_plain_hyperparameters(self)
        self.cbp, self.vlp = cbp(self.class_names), vlp(self.class_names)  # every checkpoint has these attribute names
        first, second = self.cbp.name, self.vlp.name
        self.sources = (first, second, FUSED.name)
        if len(set(self.sources)) < len(self.sources):
            raise ConfigError(
                f"The branches are called {first!r} and {second!r}: give each a `view.name` of its own, other than "
                f"{FUSED.name!r}."
            )
        self.schedule, self.fusion = schedule, fusion
        self.thresholds = {first: cbp_thresholds, second: vlp_thresholds}
        self.step = schedule.step(0, (self.cbp.view, self.vlp.view))
        self._lessons: Mapping[str, PseudoLabelBuffer] = {}
        self._agreement = math.nan
        self._was_taught: bool | None = None  # whether a branch has taught the other; None before a training
        self._agree: Literal["B", "F", False] | None = None  # what was measured for `schedule.agree: auto`

    @property
    def branches(self) -> dict[str, Branch]:
        """The first and the second branch, by name. An attribute would register them twice."""
        return {self.cbp.name: self.cbp, self.vlp.name: self.vlp}

    @property
    def views(self) -> tuple[View, ...]:
        """How figures show each source."""
        return (self.cbp.view, self.vlp.view, FUSED)

    @property
    def note(self) -> str:
        """What a reader of a table must know about the training, and about the branches' weights and labels."""
        warning = WARM_UP_ONLY if self.is_warm_up_only else ""
        return "; ".join(filter(None, [warning, *(branch.note for branch in self.branches.values())]))

    @property
    def is_warm_up_only(self) -> bool:
        """Whether the training ended, or was saved, before the first lesson: both together are a late fusion."""
        return self._was_taught is False and self.schedule.teaches

    @property
    def lessons(self) -> tuple[Lesson, Lesson]:
        """The lessons of a B and of an F step, with what the training has measured for ``schedule.agree: auto``."""
        return self.schedule.settled(self._agree).lessons(self.cbp.view, self.vlp.view)

    @property
    def lag(self) -> float:
        """Mean lag of the branches, for all sources: fused scores have no other, and a figure has one axis of time."""
        return sum(branch.lag for branch in self.branches.values()) / len(self.branches)

    @property
    def untrained(self) -> tuple[str, ...]:
        """Branches whose weights were neither trained nor loaded, and the fusion with them."""
        names = tuple(name for branch in self.branches.values() for name in branch.untrained)
        return (*names, FUSED.name) if names else ()

    @property
    def marks(self) -> tuple[str, ...]:
        """Marks of the checkpoint and of either branch."""
        own = [mark for branch in self.branches.values() for mark in branch.marks]
        return tuple(dict.fromkeys((*super().marks, *own)))

    @property
    def step_name(self) -> str:
        """Name of the step of the current epoch, for the progress bar."""
        return self.step.name

    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """Scores of each branch and, last, of both fused."""
        first, second = self.cbp.scores(batch), self.vlp.scores(batch)
        return dict(zip(self.sources, (first, second, self.fusion(first, second)), strict=True))

    # Training ---------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Install the loop, so that it works from Python and from the command line alike.

        Raises:
            ConfigError: If the trainer has a setting that the pair cannot be trained with.
        """
        if stage == "fit":
            check_trainer(self.trainer, self, data_of(self.trainer))
            CollaborationLoop.install(self.trainer, self.schedule)
        for branch in self.branches.values():
            branch.setup(stage)

    def know_classes(self, class_names: Sequence[str], seed: int = 0) -> Renewed:
        """Make the heads of both branches for these classes; what they have learned of former ones is kept."""
        super().know_classes(class_names, seed)
        renewed = [branch.know_classes(class_names, seed) for branch in self.branches.values()]
        return {former: fresh for of_branch in renewed for former, fresh in of_branch.items()}

    def film(self, data: object, split: Split) -> None:
        """Let a split give films to the encoders of both branches."""
        for branch in self.branches.values():
            branch.film(data, split)

    def on_fit_start(self) -> None:
        """Begin what the branches' encoders need."""
        for branch in self.branches.values():
            branch.on_fit_start()

    def begin_step(self, step: Step, lessons: Mapping[str, PseudoLabelBuffer], agreement: float = math.nan) -> None:
        """Receive what the loop decides before each epoch.

        Args:
            step: Step of the epoch, which names the students.
            lessons: Labels for each student that has a teacher.
            agreement: Agreement of the teachers, see :meth:`PseudoLabelBuffer.agreement`.
        """
        self.step, self._lessons, self._agreement = step, lessons, agreement
        self._was_taught = bool(self._was_taught or lessons)
        for name, branch in self.branches.items():
            if branch.encoded is not None:
                branch.encoded.learns(name in step.students)

    def on_train_start(self) -> None:
        """Warn if the number of epochs leaves no time for a lesson."""
        super().on_train_start()
        last = self.trainer.max_epochs
        if self.schedule.teaches and last is not None and 0 <= last <= self.schedule.first_lesson:
            self._warn_of_no_lesson(f"max_epochs {last} ends the training", "teaches")

    def on_train_end(self) -> None:
        """Warn if the training has ended before the first lesson, whatever ended it."""
        last = self.trainer.max_epochs
        is_known = last is not None and 0 <= last <= self.schedule.first_lesson
        if self.is_warm_up_only and not is_known:
            self._warn_of_no_lesson(f"Training ended in epoch {self.trainer.current_epoch}", "taught")

    def _warn_of_no_lesson(self, end: str, teaches: str) -> None:
        if not getattr(self.trainer, "fast_dev_run", False):
            rank_zero_warn(
                f"{end} within the warm-up (schedule.warm_up {self.schedule.warm_up}): no branch {teaches} the "
                "other, and the fused scores are a late fusion. Train longer, or warm up shorter."
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """As any module, and remember whether a branch has taught the other."""
        super().on_load_checkpoint(checkpoint)
        try:
            progress = checkpoint["loops"]["fit_loop"]["turn_progress"]
            self._was_taught, self._agree = progress["refreshes"] > 0, progress.get("agree")
        except (KeyError, TypeError):  # weights alone
            self._was_taught = None

    def on_train_epoch_start(self) -> None:
        """Log which share of the snippets the teachers have labelled."""
        for student in self.step.students:
            self.branches[student].on_train_epoch_start()
        for student, buffer in self._lessons.items():
            for kind, share in buffer.shares().items():
                self.log(f"pseudo_labels/{student}/{kind}", share, sync_dist=True)
        if self._lessons and not math.isnan(self._agreement):
            self.log("pseudo_labels/agreement", self._agreement, sync_dist=True)

    def training_step(self, batch: SnippetBatch, batch_idx: int) -> Tensor:
        """The sum of the students' losses; a lesson takes the place of a branch's own source of labels."""
        losses = []
        for student in self.step.students:
            branch = self.branches[student]
            losses.append(branch.learn(batch, self._lessons.get(student, branch.labels)))
        return torch.stack(losses).sum()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Lightning's own signature
        """Step, and update only the weight averages of the students."""
        super().optimizer_step(*args, **kwargs)
        for student in self.step.students:
            self.branches[student].after_step()

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip each branch separately, so that one with large gradients does not slow the other down.

        A frozen branch has no gradients, and clipping by value fails on none.
        """
        assert isinstance(optimizer, BranchOptimizer)
        for student in self.step.students:
            self.clip_gradients(optimizer.optimizers[student], gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """The branches' own optimizers behind one; their schedulers behind one, but for those that watch a metric."""
        parts = {name: branch.configure_optimizers() for name, branch in self.branches.items()}
        parts = {name: part if isinstance(part, dict) else {"optimizer": part} for name, part in parts.items()}
        optimizer = BranchOptimizer({name: part["optimizer"] for name, part in parts.items()})
        configs = {name: part["lr_scheduler"] for name, part in parts.items() if "lr_scheduler" in part}
        plain = {name: config["scheduler"] for name, config in configs.items() if "monitor" not in config}
        schedulers: list[Any] = [BranchScheduler(optimizer, plain)] if plain else []
        for name, config in configs.items():
            if "monitor" in config:  # each may watch another metric; a frozen branch's losses may not be there yet
                own = BranchScheduler(optimizer, {name: config["scheduler"]})
                schedulers.append({**config, "scheduler": own, "strict": self.schedule.warm_up > 0})
        return [optimizer], schedulers

    def on_train_epoch_end(self) -> None:
        """Step the schedulers that watch a metric, of the branches that trained."""
        for scheduler, metric in due_plateaus(self.trainer):
            scheduler.step(self.step.students, metric)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:  # noqa: ANN401
        """Step the other schedulers of the branches that trained; a callback's own scheduler serves both."""
        if not isinstance(scheduler, BranchScheduler):
            super().lr_scheduler_step(scheduler, metric)
        elif metric is None:
            scheduler.step(self.step.students)

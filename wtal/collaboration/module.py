"""Both branches in one LightningModule."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from wtal.branches.branch import Branch
from wtal.branches.cbp import CBPBranch
from wtal.branches.hyperparameters import save_plain_hyperparameters
from wtal.branches.localization import LocalizationModule
from wtal.branches.vlp import VLPBranch
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.fusion import Fusion
from wtal.collaboration.loop import CollaborationLoop
from wtal.collaboration.optimizer import BranchOptimizer, BranchScheduler
from wtal.collaboration.pseudo_labels import Thresholds
from wtal.collaboration.schedule import BranchName, Schedule, Step
from wtal.localization.localizer import Localizer
from wtal.types import SnippetBatch, SnippetScores

__all__ = ["BranchFactory", "CollaborationModule"]

BranchFactory = Callable[[list[str]], Branch]

# As in `wtal.branches.branch`: what a checkpoint of a module made in Python holds beside tensors and primitives.
torch.serialization.add_safe_globals([Fusion, Schedule, Thresholds])


class CollaborationModule(LocalizationModule):
    """CBP and VLP, teaching each other what each sees better.

    The module holds and wires them; :class:`CollaborationLoop`, which it installs for ``fit``, says who trains.

    Args:
        class_names: Names of the classes, in the order of the labels.
        cbp: From class names to the classification-based branch (I3D).
        vlp: From class names to the vision-language branch (CLIP).
        schedule: Warm-up, then who teaches whom, epoch by epoch.
        cbp_thresholds: How sure CBP must be of what it hands over.
        vlp_thresholds: How sure VLP must be of what it hands over.
        fusion: Of the branches' scores at inference.
        localizer: From scores to detections, for the pair and for each branch in it.

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
        self.sources = ("cbp", "vlp", "fused")
        self.cbp, self.vlp = cbp(self.class_names), vlp(self.class_names)
        self.schedule, self.fusion = schedule, fusion
        self.thresholds: dict[BranchName, Thresholds] = {"cbp": cbp_thresholds, "vlp": vlp_thresholds}
        self.step, self._taught, self._agreement = schedule.step(0), dict[BranchName, PseudoLabelBuffer](), math.nan

    @property
    def branches(self) -> dict[BranchName, Branch]:
        """The two by name. Made on demand: kept as an attribute they would be registered twice."""
        return {"cbp": self.cbp, "vlp": self.vlp}

    @property
    def note(self) -> str:
        """What a reader of a table must know of the branches' weights."""
        return "; ".join(branch.note for branch in self.branches.values() if branch.note)

    @property
    def step_name(self) -> str:
        """What the running epoch does, for the progress bar."""
        return self.step.name

    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """Scores of each branch and of both fused."""
        cbp, vlp = self.cbp.scores(batch), self.vlp.scores(batch)
        return {"cbp": cbp, "vlp": vlp, "fused": self.fusion(cbp, vlp)}

    # Training ---------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Install the loop, so that it works from Python and from the command line alike."""
        for branch in self.branches.values():
            branch.setup(stage)
        if stage == "fit":
            CollaborationLoop.install(self.trainer, self.schedule)

    def begin_step(self, step: Step, taught: dict[BranchName, PseudoLabelBuffer], agreement: float = math.nan) -> None:
        """Called by the loop before each epoch.

        Args:
            step: Who trains.
            taught: For each student with a teacher, the labels that it learns from.
            agreement: Of the teachers, see :meth:`PseudoLabelBuffer.agreement`; NaN where it says nothing.
        """
        self.step, self._taught, self._agreement = step, taught, agreement

    def on_train_epoch_start(self) -> None:
        """Log what the teachers are sure of."""
        for student, buffer in self._taught.items():
            for kind, share in buffer.shares().items():
                self.log(f"pseudo_labels/{student}/{kind}", share)
        if self._taught and not math.isnan(self._agreement):
            self.log("pseudo_labels/agreement", self._agreement)

    def training_step(self, batch: SnippetBatch, batch_idx: int) -> Tensor:
        """The students' losses, added."""
        losses = []
        for student in self.step.students:
            buffer = self._taught.get(student)
            pseudo = None if buffer is None else buffer.lookup(batch.video, batch.grid_index)
            losses.append(self.branches[student].learn(batch, pseudo))
        return torch.stack(losses).sum()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Lightning's own signature
        """Only the students' weight averages move on."""
        super().optimizer_step(*args, **kwargs)
        for student in self.step.students:
            self.branches[student].after_step()

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip each branch by itself: one with large gradients must not slow the other down."""
        assert isinstance(optimizer, BranchOptimizer)
        for part in optimizer.optimizers.values():
            self.clip_gradients(part, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """Each branch's own optimizer and scheduler behind one of each."""
        parts = {name: branch.configure_optimizers() for name, branch in self.branches.items()}
        parts = {name: part if isinstance(part, dict) else {"optimizer": part} for name, part in parts.items()}
        optimizer = BranchOptimizer({name: part["optimizer"] for name, part in parts.items()})
        schedulers: dict[str, LRScheduler] = {
            name: part["lr_scheduler"] for name, part in parts.items() if "lr_scheduler" in part
        }
        if not schedulers:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": BranchScheduler(optimizer, schedulers)}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:  # noqa: ANN401
        """Only the schedulers of the branches that trained move on."""
        scheduler.step(self.step.students)

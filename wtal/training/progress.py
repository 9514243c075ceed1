"""Progress of a run: the current step, the time left for the whole fit, and the losses by name."""

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.trainer.states import TrainerFn
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text
from torch import Tensor

from wtal.training.lightning import batches_trained

__all__ = ["FitProgress"]


class FitProgress(ProgressBar):
    """One bar over the whole fit on a terminal, one line per epoch elsewhere.

    A model may name its current step, such as "warm-up", in an attribute ``step_name``. All training metrics
    (``train/...``) of an epoch are shown, and the validation metrics that were logged with ``prog_bar=True``.

    Args:
        console: Console to write to; None for standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._console = console
        self._enabled = True
        self._display: _Display | None = None
        self._known: dict[str, Tensor] = {}  # metrics before the epoch; those not logged again are stale

    def disable(self) -> None:
        """Stop showing progress; Lightning calls this on all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Show progress again."""
        self._enabled = True

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Open the console; not earlier, because a console cannot be sent to another process."""
        super().setup(trainer, pl_module, stage)
        self._console = self._console or Console(stderr=True)

    # Training ---------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting batches."""
        self._began, self._done = time.monotonic(), 0
        self._before = batches_trained(trainer)  # batches before the resumption
        self._total = _batches_of_fit(trainer)
        self._open(pl_module, self._total, self._before)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the name of the step that begins."""
        self._known = dict(trainer.callback_metrics)
        self._update(description=self._where(trainer))

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Count one batch."""
        self._done += 1
        self._update(completed=self._before + self._done, left=f"{self._left()} left")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show that validation runs; outside a fit it has a bar of its own."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._update(description="validation")
        else:
            self._open(pl_module, _sum(trainer.num_val_batches))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the metrics of the epoch."""
        shown = {
            name.removeprefix("train/"): float(value)
            for name, value in trainer.callback_metrics.items()
            if value is not self._known.get(name)
            and (name.startswith("train/") or name in trainer.progress_bar_metrics)
        }
        losses = "  ".join(f"{name} {value:.3g}" for name, value in shown.items())
        if self._display:
            self._display.losses = losses
            self._update(description=self._where(trainer))
        elif self._enabled and self._console:
            line = f"{self._where(trainer)}  {self._left()} left  {losses}"
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close()

    # Validation, test, prediction -------------------------------------------------------------------------------

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting test batches."""
        self._open(pl_module, _sum(trainer.num_test_batches))

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting prediction batches."""
        self._open(pl_module, _sum(trainer.num_predict_batches))

    def _count(self, trainer: Trainer, pl_module: LightningModule, *_: object, **__: object) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            self._done += 1
            self._update(completed=self._done, left=f"{self._left()} left")

    on_validation_batch_end = on_test_batch_end = on_predict_batch_end = _count

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar of a validation outside a fit."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Release the terminal, also after an error."""
        self._close()

    # What is shown ----------------------------------------------------------------------------------------------

    def _open(self, pl_module: LightningModule, total: float | None, completed: int = 0) -> None:
        if completed == 0:
            self._began, self._done, self._before, self._total = time.monotonic(), 0, 0, total
        if self._enabled and self._console and self._console.is_terminal:
            self._display = _Display(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"), console=self._console
            )
            self._display.add_task(type(pl_module).__name__, total=total, completed=completed, left="")
            self._display.start()

    def _update(self, **fields: Any) -> None:  # noqa: ANN401
        if self._display:
            self._display.update(self._display.task_ids[0], **fields)

    def _close(self) -> None:
        if self._display:
            self._display.stop()
            self._display = None

    def _where(self, trainer: Trainer) -> str:
        epochs = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        step = getattr(trainer.lightning_module, "step_name", "")
        return f"epoch {trainer.current_epoch + 1}{epochs}" + (f"  {step}" if step else "")

    def _left(self) -> str:
        """Time left at the average speed of this run."""
        if self._total is None or not self._done:
            return "?"
        rate = (time.monotonic() - self._began) / self._done
        return str(timedelta(seconds=round(rate * max(0, self._total - self._before - self._done))))


class _Display(Progress):
    """A bar with the losses below it."""

    losses = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self.losses:
            yield Text(self.losses, style="dim")


def _batches_of_fit(trainer: Trainer) -> float | None:
    """Training batches of all epochs; None if their number is unknown."""
    ends = []
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        ends.append(trainer.max_epochs * trainer.num_training_batches)
    if trainer.max_steps >= 0:
        ends.append(trainer.max_steps * trainer.accumulate_grad_batches)
    return min(ends, default=None)


def _sum(batches: Iterable[float]) -> float:
    return sum(batches)

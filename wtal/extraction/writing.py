"""Callbacks of an extraction: features go into their stores as soon as a video ends, and progress is shown."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch import Tensor

from wtal.data.remote_store import Appender
from wtal.extraction.estimate import as_clock
from wtal.extraction.module import Extractor
from wtal.io.text import counted
from wtal.video.snippets import Snippets, Stream

__all__ = ["Outcome", "ShowProgress", "WriteFeatures"]

_SILENCE_S = 30.0  # after which a line is printed where there is no bar


@dataclass
class Outcome:
    """The outcome for each video, by name; each problem is one sentence.

    Args:
        written: Number of snippets of each finished video.
        damaged: Finished videos of which a part could not be read.
        failed: Videos that have no features.
        offset_s: Time of the first frame of finished videos whose picture begins later than 0.
    """

    written: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    offset_s: dict[str, float] = field(default_factory=dict)


class WriteFeatures(Callback):
    """Keeps the features of a video until it ends, then writes them.

    Args:
        stores: Stores by the streams that they hold side by side, RGB before flow.
    """

    def __init__(self, stores: Mapping[tuple[Stream, ...], Appender]) -> None:
        self.stores, self.outcome = stores, Outcome()
        self._parts: dict[int, list[Mapping[Stream, Tensor]]] = {}

    def on_predict_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: Extractor, outputs: dict[Stream, Tensor], batch: Snippets, *_: object
    ) -> None:
        """Keep the features; at the end of a video, write them.

        Raises:
            SIGTERMException: On SIGTERM, which Lightning itself handles only in training.
        """
        if trainer.received_sigterm:
            raise SIGTERMException
        if not batch.ended:
            self._parts.setdefault(batch.job, []).append(outputs)
            return
        job, parts = pl_module.jobs[batch.job], self._parts.pop(batch.job, [])
        if batch.ended == "failed":
            self.outcome.failed[job.video_id] = batch.problem
            return
        if batch.ended == "damaged":
            self.outcome.damaged[job.video_id] = batch.problem
        for streams, store in self.stores.items():
            if job.streams.issuperset(streams):
                rows = torch.cat([torch.cat([part[stream] for stream in streams], dim=1) for part in parts])
                store.add(job.video_id, rows.numpy(), batch.start_s)
                self.outcome.written[job.video_id] = len(rows)
        if batch.start_s:
            self.outcome.offset_s[job.video_id] = batch.start_s

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather the outcomes of all processes."""
        if trainer.world_size > 1:
            outcomes: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(outcomes, self.outcome)
            for outcome in outcomes:
                for kind in ("written", "damaged", "failed", "offset_s"):
                    getattr(self.outcome, kind).update(getattr(outcome, kind))


class ShowProgress(Callback):
    """Shows a bar with the time left on a terminal; elsewhere a line per video, and in a long one every half minute.

    Both go to standard error.

    Args:
        total_s: Total duration of the videos of all processes, as stated in their files.
    """

    def __init__(self, total_s: float) -> None:
        self.total_s = total_s
        self._console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar."""
        assert isinstance(pl_module, Extractor)
        self._began, self._frames, self._running, self._ended = time.monotonic(), 0, dict[int, int](), 0
        self._said = self._began
        self._share = max(1.0, self.total_s * pl_module.cut.grid.fps / trainer.world_size)
        if trainer.is_global_zero:
            self._bar.start()
        self._task = self._bar.add_task("", total=self._share)

    def on_predict_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: Extractor, outputs: dict[Stream, Tensor], batch: Snippets, *_: object
    ) -> None:
        """Advance the bar, or print a line for a finished video."""
        self._frames += max(0, batch.frames - self._running.get(batch.job, 0))
        self._running[batch.job] = batch.frames
        rate = self._frames / (time.monotonic() - self._began)
        if batch.ended:
            self._ended += 1
            del self._running[batch.job]
        total = len(pl_module.mine)
        if batch.problem:
            self._say(batch.problem)
        elif self._bar.disable and (batch.ended or time.monotonic() - self._said >= _SILENCE_S):
            left_s = max(0.0, self._share - self._frames) / max(rate, 1e-9)
            video, left = pl_module.jobs[batch.job].video_id, as_clock(left_s)
            self._say(f"{self._ended} of {total}: {video}, {rate:.1f} frames/s, {left} left")
        done = f"{self._ended} of {counted(total, 'video')}, {rate:.1f} frames/s"
        self._bar.update(self._task, completed=self._frames, description=done)

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar, so that the message after it is legible."""
        self._bar.stop()

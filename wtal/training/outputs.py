"""What ``predict`` leaves behind, and the table that ``test`` ends with."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table

from wtal.branches.localization import LocalizationModule
from wtal.data import SnippetDataModule
from wtal.report.predictions import write_predictions
from wtal.training.saving import run_folder
from wtal.types import Detections

__all__ = ["ResultsTable", "WritePredictions"]


class WritePredictions(Callback):
    """Writes detections as ``<run>/predictions/<source>.json`` in ActivityNet's form, from all processes."""

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with nothing."""
        self.found: dict[str, dict[str, Detections]] = {}

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, dict[str, Detections]],
        *_: object,
    ) -> None:
        """Keep the detections of a batch."""
        if not isinstance(pl_module, LocalizationModule):
            return
        for source, detections in outputs.items():
            self.found.setdefault(source, {}).update(detections)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather, sort by name and write."""
        parts: list[Any] = [self.found]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, self.found)
        if not trainer.is_global_zero:
            return
        folder = run_folder(trainer) / "predictions"
        folder.mkdir(parents=True, exist_ok=True)
        for source in sorted({source for part in parts for source in part}):
            videos = {name: found for part in parts for name, found in part.get(source, {}).items()}
            write_predictions(folder / f"{source}.json", dict(sorted(videos.items())), pl_module.class_names)  # type: ignore[arg-type]
        Console(stderr=True).print(f"Detections written to {folder}", soft_wrap=True)


class ResultsTable(Callback):
    """Prints one row a source after ``validate`` and ``test``: mAP in %, and what the numbers were made on."""

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table of ``test``."""
        self._print(trainer, pl_module, "test")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table of ``validate``, also inside a fit."""
        self._print(trainer, pl_module, "val")

    def _print(self, trainer: Trainer, module: LightningModule, split: str) -> None:
        rows: dict[str, dict[str, float]] = {}
        for name, value in trainer.callback_metrics.items():
            stage, _, rest = name.partition("/")
            if stage == split:
                source, _, measure = rest.rpartition("/")
                rows.setdefault(source or type(module).__name__, {})[measure] = float(value)
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not rows or not trainer.is_global_zero or not isinstance(data, SnippetDataModule):
            return
        measures = list(dict.fromkeys(measure for row in rows.values() for measure in row))
        shown = [m for m in measures if m.startswith("mAP")] + [m for m in ("video_mAP",) if m in measures]
        table = Table(caption=_caption(trainer, module, data), caption_justify="left")
        table.add_column("mAP in % at tIoU")
        for measure in shown:
            title = {"mAP": "mean", "video_mAP": "of videos"}.get(measure, measure.removeprefix("mAP@"))
            table.add_column(title, justify="right", no_wrap=True)
        for source, row in rows.items():
            table.add_row(source, *(f"{100 * row[measure]:.1f}" if measure in row else "" for measure in shown))
        Console(width=max(Console().width, 130)).print(table)  # a number that is cut off helps nobody


def _caption(trainer: Trainer, module: LightningModule, data: SnippetDataModule) -> str:
    weights = getattr(module, "note", "")
    path = getattr(trainer, "ckpt_path", None)
    said = [f"features: {data.features_note}", f"protocol: {data.protocol.name}", weights]
    return "; ".join([*filter(None, said), f"checkpoint: {Path(path).name if path else 'as in memory'}"])

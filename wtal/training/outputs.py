"""What ``fit``, ``test`` and ``predict`` write, and the table that ``test`` prints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from rich.console import Console

from wtal.branches.localization import LocalizationModule
from wtal.data import SnippetDataModule
from wtal.data.contract import VideoData, data_of
from wtal.results.ground_truth import write_ground_truth
from wtal.results.predictions import as_table, read_predictions, write_table
from wtal.results.record import About, write_about
from wtal.results.run_folder import RunFolder
from wtal.results.scores import (
    StudentLabels,
    TestScores,
    VideoGrids,
    added,
    read_scores,
    write_pseudo_labels,
    write_scores,
)
from wtal.results.tables import percent, print_table
from wtal.tasks import task_of
from wtal.training.folders import leaves_no_files
from wtal.types import VideoResult
from wtal.views import WARM_UP_ONLY

__all__ = ["ResultsTable", "WritePredictions", "WritePseudoLabels"]


class WritePredictions(Callback):
    """Writes the results of ``test`` and ``predict`` into the run's folder, gathered from all processes.

    The files are ``predictions/<source>.json`` (detections in ActivityNet's format), ``predictions/ground_truth.json``
    where the segments are known, ``scores/<source>.npz`` and ``about.json`` (benchmark, features, checkpoint): all that
    pages and figures need, so that they do not need the model.

    Args:
        add: Keep the earlier results of other videos in the same files, which must be of the same classes.
    """

    def __init__(self, add: bool = False) -> None:
        self.add = add

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier results."""
        self.found: dict[str, dict[str, VideoResult]] = {}

    on_test_start = on_predict_start

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, dict[str, VideoResult]],
        *_: object,
    ) -> None:
        """Keep the results of a batch."""
        if isinstance(pl_module, LocalizationModule):
            for source, results in outputs.items():
                self.found.setdefault(source, {}).update(results)

    on_test_batch_end = on_predict_batch_end  # type: ignore[assignment]

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather, sort by name and write."""
        if not isinstance(pl_module, LocalizationModule) or leaves_no_files(trainer):
            return
        results = self._gathered(trainer.world_size)
        if not trainer.is_global_zero:
            return
        folder, class_names = RunFolder.of(trainer), pl_module.class_names
        data = data_of(trainer)
        videos = {video.video_id: video for video in data.videos("test")}
        for source, of_source in results.items():
            detections = as_table({name: result.detections for name, result in of_source.items()}, class_names)
            grids = VideoGrids.of([pl_module.on_time(videos[name]) for name in of_source])
            self._write(folder, source, detections, _joined(grids, class_names, list(of_source.values())))
        found = {name for of_source in results.values() for name in of_source}
        _write_truth(folder, data, found)
        part = part_of_videos(len(found), len(videos))
        write_about(folder.about, _about(trainer, pl_module, data, part))
        of = f" of only {part}" if part else ""
        Console(stderr=True).print(f"Detections and scores{of} written to {folder}", soft_wrap=True)

    on_test_end = on_predict_end

    def _write(self, folder: RunFolder, source: str, detections: pd.DataFrame, scores: TestScores) -> None:
        """Write the results of a source, with those of other videos that may stay."""
        if self.add and folder.scores_of(source).is_file():
            earlier = read_predictions(folder.predictions_of(source))
            others = earlier[~earlier["video_id"].isin(scores.grids.video_ids)]
            detections = pd.concat([others, detections], ignore_index=True)
            scores = added(read_scores(folder.scores_of(source)), scores)
        write_table(folder.predictions_of(source), detections, scores.grids.video_ids)
        write_scores(folder.scores_of(source), scores)

    def _gathered(self, processes: int) -> dict[str, dict[str, VideoResult]]:
        """The results of all processes by source and video, both sorted by name."""
        parts: list[Any] = [self.found]
        if processes > 1:
            parts = [None] * processes
            torch.distributed.all_gather_object(parts, self.found)
        self.found = {}
        results: dict[str, dict[str, VideoResult]] = {}
        for part in parts:
            for source, found in part.items():
                results.setdefault(source, {}).update(found)
        return {source: dict(sorted(found.items())) for source, found in sorted(results.items())}


def _write_truth(folder: RunFolder, data: VideoData, found: set[str]) -> None:
    """Write the segments of the videos that were scored, if known: no instance of another could be found."""
    if data.ground_truth("test") is None:
        return
    segments = data.named_segments("test")
    durations_s = {video.video_id: video.duration_s for video in data.videos("test") if video.video_id in found}
    write_ground_truth(folder.ground_truth, segments[segments["video_id"].isin(found)], durations_s, "test")


class WritePseudoLabels(Callback):
    """Writes the labels that a collaboration's students last learned from, as ``<run>/pseudo_labels.npz``."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the buffers of the collaboration's loop, which are the same in every process."""
        buffers = getattr(trainer.fit_loop, "buffers", {})
        taught = {student: buffer for student, buffer in buffers.items() if (buffer.label >= 0).any()}
        if not taught or not trainer.is_global_zero or leaves_no_files(trainer):
            return
        grids = VideoGrids.of(data_of(trainer).videos("train"))
        label, class_index = (
            {student: getattr(buffer, kind).cpu().numpy() for student, buffer in taught.items()}
            for kind in ("label", "class_index")
        )
        mark = ", ".join(getattr(pl_module, "marks", ()))
        labels = StudentLabels(grids, pl_module.class_names, label, class_index, mark)  # type: ignore[arg-type]
        write_pseudo_labels(RunFolder.of(trainer).pseudo_labels, labels)


def _joined(grids: VideoGrids, class_names: list[str], results: list[VideoResult]) -> TestScores:
    probability, actionness, video = zip(*(result.scores for result in results), strict=True)
    joined = torch.cat(probability), torch.cat(actionness), torch.stack(video)
    return TestScores(grids, class_names, *(t.numpy() for t in joined))


class ResultsTable(Callback):
    """Prints one row per source after ``validate`` and ``test``: mAP in %, features and benchmark.

    After a validation inside a fit the table is short, and its caption is the epoch.
    """

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table of ``test``."""
        self._print(trainer, pl_module, "test")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table of ``validate``, also inside a fit."""
        self._print(trainer, pl_module, "val")

    def _print(self, trainer: Trainer, module: LightningModule, split: Literal["val", "test"]) -> None:
        data = getattr(trainer, "datamodule", None)
        rows = _measures_by_source(trainer.callback_metrics, split, type(module).__name__)
        if not rows or not trainer.is_global_zero or not isinstance(data, SnippetDataModule):
            return
        if not isinstance(module, LocalizationModule):
            return
        inside = trainer.state.fn == TrainerFn.FITTING
        task = task_of(data.benchmark)
        titles = task.columns(data.benchmark, short=inside)
        table = pd.DataFrame.from_dict(rows, orient="index")
        table = percent(table[[name for name in titles if name in table]], 1).rename(columns=titles)
        if WARM_UP_ONLY in module.note:  # the last source is a late fusion
            table = table.rename(index={module.sources[-1]: f"{module.sources[-1]}, warm-up only"})
        part = part_of_videos(*module.measured.get(split, (0, 0)))
        caption = f"epoch {trainer.current_epoch}" + (f"; only {part}" if part else "")
        print_table(
            table.rename_axis(task.heading),
            caption if inside else _about(trainer, module, data, part).caption,
        )


def _measures_by_source(metrics: Mapping[str, Any], split: str, alone: str) -> dict[str, dict[str, float]]:
    """The measures of a split by source, and by the given name where there is a single branch."""
    rows: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        stage, _, rest = name.partition("/")
        if stage == split:
            source, _, measure = rest.rpartition("/")
            rows.setdefault(source or alone, {})[measure] = float(value)
    return rows


def part_of_videos(measured: int, total: int) -> str:
    """How many of the videos were measured, such as ``2 of 8 videos``; empty if all were."""
    return "" if measured == total else f"{measured} of {total} videos"


def _about(trainer: Trainer, module: LocalizationModule, data: VideoData, part: str) -> About:
    path = getattr(trainer, "ckpt_path", None)
    in_memory = "as in memory" if any(p.requires_grad for p in module.parameters()) else "none, as nothing is trained"
    untrained = f"untrained weights of {', '.join(module.untrained)}, which mean nothing" if module.untrained else ""
    return About(
        features=data.features_note,
        benchmark=data.benchmark.name,
        tious=data.benchmark.tious,
        weights="; ".join(filter(None, [untrained, module.note])),
        checkpoint=Path(path).name if path else module.checkpoint_name or in_memory,
        part=part,
        views=module.views,
        floors=module.floors,
        task=data.benchmark.task,
    )

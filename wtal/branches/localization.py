"""What a branch and a pair of branches share: inference at full length, localization, evaluation."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torchmetrics import Metric

from wtal.branches.classes import Renewed
from wtal.branches.encoded_stream import EncodedStream
from wtal.data.contract import data_of
from wtal.data.stream import StreamDataModule
from wtal.errors import CheckpointError
from wtal.io.bounds import checked_floors
from wtal.io.given import listed
from wtal.localization.localizer import Localizer
from wtal.metrics.video_map import VideoMAP
from wtal.tasks.choice import task_of
from wtal.tasks.task import Task
from wtal.types import Detections, Instances, InstanceScores, SnippetBatch, SnippetScores, Video, VideoResult
from wtal.views import View

__all__ = ["LocalizationModule", "each_video"]

Split = Literal["val", "test"]


class LocalizationModule(LightningModule):
    """Scores videos of full length, localizes actions in them and measures the answer.

    Subclasses declare their ``sources`` and :attr:`views` (a branch has one, a pair three) and score a batch.

    Args:
        class_names: Names of the classes, in the order of the labels.
        localizer: Localizer that turns scores into detections.

    Attributes:
        floors: For each source and class, the score that the best detection of a video must reach for the class to be
            shown to people; empty before the end of a training. No measure knows them.
    """

    sources: tuple[str, ...]  # the last one is the module's own answer

    def __init__(self, class_names: Sequence[str], localizer: Localizer) -> None:
        super().__init__()
        self.class_names, self.localizer = listed("class_names", class_names), localizer
        self._quality: dict[str, Metric] = {}
        self._video_map: dict[str, VideoMAP] = {}
        self._loaded_marks: tuple[str, ...] = ()
        self._seen = torch.zeros(0, dtype=torch.int)  # 1 for each video of the split that was measured
        self.measured: dict[Split, tuple[int, int]] = {}  # number of measured videos and of all, at the last time
        self.checkpoint_name = ""  # of the file that the weights were loaded from outside a trainer
        self.floors: dict[str, dict[str, float]] = {}

    @abstractmethod
    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """Scores of a batch by source; tensors as in :class:`SnippetScores` with a leading batch dimension."""

    @property
    @abstractmethod
    def views(self) -> tuple[View, ...]:
        """How figures show each source."""

    @property
    def task(self) -> Task:
        """The task of the data's benchmark."""
        return task_of(data_of(self.trainer).benchmark)

    @property
    def note(self) -> str:
        """What a reader of a table must know about the weights, such as random ones in a text tower; else empty."""
        return ""

    @property
    def marks(self) -> tuple[str, ...]:
        """What the benchmark's name must add because the model learned from more than video labels."""
        return self._loaded_marks

    @property
    def lag(self) -> float:
        """Number of snippets by which the scores come late, as those of a causal head do: see :class:`Head`."""
        return 0.0

    def on_time(self, video: Video) -> Video:
        """A video whose time grid is that of the module's scores: earlier than that of its features by the lag."""
        if not self.lag:
            return video
        return replace(video, grid=replace(video.grid, offset_s=video.grid.offset_s - self.lag * video.grid.step_s))

    @property
    def untrained(self) -> tuple[str, ...]:
        """Sources whose weights were neither trained nor loaded, so that their numbers mean nothing."""
        return ()

    def film(self, data: object, split: Literal["train", "val", "test"]) -> None:
        """Prepare a split for encoders that are part of the module; most modules have none."""

    def know_classes(self, class_names: Sequence[str], seed: int = 0) -> Renewed:
        """Change the classes while the module is trained, or before a checkpoint of other ones fills it.

        Subclasses that can do so change their weights, too.

        Args:
            class_names: Names of the classes, the former ones first if what is known of them shall be kept.
            seed: Seed of new weights.

        Returns:
            Which parameters have taken the place of which.

        Raises:
            ConfigError: If the weights cannot be changed.
        """
        self.class_names = list(class_names)
        if "class_names" in self.hparams:
            self.hparams["class_names"] = list(class_names)
        return {}

    # Inference --------------------------------------------------------------------------------------------------

    def localize(
        self, scores: dict[str, SnippetScores], batch: SnippetBatch, videos: Sequence[Video]
    ) -> dict[str, list[Detections]]:
        """Localize actions in full-length videos.

        Args:
            scores: Scores of the batch by source, as :meth:`all_scores` returns them.
            batch: Batch of full-length videos, possibly padded.
            videos: All videos of the split; ``batch.video`` is an index into them.

        Returns:
            For each source, the detections of each video in the order of the batch.
        """
        of_batch = [self.on_time(videos[row]) for row in batch.video.tolist()]
        return {
            source: [self.localizer(s, video) for s, video in zip(each_video(batched, batch), of_batch, strict=True)]
            for source, batched in scores.items()
        }

    def predict_step(self, batch: SnippetBatch, batch_idx: int) -> dict[str, dict[str, VideoResult]]:
        """Scores and detections by source and name of the video."""
        scores, videos = self.all_scores(batch), data_of(self.trainer).videos("test")
        return _results(scores, self.localize(scores, batch, videos), batch, videos)

    # Evaluation -------------------------------------------------------------------------------------------------

    def _mark_benchmark(self) -> None:
        for mark in self.marks:
            data_of(self.trainer).mark_benchmark(mark)

    on_predict_start = _mark_benchmark

    def on_train_start(self) -> None:
        """Name what the model learns from, and forget where its former weights came from."""
        self._mark_benchmark()
        self.checkpoint_name = ""

    def _begin(self, split: Split) -> None:
        self._mark_benchmark()
        data = data_of(self.trainer)
        has_truth = self.task.truth(data, split) is not None
        self._quality, self._video_map = {}, {}
        self._seen = torch.zeros(len(data.videos(split)), dtype=torch.int, device=self.device)
        for source in self.sources:
            if len(self.class_names) > 1:
                self._video_map[source] = VideoMAP().to(self.device)
            if has_truth:
                self._quality[source] = self.task.metric(data.benchmark).to(self.device)

    def _measure_videos(self, scores: dict[str, SnippetScores], batch: SnippetBatch) -> None:
        self._seen[batch.video] = 1
        for source, metric in self._video_map.items():
            metric.update(scores[source].video, batch.labels)

    def _measure(
        self, scores: dict[str, SnippetScores], found: dict[str, list[Detections]], batch: SnippetBatch
    ) -> None:
        for source, quality in self._quality.items():
            rows = batch.video.tolist()
            for row, seen, detections in zip(rows, each_video(scores[source], batch), found[source], strict=True):
                self.task.add_video(quality, row, seen, detections)

    def prefixes(self, split: Split) -> list[str]:
        """The beginnings of the names of a split's metrics, one for each source."""
        return [f"{split}/{source}/" if len(self.sources) > 1 else f"{split}/" for source in self.sources]

    def _finish(self, split: Split) -> None:
        seen: Tensor = self.trainer.strategy.reduce(self._seen, reduce_op="max")
        self.measured[split] = (int(seen.sum()), len(seen))
        self._add_truth(split, seen.bool())
        for source, prefix in zip(self.sources, self.prefixes(split), strict=True):
            if source in self._video_map:
                self.log(prefix + "video_mAP", self._video_map[source].compute(), sync_dist=True)
            if source in self._quality:
                measures = self._quality[source].compute()  # the same in every process
                self.log_dict({prefix + name: value for name, value in measures.items()}, sync_dist=True)

    def _add_truth(self, split: Split, seen: Tensor) -> None:
        """Add the truth of the videos that were measured: instances of the others could not be found."""
        truth = self.task.truth(data_of(self.trainer), split)
        if truth is None or self.global_rank:  # one copy, however many processes share the videos
            return
        truth = truth.to(self.device)
        for quality in self._quality.values():
            self.task.add_truth(quality, truth[seen[truth[:, 0].long()]])

    def on_validation_epoch_start(self) -> None:
        """Begin to measure on the held-out training videos."""
        self._begin("val")

    def validation_step(self, batch: SnippetBatch, batch_idx: int) -> None:
        """Measure one batch of held-out training videos, by their segments only if the data module shows them."""
        scores = self.all_scores(batch)
        self._measure_videos(scores, batch)
        if self._quality:
            videos = data_of(self.trainer).videos("val")
            self._measure(scores, self.localize(scores, batch, videos), batch)

    def on_validation_epoch_end(self) -> None:
        """Log ``val/...``."""
        self._finish("val")

    def on_test_epoch_start(self) -> None:
        """Begin to measure on the test videos."""
        self._begin("test")

    def test_step(self, batch: SnippetBatch, batch_idx: int) -> dict[str, dict[str, VideoResult]]:
        """Measure one batch of test videos and return what :meth:`predict_step` returns."""
        scores, videos = self.all_scores(batch), data_of(self.trainer).videos("test")
        found = self.localize(scores, batch, videos)
        self._measure_videos(scores, batch)
        self._measure(scores, found, batch)
        return _results(scores, found, batch, videos)

    def on_test_epoch_end(self) -> None:
        """Log ``test/...``."""
        self._finish("test")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of other classes, and take over its marks.

        Raises:
            CheckpointError: If it is damaged, or the classes differ: both numbers of classes, or the first name that
                differs, are given.
        """
        self._loaded_marks = tuple(map(str, checkpoint.get("marks", ())))
        try:
            self.floors = checked_floors(checkpoint.get("floors", {}))
        except (AttributeError, TypeError, ValueError) as error:
            raise CheckpointError(f"The checkpoint is damaged: its lowest scores are unusable ({error}).") from error
        saved = checkpoint.get("class_names")
        if saved is None or saved == self.class_names or self._takes_over(saved):
            return
        if len(saved) != len(self.class_names):
            difference = f"{len(saved)} classes, the data {len(self.class_names)}"
        else:
            place = next(i for i, (a, b) in enumerate(zip(saved, self.class_names, strict=True)) if a != b)
            difference = f"class {place} as {saved[place]!r}, the data as {self.class_names[place]!r}"
        raise CheckpointError(
            f"The checkpoint knows {difference}: give the checkpoint that was trained on these classes."
        )

    def _takes_over(self, class_names: list[str]) -> bool:
        """Whether the module now has the classes of a checkpoint, whose order may differ where videos keep coming."""
        try:
            data, state = getattr(self.trainer, "datamodule", None), self.trainer.state
        except RuntimeError:  # there is no trainer
            return False
        known = isinstance(data, StreamDataModule) and data.know(class_names, state.fn == TrainerFn.FITTING)
        if known:
            self.know_classes(class_names)
        return known

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the class names, so that the checkpoint can be checked and read without its data, and the marks."""
        checkpoint["class_names"] = self.class_names
        for part in self.modules():
            if isinstance(part, EncodedStream):
                part.note_checkpoint()
        if self.floors:
            checkpoint["floors"] = self.floors
        if self.marks:
            checkpoint["marks"] = list(self.marks)


def each_video(scores: SnippetScores, batch: SnippetBatch) -> list[SnippetScores]:
    """The scores of each video of a batch, without padding, on the CPU."""
    per_video = zip(*(t.float().cpu() for t in scores), batch.mask.sum(dim=1).tolist(), strict=True)
    found = [SnippetScores(probability[:n], attention[:n], video) for probability, attention, video, n in per_video]
    if not isinstance(scores, InstanceScores) or scores.instances is None:
        return found
    score, bounds = (t.float().cpu() for t in scores.instances)
    real = score.amax(dim=2) > 0
    return [
        InstanceScores(*seen, Instances(s[kept], b[kept]))
        for seen, s, b, kept in zip(found, score, bounds, real, strict=True)
    ]


def _results(
    scores: dict[str, SnippetScores], found: dict[str, list[Detections]], batch: SnippetBatch, videos: Sequence[Video]
) -> dict[str, dict[str, VideoResult]]:
    names = [videos[row].video_id for row in batch.video.tolist()]
    return {
        source: {
            name: VideoResult(SnippetScores(*(t.half() for t in seen)), detections)
            for name, seen, detections in zip(names, each_video(batched, batch), found[source], strict=True)
        }
        for source, batched in scores.items()
    }

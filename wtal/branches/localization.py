"""What a branch and a pair of branches share: full-length inference, localization, evaluation."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torchmetrics.classification import MultilabelAveragePrecision

from wtal.errors import CheckpointError
from wtal.localization.localizer import Localizer
from wtal.metrics.detection_map import TemporalMAP
from wtal.metrics.error_analysis import error_profile
from wtal.types import Detections, SnippetBatch, SnippetScores, Video, VideoResult

__all__ = ["DetectionQuality", "LocalizationModule", "each_video"]

Split = Literal["val", "test"]


class DetectionQuality(TemporalMAP):
    """mAP and, beside it, how a method fails: the numbers of one line of a comparison."""

    def compute(self) -> dict[str, Tensor]:
        """MAP by tIoU and its averages, false-positive and false-negative rate, completeness, background share."""
        profile = error_profile(*self.rows())
        return super().compute() | {
            name: torch.tensor(value, dtype=torch.float64) for name, value in vars(profile).items()
        }


class LocalizationModule(LightningModule):
    """Scores videos of full length, localizes actions in them and measures the detections.

    Subclasses say which :meth:`sources` they have (a branch has one, a pair three) and score a batch.

    Args:
        class_names: Names of the classes, in the order of the labels.
        localizer: From scores to detections.
    """

    sources: tuple[str, ...]  # the last one is the module's own answer

    def __init__(self, class_names: Sequence[str], localizer: Localizer) -> None:
        super().__init__()
        self.class_names, self.localizer = list(class_names), localizer
        self._quality: dict[str, DetectionQuality] = {}
        self._video_map: dict[str, MultilabelAveragePrecision] = {}

    @abstractmethod
    def all_scores(self, batch: SnippetBatch) -> dict[str, SnippetScores]:
        """Scores of a batch by source; tensors as in :class:`SnippetScores` with a leading batch dimension."""

    @property
    def note(self) -> str:
        """What a reader of a table must know of the weights, such as a text tower with random ones; else empty."""
        return ""

    # Inference --------------------------------------------------------------------------------------------------

    def localize(
        self, scores: dict[str, SnippetScores], batch: SnippetBatch, videos: Sequence[Video]
    ) -> dict[str, list[Detections]]:
        """Localize actions in full-length videos.

        Args:
            scores: Of the batch, by source, as :meth:`all_scores` gives them.
            batch: Of full-length videos, possibly padded.
            videos: What is known of all videos of the split, ``batch.video`` being a row of it.

        Returns:
            For each source the detections of each video of the batch, in its order.
        """
        rows = batch.video.tolist()
        return {
            source: [self.localizer(s, videos[row]) for s, row in zip(each_video(batched, batch), rows, strict=True)]
            for source, batched in scores.items()
        }

    def predict_step(self, batch: SnippetBatch, batch_idx: int) -> dict[str, dict[str, VideoResult]]:
        """Scores and detections by source and name of the video."""
        scores, videos = self.all_scores(batch), self.trainer.datamodule.videos("test")  # type: ignore[attr-defined]
        return _results(scores, self.localize(scores, batch, videos), batch, videos)

    # Evaluation -------------------------------------------------------------------------------------------------

    def _begin(self, split: Split) -> None:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        truth = data.ground_truth(split)
        self._quality, self._video_map = {}, {}
        for source in self.sources:
            if len(self.class_names) > 1:
                self._video_map[source] = MultilabelAveragePrecision(len(self.class_names)).to(self.device)
            if truth is None:
                continue
            self._quality[source] = quality = DetectionQuality(data.benchmark).to(self.device)
            if self.global_rank == 0:  # one copy of the ground truth, however many processes share the videos
                rows = torch.tensor(truth[["video", "label", "start_s", "end_s"]].to_numpy(float))
                quality.update(torch.zeros(0, 5, dtype=torch.float64, device=self.device), rows.to(self.device))

    def _measure_videos(self, scores: dict[str, SnippetScores], batch: SnippetBatch) -> None:
        for source, metric in self._video_map.items():
            metric.update(scores[source].video.float(), batch.labels.long())

    def _measure(self, found: dict[str, list[Detections]], batch: SnippetBatch) -> None:
        for source, quality in self._quality.items():
            for row, detections in zip(batch.video.tolist(), found[source], strict=True):
                quality.update(_rows(row, detections).to(self.device), _no_segments(self.device))

    def _finish(self, split: Split) -> None:
        for source in self.sources:
            prefix = f"{split}/{source}/" if len(self.sources) > 1 else f"{split}/"
            if source in self._video_map:
                self.log(prefix + "video_mAP", self._video_map[source].compute(), sync_dist=False, rank_zero_only=False)
            if source in self._quality:
                self.log_dict({prefix + name: value for name, value in self._quality[source].compute().items()})

    def on_validation_epoch_start(self) -> None:
        """Begin to measure on the held-out training videos."""
        self._begin("val")

    def validation_step(self, batch: SnippetBatch, batch_idx: int) -> None:
        """Measure one batch of held-out training videos, on their segments only if the data module shows them."""
        scores = self.all_scores(batch)
        self._measure_videos(scores, batch)
        if self._quality:
            videos = self.trainer.datamodule.videos("val")  # type: ignore[attr-defined]
            self._measure(self.localize(scores, batch, videos), batch)

    def on_validation_epoch_end(self) -> None:
        """Log ``val/...``."""
        self._finish("val")

    def on_test_epoch_start(self) -> None:
        """Begin to measure on the test videos."""
        self._begin("test")

    def test_step(self, batch: SnippetBatch, batch_idx: int) -> dict[str, dict[str, VideoResult]]:
        """Measure one batch of test videos; returns what :meth:`predict_step` does."""
        scores, videos = self.all_scores(batch), self.trainer.datamodule.videos("test")  # type: ignore[attr-defined]
        found = self.localize(scores, batch, videos)
        self._measure_videos(scores, batch)
        self._measure(found, batch)
        return _results(scores, found, batch, videos)

    def on_test_epoch_end(self) -> None:
        """Log ``test/...``."""
        self._finish("test")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of other classes.

        Raises:
            CheckpointError: Naming both class counts, or the first name that differs.
        """
        saved = checkpoint.get("class_names")
        if saved is None or saved == self.class_names:
            return
        if len(saved) != len(self.class_names):
            said = f"{len(saved)} classes, the data {len(self.class_names)}"
        else:
            place = next(i for i, (a, b) in enumerate(zip(saved, self.class_names, strict=True)) if a != b)
            said = f"class {place} as {saved[place]!r}, the data as {self.class_names[place]!r}"
        raise CheckpointError(f"The checkpoint knows {said}: give the checkpoint that was trained on these classes.")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the class names: a checkpoint can then be checked, and read without its data."""
        checkpoint["class_names"] = self.class_names


def each_video(scores: SnippetScores, batch: SnippetBatch) -> list[SnippetScores]:
    """The scores of each video of a batch, without padding, on the CPU."""
    per_video = zip(*(t.float().cpu() for t in scores), batch.mask.sum(dim=1).tolist(), strict=True)
    return [SnippetScores(probability[:n], attention[:n], video) for probability, attention, video, n in per_video]


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


def _rows(video: int, detections: Detections) -> Tensor:
    """Detections as rows of the metric, ``(N, 5)``: video, label, start, end, score."""
    columns = (detections.label, detections.start_s, detections.end_s, detections.score)
    return torch.stack(
        [torch.full_like(detections.score, video, dtype=torch.float64), *(c.double() for c in columns)], 1
    )


def _no_segments(device: torch.device) -> Tensor:
    return torch.zeros(0, 4, dtype=torch.float64, device=device)

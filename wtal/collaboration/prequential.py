"""Tests of a model on videos of a stream: on each before it is learned from, and on some again later."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning import Trainer

from wtal.branches.localization import LocalizationModule, each_video
from wtal.data.reservoir import Reservoir
from wtal.data.stream import StreamDataModule
from wtal.metrics.detection_map import TemporalMAP
from wtal.metrics.prequential import faded_mean, forgetting
from wtal.nn.modes import evaluating
from wtal.tasks.localization import LocalizationTask
from wtal.types import SnippetBatch

__all__ = ["Prequential", "tested"]

Scores = dict[str, float]  # by source


@torch.no_grad()
def tested(
    trainer: Trainer, module: LocalizationModule, data: StreamDataModule, video_ids: Sequence[str]
) -> dict[str, Scores]:
    """The mAP of each source in single videos, of those that have segments.

    It is the mean over the classes in the video and the benchmark's thresholds.

    Args:
        trainer: The trainer of the module.
        module: The module.
        data: The stream.
        video_ids: Names of videos that have come, or are about to.
    """
    segments = data.segments_for_testing(video_ids)
    timed = set(segments["video_id"])
    names = [name for name in video_ids if name in timed]
    if not names or data.benchmark.task != "localization":
        return {}
    label = {name: index for index, name in enumerate(data.class_names)}
    rows = torch.tensor(
        [[names.index(v), label[c], start_s, end_s] for v, c, start_s, end_s in _plain(segments)], dtype=torch.float64
    )
    videos, loader = data.whole(names)
    task, found = LocalizationTask(), {name: Scores() for name in names}
    with evaluating(module), trainer.precision_plugin.forward_context():
        for cpu_batch in loader:
            batch: SnippetBatch = trainer.strategy.batch_to_device(cpu_batch)
            scores = module.all_scores(batch)
            for source, detections in module.localize(scores, batch, videos).items():
                seen = each_video(scores[source], batch)
                for row, one, of_video in zip(batch.video.tolist(), seen, detections, strict=True):
                    metric = TemporalMAP(data.benchmark)
                    task.add_truth(metric, rows[rows[:, 0] == row])
                    task.add_video(metric, row, one, of_video)
                    found[names[row]][source] = float(metric.compute()["mAP"])
    return found


def _plain(segments: Any) -> Any:  # noqa: ANN401  a table and an iterator of its rows
    return segments[["video_id", "label", "start_s", "end_s"]].itertuples(index=False)


class Prequential:
    """The measures of a stream so far, in plain values that a checkpoint holds.

    Args:
        fading: See :func:`~wtal.metrics.faded_mean`.
        again: Largest number of videos that are tested again and again; they are chosen like those of a
            :class:`~wtal.data.Reservoir`.
        seed: Seed of that choice.
    """

    def __init__(self, fading: float, again: int, seed: int = 0) -> None:
        self.fading, self.chosen = fading, Reservoir(again, seed)
        self.first: list[Scores] = []  # of each video before it was learned from, in the order of the stream
        self.courses: dict[str, list[Scores]] = {}  # all scores of the videos that are tested again

    def add(self, scores: Mapping[str, Scores], labels: Mapping[str, Sequence[str]]) -> None:
        """Add the scores of videos that were not learned from yet.

        Args:
            scores: Scores by name of the video.
            labels: Labels of these videos.
        """
        for name, of_video in scores.items():
            self.first.append(of_video)
            dropped = self.chosen.offer(name, labels[name])
            self.courses[name] = [of_video]
            self.courses.pop(dropped or "", None)

    def add_again(self, scores: Mapping[str, Scores]) -> None:
        """Add later scores of videos that are tested again."""
        for name, of_video in scores.items():
            self.courses[name].append(of_video)

    def measures(self, new: Sequence[Scores]) -> dict[str, float]:
        """The measures of :class:`~wtal.results.stream.StreamEpoch`.

        Args:
            new: Scores of the videos that have come with this epoch.
        """
        found: dict[str, float] = {}
        for source in dict.fromkeys(source for scores in self.first for source in scores):
            if new:
                found[f"{source}/mAP"] = sum(scores[source] for scores in new) / len(new)
            found[f"{source}/faded"] = faded_mean([scores[source] for scores in self.first], self.fading)
            courses = {name: [scores[source] for scores in course] for name, course in self.courses.items()}
            lost = forgetting(courses)
            if lost == lost:
                found[f"{source}/forgetting"] = lost
        return found

    def state_dict(self) -> dict[str, Any]:
        """The scores, in plain values."""
        return {"first": self.first, "courses": self.courses, "chosen": self.chosen.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.first, self.courses = list(state["first"]), dict(state["courses"])
        self.chosen.load_state_dict(state["chosen"])

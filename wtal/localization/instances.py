"""Turns instances that a model predicts by itself into detections in seconds."""

from dataclasses import dataclass

import numpy as np
import torch

from wtal.localization.localizer import Localizer, best_of_each
from wtal.types import Detections, InstanceScores, SnippetScores, Video

__all__ = ["InstanceLocalizer"]


@dataclass(frozen=True)
class InstanceLocalizer(Localizer):
    """Suppression of predicted instances, per class; nothing is cut.

    Of the parameters of a :class:`Localizer`, those of the video's probability, of suppression and of numbers count.
    Scores without instances are cut as there.
    """

    attention_weight: float = 0.0
    class_threshold: float = 0.001
    sigma: float = 0.5

    def __call__(self, scores: SnippetScores, video: Video) -> Detections:
        """Localize the actions of one video; see :class:`Localizer`."""
        if not isinstance(scores, InstanceScores) or scores.instances is None:
            return super().__call__(scores, video)
        of_video = scores.video.detach().double().cpu().numpy()
        labels = np.flatnonzero(of_video > self.class_threshold)
        if len(labels) == 0:
            labels = np.array([of_video.argmax()])
        of_place, bounds = (part.detach().double().cpu().numpy() for part in scores.instances)
        relative = (of_video[labels] / max(of_video.max(), np.finfo(float).tiny)) ** self.video_power
        every = of_place[:, labels] * relative  # (P, L)
        place, column = np.nonzero(every > self.min_score)
        score = every[place, column]
        best = best_of_each(score, column, self.max_proposals)
        place, column, score = place[best], column[best], score[best]
        grid = video.grid
        seconds = grid.edge_s(0) + bounds[place] * grid.step_s
        seconds = np.clip(seconds, max(grid.edge_s(0), 0.0), grid.edge_s(video.num_snippets))
        seconds = np.fmin(seconds, video.duration_s)  # which ignores NaN
        good = seconds[:, 1] > seconds[:, 0]
        seconds, column, score = seconds[good], column[good], score[good]
        kept, score = self._suppress(seconds, score, column)
        return Detections(
            start_s=torch.from_numpy(seconds[kept, 0]),
            end_s=torch.from_numpy(seconds[kept, 1]),
            label=torch.from_numpy(labels[column[kept]]),
            score=torch.from_numpy(score),
        )

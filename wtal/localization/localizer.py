"""Turns the snippet scores of a video into detections in seconds."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from wtal.functional.nms import nms, soft_nms
from wtal.io.given import numbers, one_or_more
from wtal.localization.proposals import propose, stretch, upsample
from wtal.types import Detections, SnippetScores, TimeGrid, Video

__all__ = ["Localizer", "SequenceName"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SequenceName = Literal["cas", "attention", "product"]


@dataclass(frozen=True)
class Localizer:
    """Cuts sequences at many thresholds, scores the proposals by outer-inner contrast and applies NMS per class.

    There are three sequences per class: ``cas``, the probability of the class; ``attention``, the actionness, which is
    the same for all classes; ``product``, the weighted geometric mean of the two.

    Args:
        cut: Sequences to cut into proposals.
        contrast: Sequence whose mean inside a proposal is compared with the mean around it.
        attention_weight: Weight of actionness in ``product``, in [0, 1]; the rest is the weight of the probability.
        stretch_cut: Stretch each sequence to [0, 1] within the video before it is cut.
        stretch_contrast: Stretch the contrast sequence too; the score of a proposal is then relative to the video.
        thresholds: Thresholds at which to cut; None for ``num_thresholds`` evenly spaced ones.
        num_thresholds: Number of evenly spaced thresholds.
        lowest_threshold: Lowest of these thresholds.
        highest_threshold: Highest of these thresholds.
        upsampling: Interpolated steps per snippet, for bounds finer than a snippet; 1 turns it off.
        outer_ratio: Length of the margin on each side of a proposal, as a share of the length of the proposal.
        min_margin: Minimum length of the margin in snippets, and at least one step.
        min_length: Minimum length of a proposal in snippets, and at least one step.
        class_threshold: Probability in the video above which a class is localized; if no class reaches it, the most
            probable one is. The default saves time: classes below it rank too low to change a result.
        video_weight: Weight of the probability of the class in the video, which is added to the score.
        video_power: The score is multiplied by this power of the ratio between that probability and the one of the
            most probable class; 0 leaves the score as it is. The fourth root keeps the classes of a video that shows
            several, which share a sum of one, close to each other, and ranks a class that it hardly shows behind them.
        min_score: Score below which detections are dropped, before and after suppression.
        max_proposals: Maximum number of proposals per class that enter the suppression.
        suppression: ``gaussian`` and ``linear`` lower the score of detections that overlap a better one of the class,
            ``hard`` drops them, ``none`` keeps all.
        sigma: Width of the Gaussian.
        tiou: Temporal IoU at which ``linear`` and ``hard`` begin.
        max_detections: Maximum number of detections per video.

    Raises:
        ValueError: If a parameter is out of its range.

    Source:
        Outer-inner contrast with a margin of a quarter, plus the score of the video: arXiv:1807.08333 and the code of
        BaS-Net. The paper does not give its settings; all defaults are our choice.
    """

    cut: tuple[SequenceName, ...] = ("product",)
    contrast: SequenceName = "product"
    attention_weight: float = 0.4
    stretch_cut: bool = False
    stretch_contrast: bool = False
    thresholds: tuple[float, ...] | None = None
    num_thresholds: int = 19
    lowest_threshold: float = 0.05
    highest_threshold: float = 0.95
    upsampling: int = 4
    outer_ratio: float = 0.25
    min_margin: float = 0.0
    min_length: float = 0.0
    class_threshold: float = 0.003
    video_weight: float = 0.0
    video_power: float = 0.25
    min_score: float = 0.001
    max_proposals: int = 2000
    suppression: Literal["gaussian", "linear", "hard", "none"] = "gaussian"
    sigma: float = 0.3
    tiou: float = 0.45
    max_detections: int = 500

    def __post_init__(self) -> None:
        object.__setattr__(self, "cut", tuple(one_or_more("cut", self.cut)))
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", numbers("thresholds", self.thresholds))
        positive = ("num_thresholds", "upsampling", "sigma", "max_proposals", "max_detections")
        for name in positive:
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}.")
        unknown = {*self.cut, self.contrast} - set(get_args(SequenceName))
        if unknown:
            raise ValueError(f"`cut` and `contrast` name {min(unknown)!r}: give {', '.join(get_args(SequenceName))}.")
        if not self.cut or self.thresholds == ():
            raise ValueError("`cut` and `thresholds` need at least one entry.")
        if not 0 <= self.attention_weight <= 1:
            raise ValueError(f"`attention_weight` must lie in [0, 1], got {self.attention_weight}.")
        for name in ("outer_ratio", "video_power"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative, got {getattr(self, name)}.")

    @property
    def cuts(self) -> Floats:
        """The thresholds in use."""
        if self.thresholds is not None:
            return np.asarray(self.thresholds, dtype=float)
        return np.linspace(self.lowest_threshold, self.highest_threshold, self.num_thresholds)

    def __call__(self, scores: SnippetScores, video: Video) -> Detections:
        """Localize the actions of one video.

        Args:
            scores: Scores of its real snippets, without padding.
            video: The video, with its time grid and its duration (NaN if unknown).

        Returns:
            Detections, best first, within the bounds of the video.

        Raises:
            ValueError: If the shapes of the scores disagree, or there is no snippet.
        """
        probability, attention, video_score = (t.detach().cpu().double().numpy() for t in scores)
        if probability.shape != (len(attention), len(video_score)) or not probability.size:
            shapes = [tuple(t.shape) for t in scores]
            raise ValueError(f"Scores of video {video.video_id} must be (T, C), (T,) and (C,), got {shapes}.")
        labels = np.flatnonzero(video_score > self.class_threshold)
        if len(labels) == 0:
            labels = np.array([video_score.argmax()])
        sequences = self._sequences(probability[:, labels].T, attention)
        cut = np.stack([sequences[name] for name in self.cut])
        contrast = sequences[self.contrast]
        found = propose(
            stretch(cut) if self.stretch_cut else cut,
            stretch(contrast) if self.stretch_contrast else contrast,
            self.cuts,
            self.outer_ratio,
            max(1, round(self.min_margin * self.upsampling)),
            max(1, round(self.min_length * self.upsampling)),
        )
        spans = self._seconds(np.stack([found.start, found.end], axis=1), video)
        of_class = video_score[labels][found.row]
        relative = of_class / max(video_score.max(), np.finfo(float).tiny)
        score = (found.contrast + self.video_weight * of_class) * relative**self.video_power
        good = np.flatnonzero((score > self.min_score) & (spans[:, 1] > spans[:, 0]))
        good = good[best_of_each(score[good], found.row[good], self.max_proposals)]
        kept, score = self._suppress(spans[good], score[good], found.row[good])
        rows = good[kept]
        return Detections(
            start_s=torch.from_numpy(spans[rows, 0]),
            end_s=torch.from_numpy(spans[rows, 1]),
            label=torch.from_numpy(labels[found.row[rows]]),
            score=torch.from_numpy(score),
        )

    def _sequences(self, probability: Floats, attention: Floats) -> dict[SequenceName, Floats]:
        """The sequences in use for the classes ``(L, T)``, upsampled."""
        weight = self.attention_weight
        sequences: dict[SequenceName, Floats] = {
            "cas": probability,
            "attention": np.broadcast_to(attention, probability.shape),
            "product": probability ** (1 - weight) * attention**weight,
        }
        return {name: upsample(sequences[name], self.upsampling) for name in {*self.cut, self.contrast}}

    def _seconds(self, spans: Ints, video: Video) -> Floats:
        """Convert steps to seconds on the grid of the video, clipped to the video."""
        grid: TimeGrid = video.grid
        seconds = grid.edge_s(0) + spans * (grid.step_s / self.upsampling)
        return np.asarray(np.fmin(np.maximum(seconds, 0.0), video.duration_s))  # fmin ignores NaN

    def _suppress(self, spans: Floats, score: Floats, groups: Ints) -> tuple[Ints, Floats]:
        if self.suppression == "none":
            best = np.argsort(-score, kind="stable")[: self.max_detections]
            return best, score[best]
        if self.suppression == "hard":
            kept = nms(spans, score, groups, self.tiou, self.max_detections)
            return kept, score[kept]
        return soft_nms(
            spans, score, groups, self.suppression, self.sigma, self.tiou, self.min_score, self.max_detections
        )


def best_of_each(score: Floats, groups: Ints, count: int) -> Ints:
    """Rows of the best ``count`` of each group, in ascending order."""
    order = np.lexsort((-score, groups))
    ordered = groups[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return np.sort(order[rank < count])

"""Detections of a stream while it comes: written when their end has been seen, and never changed."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wtal.errors import ConfigError
from wtal.functional.segments import temporal_iou
from wtal.localization.localizer import Localizer
from wtal.types import SnippetScores, TimeGrid

__all__ = ["Emission", "OnlineLocalizer", "OnlineRules"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Emission(NamedTuple):
    """A detection, and when it was known."""

    start_s: float
    end_s: float
    label: int
    score: float
    emitted_s: float  # when the last frame that it depends on had come


@dataclass(frozen=True)
class OnlineRules:
    """When an instance of a class begins and ends.

    Args:
        levels: Values of a class's sequence above which there is an instance. With several levels, each finds instances
            of its own, as the thresholds of a :class:`~wtal.localization.localizer.Localizer` do.
        hysteresis: An instance ends where the sequence falls below this share of its level, in (0, 1].
        patience: Number of snippets in a row that must be below before the end counts as seen; a shorter gap is part of
            the instance.
        outer_ratio: Length of the margin whose mean is taken from the mean inside, as a share of the instance.
        tiou: A detection is not written if one of its class that was written before overlaps it by more than this.
        max_length: Number of snippets after which an instance is cut, as a stream may show an action for ever.
        min_score: Score below which a detection is not written.

    Raises:
        ConfigError: If a value is out of range.

    Source:
        Our choice, on the embedded benchmark of data seed 1; `experiments/online.md` measures it on that of seed 0.
    """

    levels: tuple[float, ...] = (0.2, 0.5)
    hysteresis: float = 0.4
    patience: int = 1
    outer_ratio: float = 1.0
    tiou: float = 0.3
    max_length: int = 512
    min_score: float = 0.001

    def __post_init__(self) -> None:
        if not self.levels or not all(0 < level < 1 for level in self.levels):
            raise ConfigError(f"`levels` must be numbers in (0, 1), got {self.levels}.")
        if not 0 < self.hysteresis <= 1:
            raise ConfigError(f"`hysteresis` must lie in (0, 1], got {self.hysteresis:g}.")
        for name in ("patience", "max_length"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1 snippet, got {getattr(self, name)}.")


class OnlineLocalizer:
    """Finds instances in running scores; what it keeps does not grow with the stream.

    The sequence of a class is that of a :class:`~wtal.localization.localizer.Localizer`, the weighted geometric mean of
    probability and actionness, times the class's relative probability in what was seen so far. The bounds of an
    instance are where the sequence, interpolated between the centres of snippets, crosses the lower threshold. The
    score is the mean inside minus the mean around, of which only the snippets since the instance before and those that
    were waited for are known.

    Args:
        class_count: Number of classes.
        grid: Time grid of the snippets.
        rules: When an instance begins and ends.
        like: Localizer whose weights of actionness and of the video are used.
        lag: Number of snippets by which scores come late, see :attr:`~wtal.nn.heads.Head.lag`; the bounds are put back
            by it.
    """

    def __init__(
        self,
        class_count: int,
        grid: TimeGrid,
        rules: OnlineRules = OnlineRules(),
        like: Localizer = Localizer(),  # noqa: B008  frozen
        lag: float = 0.0,
    ) -> None:
        self.grid, self.rules, self.like, self.lag = grid, rules, like, lag
        self._high = np.array(rules.levels)[:, None]  # (K, 1)
        self._low = self._high * rules.hysteresis
        shape = (len(rules.levels), class_count)
        self._begin = np.zeros(shape, int)  # first snippet since the sequence was low for long enough
        self._below = np.full(shape, rules.patience)  # snippets in a row that are low now; so is what was before
        self._is_open = np.zeros(shape, bool)  # whether the sequence was high since `_begin`
        self._free = np.zeros(shape, int)  # first snippet after the last instance
        self._count = 0  # snippets so far
        self._recent = np.zeros((0, class_count))  # the sequences of the last snippets
        self._written: list[Emission] = []  # of late
        self._keep = rules.max_length + max(1, round(rules.outer_ratio * rules.max_length)) + rules.patience + 2

    def push(self, scores: SnippetScores) -> list[Emission]:
        """Take the scores of the next snippets, and return the detections whose end has now been seen, in their order.

        Args:
            scores: As :class:`~wtal.collaboration.OnlineScorer` gives them: ``video`` has a row a snippet.
        """
        probability, attention, video = (part.detach().cpu().double().numpy() for part in scores)
        weight = self.like.attention_weight
        relative = video / np.maximum(video.max(axis=1, keepdims=True), np.finfo(float).tiny)
        sequence = probability ** (1 - weight) * attention[:, None] ** weight * relative**self.like.video_power
        return [emission for values in sequence for emission in self._step(values)]

    def finish(self) -> list[Emission]:
        """The instances that are open when a stream ends, each until the end or until it was last high."""
        return self._emit(self._is_open, at_end=True)

    def seen_s(self, count: int) -> float:
        """When the last frame of the first ``count`` snippets has come, in seconds."""
        return self.grid.offset_s + ((count - 1) * self.grid.stride + self.grid.window) / self.grid.fps

    def _step(self, values: Floats) -> list[Emission]:
        """One snippet, ``(C,)``."""
        self._recent = np.concatenate([self._recent, values[None]])[-self._keep :]
        self._count += 1
        low = values <= self._low
        self._below = np.where(low, self._below + 1, 0)
        ended = self._below >= self.rules.patience
        over = self._is_open & (ended | (self._count - self._begin >= self.rules.max_length))
        found = self._emit(over)
        self._begin[ended] = self._count
        self._is_open |= (values > self._high) & ~over  # a snippet belongs to one instance of a level
        half = self._count - self.rules.max_length // 2  # what hovers below its level must not begin too long ago
        self._begin = np.where(self._is_open, self._begin, np.maximum(self._begin, half))
        return found

    def _emit(self, which: NDArray[np.bool_], at_end: bool = False) -> list[Emission]:
        """Detections of the instances of some levels and classes, which are over then; the best one first."""
        if not which.any():
            return []
        level, label = np.nonzero(which)
        found = [self._emission(k, c, at_end) for k, c in zip(level.tolist(), label.tolist(), strict=True)]
        self._free[which] = (self._count - self._below)[which]
        self._begin[which], self._is_open[which] = self._count, False
        oldest_s = self.grid.edge_s(self._count - self._keep)
        self._written = [one for one in self._written if one.end_s > oldest_s]
        new: list[Emission] = []
        for one in sorted(found, key=lambda one: (-one.score, one.label, one.start_s)):
            if one.score > self.rules.min_score and one.end_s > one.start_s and not self._is_known(one):
                self._written.append(one)
                new.append(one)
        return new

    def _is_known(self, one: Emission) -> bool:
        same = [other[:2] for other in self._written if other.label == one.label]
        return bool(same) and temporal_iou(np.array([one[:2]]), np.array(same)).max() > self.rules.tiou

    def _emission(self, level: int, label: int, at_end: bool) -> Emission:
        begin, end = int(self._begin[level, label]), self._count - int(self._below[level, label])
        first = self._count - len(self._recent)  # snippet of the first row that is kept
        sequence, low = self._recent[:, label], float(self._low[level, 0])
        margin = max(1, round(self.rules.outer_ratio * (end - begin)))
        before = sequence[max(first, begin - margin, int(self._free[level, label])) - first : begin - first]
        around = np.concatenate([before, sequence[end - first : end - first + margin]])
        inside = sequence[begin - first : end - first].mean()
        start_s = self.grid.edge_s(begin + _crossing(sequence, begin - first, low) - self.lag)
        is_cut = at_end and end == self._count  # by the end of the stream
        end_s = self.grid.edge_s(end if is_cut else end + _crossing(sequence, end - first, low) - self.lag)
        emitted_s = self.seen_s(self._count)
        score = float(inside - around.mean()) if len(around) else float(inside)
        return Emission(max(start_s, 0.0), min(end_s, emitted_s), label, score, emitted_s)


def _crossing(sequence: Floats, place: int, low: float) -> float:
    """Where the sequence crosses a value between the centres of two snippets, from the edge before ``place``, in steps.

    >>> _crossing(np.array([0.0, 1.0]), 1, 0.5), _crossing(np.array([0.4, 0.6]), 1, 0.4), _crossing(np.ones(1), 0, 0.5)
    (0.0, -0.5, 0.0)
    """
    if not 0 < place < len(sequence):
        return 0.0
    left, right = float(sequence[place - 1]), float(sequence[place])
    if (left - low) * (right - low) > 0:  # an instance that was cut
        return 0.0
    return (low - left) / (right - left) - 0.5 if left != right else 0.0

"""Pseudo-instances: what a finished run finds in its training videos, chosen, merged and weighed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from wtal.errors import ConfigError
from wtal.functional.nms import nms
from wtal.functional.segments import temporal_iou
from wtal.localization.scored import VideoScores
from wtal.results.pseudo_instances import COLUMNS

__all__ = ["Selection", "candidates_of", "pseudo_instances", "selected", "selected_at_points"]

Floats = NDArray[np.float64]

_ALL = 1_000_000  # detections
_SAME = 0.5  # tIoU from which a candidate is an alternative to an instance
_LEAST_WEIGHT = 0.1


@dataclass(frozen=True)
class Selection:
    """Which candidates become pseudo-instances.

    Args:
        share: Least score of an instance, as a share of the best of its video and class.
        ignored: Candidates between this share and ``share`` are neither instances nor background.
        overlap: Temporal IoU from which the worse of two candidates of a class is dropped.
        contained: Share of the shorter of two candidates above which the worse is dropped, as actions of a class do not
            lie in each other: a candidate that joins two instances has a low IoU with each. 1 switches this off.

    Raises:
        ConfigError: If a number is out of range.

    Source:
        Relative scores because outer-inner contrast is not comparable between videos; votes as in FuSTAL,
            arXiv:2407.08971; the values are our choice, see ``experiments/student.md``.
    """

    share: float = 0.5
    ignored: float = 0.25
    overlap: float = 0.3
    contained: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.ignored <= self.share <= 1:
            raise ConfigError(
                f"`ignored` {self.ignored:g} and `share` {self.share:g} must lie in (0, 1], the first below the second."
            )
        for name in ("overlap", "contained"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` must lie in (0, 1], got {getattr(self, name):g}.")


class _Candidates(NamedTuple):
    spans: Floats  # (N, 2) seconds
    score: Floats  # (N,)


def candidates_of(seen: VideoScores, labels: Sequence[str]) -> dict[str, dict[str, _Candidates]]:
    """All candidates of a video before suppression, at all cuts.

    Args:
        seen: Scores of the video by source.
        labels: Its video-level labels; no other class is looked for.

    Returns:
        Candidates by class by source.
    """
    if not labels:
        return {source: {} for source in seen.sources}
    index = [list(seen.class_names).index(label) for label in labels]
    localizer = replace(seen.localizer, suppression="none", class_threshold=-1.0, max_detections=_ALL)
    found: dict[str, dict[str, _Candidates]] = {}
    for source, scores in seen.sources.items():
        some = localizer(scores.of_classes(torch.tensor(index)), seen.video)
        spans = np.stack([some.start_s.numpy(), some.end_s.numpy()], axis=1)
        score, place = some.score.numpy(), some.label.numpy()
        found[source] = {name: _Candidates(spans[place == i], score[place == i]) for i, name in enumerate(labels)}
    return found


def selected(candidates: Mapping[str, _Candidates], selection: Selection) -> list[tuple[float, ...]]:
    """Choose, merge and weigh the instances of one class in one video.

    The last source proposes; the others vote. Each instance gets the mean bounds of all candidates, of any source, that
    resemble it, weighted by their scores.

    Args:
        candidates: Candidates by source; the last source is the run's own answer.
        selection: What is chosen.

    Returns:
        Rows of start, end, score, weight, vote, spread and whether it is ignored, in the order of time.

    >>> own = _Candidates(np.array([[0.0, 4.0], [8.0, 9.0]]), np.array([0.8, 0.3]))
    >>> [tuple(map(float, row)) for row in selected({"fused": own}, Selection())]
    [(0.0, 4.0, 0.8, 1.0, 1.0, 0.0, 0.0), (8.0, 9.0, 0.3, 0.0, 1.0, 0.0, 1.0)]
    """
    *others, own = candidates.values()
    if not len(own.score):
        return []
    best = own.score.max()
    kept = nms(own.spans, own.score, tiou=selection.overlap)
    kept = kept[_apart(own.spans[kept], selection.contained)]
    relative = own.score[kept] / best
    sure, unsure = kept[relative >= selection.share], kept[relative >= selection.ignored]
    everything = _together(candidates)
    rows: list[tuple[float, ...]] = []
    for row in sure:
        span, spread = _merged(own.spans[row], everything)
        votes = [temporal_iou(own.spans[row][None], one.spans).max(initial=0) for one in others]
        vote = float(np.mean(votes)) if votes else 1.0
        weight = max(_LEAST_WEIGHT, own.score[row] / best * vote * np.exp(-2 * spread))
        rows.append((*span, own.score[row], weight, vote, spread, 0.0))
    taken = own.spans[sure]
    for row in unsure[len(sure) :]:
        if temporal_iou(own.spans[row][None], taken).max() == 0:
            rows.append((*own.spans[row], own.score[row], 0.0, 1.0, 0.0, 1.0))
    return sorted(rows)


def _apart(spans: Floats, share: float) -> list[int]:
    """Rows of the spans, best first, whose common part with no better kept one exceeds a share of the shorter of both.

    >>> _apart(np.array([[0.0, 4.0], [6.0, 9.0], [0.0, 9.0], [3.0, 5.0]]), 0.5)
    [0, 1, 3]
    """
    kept: list[int] = []
    for row, (start, end) in enumerate(spans):
        better = spans[kept]
        common = np.minimum(better[:, 1], end) - np.maximum(better[:, 0], start)
        shorter = np.minimum(better[:, 1] - better[:, 0], end - start)
        if not (common > share * shorter).any():
            kept.append(row)
    return kept


def _together(candidates: Mapping[str, _Candidates]) -> _Candidates:
    """The candidates of all sources, with scores relative to the best of each."""
    return _Candidates(
        np.concatenate([one.spans for one in candidates.values()]),
        np.concatenate([one.score / max(one.score.max(initial=0), 1e-9) for one in candidates.values()]),
    )


def _merged(span: Floats, candidates: _Candidates) -> tuple[Floats, float]:
    """Mean bounds of the candidates that resemble a span, and their deviation relative to its length."""
    alike = temporal_iou(span[None], candidates.spans)[0] > _SAME
    spans, weight = candidates.spans[alike], candidates.score[alike]
    if weight.sum() <= 0:
        return span, 0.0
    mean = np.average(spans, axis=0, weights=weight)
    deviation = np.sqrt(np.average((spans - mean) ** 2, axis=0, weights=weight))
    return mean, float(deviation.mean() / max(mean[1] - mean[0], 1e-9))


def selected_at_points(
    candidates: Mapping[str, _Candidates],
    times_s: Sequence[float],
    selection: Selection,
    complete: bool = True,
    others_s: Sequence[float] = (),
) -> list[tuple[float, ...]]:
    """Choose the instances of one class in one video around its points.

    The instance of a point is the best candidate of the last source that contains it and no other point of the class,
    with the mean bounds of all candidates of which the same is true and that resemble it. Where there is none, it is
    not known how far the instance reaches: the time from half-way to the neighbouring points is ignored.

    Args:
        candidates: _Candidates by source; the last source is the run's own answer.
        times_s: Times of the points of this class, in seconds.
        selection: What is chosen where there is no point, if the points are not complete.
        complete: Whether every instance has a point, so that there is no other one.
        others_s: Times of the points of other classes, which bound what is ignored.

    Returns:
        Rows as :func:`selected` returns them, in the order of time.

    Source:
        HR-Pro, arXiv:2308.12608, section 3.3, for the candidate; the mean and the votes as in :func:`selected`.

    >>> own = _Candidates(np.array([[0.0, 9.0], [1.0, 4.0], [6.0, 8.0]]), np.array([0.9, 0.5, 0.2]))
    >>> rows = selected_at_points({"fused": own}, [2.0, 7.0], Selection())
    >>> [tuple(map(float, row[:2])) for row in rows]  # the first candidate contains both points
    [(1.0, 4.0), (6.0, 8.0)]
    """
    points = np.sort(np.asarray(times_s, float))
    every = np.sort(np.concatenate([points, np.asarray(others_s, float)]))
    rows: list[tuple[float, ...]] = []
    for point in points:
        around = {source: _around(one, point, points) for source, one in candidates.items()}
        *others, own = around.values()
        if not len(own.score):
            rows.append((*_half_way(point, every), 0.0, 0.0, 1.0, 0.0, 1.0))
            continue
        best = own.score.argmax()
        span, spread = _merged(own.spans[best], _together(around))
        votes = [temporal_iou(own.spans[best][None], one.spans).max(initial=0) for one in others]
        vote = float(np.mean(votes)) if votes else 1.0
        weight = max(_LEAST_WEIGHT, vote * np.exp(-2 * spread))
        rows.append((*span, own.score[best], weight, vote, spread, 0.0))
    if not complete:
        taken = np.array([row[:2] for row in rows]).reshape(-1, 2)
        more = selected(candidates, selection)
        rows += [row for row in more if temporal_iou(np.array([row[:2]]), taken).max(initial=0) == 0]
    return sorted(rows)


def _around(one: _Candidates, point: float, points: Floats) -> _Candidates:
    """The candidates that contain a point and no other."""
    start, end = one.spans[:, :1], one.spans[:, 1:]
    count = ((start <= points) & (points <= end)).sum(axis=1)
    kept = (count == (points == point).sum()) & (start[:, 0] <= point) & (point <= end[:, 0])
    return _Candidates(one.spans[kept], one.score[kept])


def _half_way(point: float, points: Floats) -> tuple[float, float]:
    """From half-way to the point before to half-way to the next; twice the distance to one where the other lacks."""
    before, after = points[points < point], points[points > point]
    left = (point - before[-1]) / 2 if len(before) else np.inf
    right = (after[0] - point) / 2 if len(after) else np.inf
    known = min(left, right)
    known = known if np.isfinite(known) else 1.0
    left, right = (side if np.isfinite(side) else known for side in (left, right))
    return max(point - left, 0.0), point + right


def pseudo_instances(
    scores: Mapping[str, VideoScores],
    labels: Mapping[str, Sequence[str]],
    selection: Selection = Selection(),
    points: Mapping[str, Sequence[tuple[str, float]]] | None = None,
    complete: bool = True,
) -> pd.DataFrame:
    """Pseudo-instances of scored videos.

    Args:
        scores: Scores by name of the video.
        labels: Video-level labels by name of the video.
        selection: What is chosen.
        points: Class and time of the points of each video that has any.
        complete: Whether every instance of such a video has a point.

    Returns:
        One row per instance, with the columns of :data:`~wtal.results.pseudo_instances.COLUMNS`.
    """
    rows = []
    for name, seen in scores.items():
        clicked = (points or {}).get(name, ())
        classes = list(dict.fromkeys([*labels[name], *(label for label, _ in clicked)]))
        found = candidates_of(seen, classes)
        for label in classes:
            of_class = {source: by_class[label] for source, by_class in found.items()}
            own, others = ([time_s for of, time_s in clicked if (of == label) is same] for same in (True, False))
            if clicked:
                chosen = selected_at_points(of_class, own, selection, complete, others)
            else:
                chosen = selected(of_class, selection)
            rows += [(name, label, *row) for row in chosen]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[2:], float))

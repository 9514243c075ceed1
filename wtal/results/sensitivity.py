"""How much depends on thresholds: where the localizer cuts, and how sure a teacher must be; nothing is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from wtal.metrics.rule_sets import RULE_SETS
from wtal.metrics.rule_sets import evaluate as score_of
from wtal.results.ground_truth import GroundTruth, detection_rows
from wtal.results.predictions import as_table

if TYPE_CHECKING:
    from wtal.localization.localizer import Localizer
    from wtal.localization.scored import VideoScores

__all__ = ["CutCurve", "TeacherCurve", "cut_curves"]

Floats = NDArray[np.float64]
_CUTS = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True)
class CutCurve:
    """Mean average precision of a source when the localizer cuts at one threshold only.

    Args:
        source: Name of the source.
        cuts: The thresholds, ``(K,)``.
        values: Fractions for each of ``R`` runs, ``(R, K)``.
        own: Fractions with all thresholds of the model's own localizer, ``(R,)``.
    """

    source: str
    cuts: Floats
    values: Floats
    own: Floats


@dataclass(frozen=True)
class TeacherCurve:
    """What a teacher would label if its threshold were different.

    Args:
        teacher: Name of the branch.
        kind: Kind of label.
        thresholds: Thresholds of the foreground score, ``(K,)``.
        right: Share of the labelled snippets whose label is correct, ``(R, K)``; NaN where none is labelled.
        share: Share of all snippets that are labelled, ``(R, K)``.
        used: The threshold used in training.
    """

    teacher: str
    kind: Literal["foreground", "background"]
    thresholds: Floats
    right: Floats
    share: Floats
    used: float


def cut_curves(
    scores: Sequence[Mapping[str, "VideoScores"]], truth: GroundTruth, tious: Sequence[float]
) -> list[CutCurve]:
    """Compute one curve per source.

    Args:
        scores: Scores of each run, by video.
        truth: Ground truth of these videos.
        tious: Thresholds of temporal IoU over which average precision is averaged.
    """
    curves = []
    for source in next(iter(scores[0].values())).sources:
        own, values = [], []
        for of_run in scores:
            localizer = next(iter(of_run.values())).localizer
            own.append(_mean_map(of_run, source, localizer, truth, tious))
            cuts = (replace(localizer, thresholds=(cut,)) for cut in _CUTS.tolist())
            values.append([_mean_map(of_run, source, cut, truth, tious) for cut in cuts])
        curves.append(CutCurve(source, _CUTS, np.array(values), np.array(own)))
    return curves


def _mean_map(
    scores: Mapping[str, "VideoScores"], source: str, localizer: "Localizer", truth: GroundTruth, tious: Sequence[float]
) -> float:
    found = {name: one.detections(source, localizer) for name, one in scores.items()}
    table = as_table(found, next(iter(scores.values())).class_names)
    if table.empty:
        return 0.0
    rules = replace(RULE_SETS["activitynet-official"], unknown_labels="ignore")
    score = score_of(detection_rows(table, truth)[0], truth.segments, tious, rules, truth.ambiguous)
    return float(score.precision.mean.mean())

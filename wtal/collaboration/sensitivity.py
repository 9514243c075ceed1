"""What teachers would label with other thresholds; nothing is trained."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from wtal.collaboration.module import CollaborationModule
from wtal.collaboration.pseudo_labels import foreground_score
from wtal.localization.scored import VideoScores
from wtal.results.sensitivity import TeacherCurve
from wtal.types import SnippetScores

__all__ = ["teacher_curves"]

Floats = NDArray[np.float64]
_FOREGROUND, _BACKGROUND = np.linspace(0.4, 0.95, 12), np.linspace(0.02, 0.6, 12)


def teacher_curves(
    models: Sequence[CollaborationModule],
    scores: Sequence[Mapping[str, VideoScores]],
    segments: pd.DataFrame,
    labels: Mapping[str, Sequence[str]],
) -> Iterator[TeacherCurve]:
    """For each kind of label, one curve per teacher.

    Args:
        models: Model of each run.
        scores: Scores of each run by video.
        segments: Ground truth of the videos: ``video_id``, ``start_s``, ``end_s``.
        labels: Names of the classes in each video.
    """
    kinds: dict[Literal["foreground", "background"], tuple[str, Floats, int]]
    kinds = {"foreground": ("high", _FOREGROUND, 1), "background": ("low", _BACKGROUND, -1)}
    for kind, (bound, thresholds, sign) in kinds.items():
        for teacher in models[0].branches:
            right, share = [], []
            for model, of_run in zip(models, scores, strict=True):
                agreed = any(lesson.agreed for lesson in model.lessons if lesson.teacher == teacher)
                source = model.sources[-1] if agreed else teacher
                score, inside = _foreground(of_run, source, segments, labels)
                sure = sign * score > sign * thresholds[:, None]  # (K, S)
                with np.errstate(invalid="ignore"):  # 0 / 0 where the teacher is confident about no snippet
                    right.append((sure & (inside == (sign > 0))).sum(axis=1) / sure.sum(axis=1))
                share.append(sure.mean(axis=1))
            used = float(getattr(models[0].thresholds[teacher], bound))
            yield TeacherCurve(teacher, kind, thresholds, np.stack(right), np.stack(share), used)


def _foreground(
    scores: Mapping[str, VideoScores], source: str, segments: pd.DataFrame, labels: Mapping[str, Sequence[str]]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Foreground scores of all snippets of all videos, ``(S,)``, and which of them lie in an instance."""
    score, inside = [], []
    for name, one in scores.items():
        batch = SnippetScores(*(column[None] for column in one.sources[source]))
        multi_hot = torch.tensor([[float(label in labels[name]) for label in one.class_names]])
        mask = torch.ones(1, one.video.num_snippets, dtype=torch.bool)
        score.append(foreground_score(batch, multi_hot, mask)[0].numpy())
        spans = segments.loc[segments["video_id"] == name, ["start_s", "end_s"]].to_numpy(float)
        within = (spans[:, :1] <= one.times_s) & (one.times_s < spans[:, 1:])
        inside.append(within.any(axis=0))
    return np.concatenate(score), np.concatenate(inside)

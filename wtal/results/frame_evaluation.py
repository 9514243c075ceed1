"""Evaluation of scores of frames by the rules of public evaluators of anomaly detection."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtal._version import __version__
from wtal.data.anomaly_truth import AnnotatedVideo
from wtal.errors import PredictionError
from wtal.io.text import counted
from wtal.metrics.fine_grained import FINE_TIOUS, fine_grained_map
from wtal.metrics.frame_scores import FrameRules, FrameScore, VideoFrames, frame_mask, frame_score
from wtal.results.frame_scores import FramePredictions
from wtal.results.frame_truth import FrameTruth, length_problem, missing_videos
from wtal.results.tables import percent, print_table, save_tables

__all__ = ["FrameEvaluation", "evaluate_frames", "save_frame_evaluations", "show_frame_evaluations"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FrameEvaluation:
    """The measures of one set of frame scores, and how they were computed.

    Args:
        label: Name of the set in tables.
        path: File or folder of the scores.
        truth: Ground truth that they were measured against.
        rules: Rules of the evaluator.
        score: The areas.
        fine: Fine-grained mAP at each tIoU, ``(K,)``; None where only one score a frame is known.
        notes: Remarks for the reader.
    """

    label: str
    path: Path
    truth: FrameTruth
    rules: FrameRules
    score: FrameScore
    fine: Floats | None
    notes: tuple[str, ...]

    @property
    def measures(self) -> dict[str, float]:
        """Fractions by the titles of their columns."""
        areas = {"AUC": self.score.auc, self.rules.precision_name: self.score.precision}
        areas["AUC of abnormal videos"] = self.score.auc_abnormal
        if self.fine is None:
            return areas
        fine = {f"mAP@{tiou:g}": float(value) for tiou, value in zip(FINE_TIOUS, self.fine, strict=True)}
        return areas | fine | {"mAP@0.1:0.5": float(np.mean(self.fine))}

    @property
    def per_class(self) -> dict[str, float]:
        """Area under the ROC of the videos of each kind of anomaly."""
        return {self.truth.class_names[label]: value for label, value in self.score.auc_of_label.items()}

    def as_json(self) -> dict[str, Any]:
        """Everything in plain values, with fractions in [0, 1]; None for what is not defined."""
        return {
            "predictions": str(self.path),
            "annotations": str(self.truth.path),
            "protocol": self.rules.name,
            "rules": asdict(self.rules),
            "videos": len(self.truth.videos),
            "frames": self.score.frames,
            "abnormal frames": self.score.abnormal,
            "measures": {name: _plain(value) for name, value in self.measures.items()},
            "AUC per class": {name: _plain(value) for name, value in self.per_class.items()},
            "notes": list(self.notes),
            "wtal": __version__,
        }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value


def evaluate_frames(found: FramePredictions, label: str, truth: FrameTruth, rules: FrameRules) -> FrameEvaluation:
    """Measure one set of scores; a score counts for all frames that it stands for.

    Args:
        found: The scores.
        label: Name of the set.
        truth: Ground truth to measure against.
        rules: Rules of the evaluator.

    Raises:
        PredictionError: If a tested video has no score, or scores and truth of one differ in length by more than the
            rounding to whole snippets: the video and the probable reason are named.
    """
    lacking = missing_videos(truth, found.scores)
    if lacking:
        raise PredictionError(
            f"{found.path}: {lacking}; score them, or give the list of the scored ones in `--video_list`."
        )
    numbers = {name: number for number, name in enumerate(truth.class_names)}
    videos = [_frames(found, video, numbers, rules) for video in truth.videos.values()]
    segments = [
        [row, numbers[one.kind], one.first, one.last + rules.last_frame]
        for row, video in enumerate(truth.videos.values())
        for one in video.intervals
    ]
    fine, notes = _fine(found, truth, segments, rules)
    adjusted = sum(
        known.frames not in (None, len(video.score)) for known, video in zip(truth.videos.values(), videos, strict=True)
    )
    unused = len(found.scores.keys() - truth.videos.keys())
    notes += [f"{counted(unused, 'video')} with scores are not in the list and do not count."] * bool(unused)
    notes += [f"The truth of {counted(adjusted, 'video')} was cut or continued to whole snippets."] * bool(adjusted)
    return FrameEvaluation(label, found.path, truth, rules, frame_score(videos, rules), fine, (*truth.notes, *notes))


def _frames(
    found: FramePredictions, video: AnnotatedVideo, numbers: Mapping[str, int], rules: FrameRules
) -> VideoFrames:
    """Scores and truth of the frames of a video.

    Raises:
        PredictionError: If they differ in length by more than rounding.
    """
    score = np.repeat(found.scores[video.video_id], found.step)
    problem = length_problem(video, len(score), found.step)
    if problem:
        raise PredictionError(f"{found.path}: video {video.video_id}: {problem}.")
    mask = frame_mask([(one.first, one.last) for one in video.intervals], len(score), rules.last_frame)
    if video.frames is not None and 0 < video.frames < len(score):
        mask[video.frames :] = mask[video.frames - 1]  # as RTFM does on ShanghaiTech
    return VideoFrames(score, mask, tuple(numbers[kind] for kind in video.kinds))


def _fine(
    found: FramePredictions, truth: FrameTruth, segments: Sequence[Sequence[float]], rules: FrameRules
) -> tuple[Floats | None, list[str]]:
    """The fine-grained mAP, and notes; None without a probability of each kind."""
    wide = [found.probabilities[name] for name in truth.videos if name in found.probabilities]
    if not wide:
        return None, []
    names = found.class_names or truth.class_names
    if wide[0].shape[1] != 1 + len(names):
        return None, [
            f"The scores have {wide[0].shape[1]} columns, not one for normal and one for each of the {len(names)} "
            f"kinds ({', '.join(names)}): only the first one is used, and there is no fine-grained mAP."
        ]
    place = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(truth.class_names) - set(names))
    if unknown:
        raise PredictionError(f"{found.path} has no probability of the kind {unknown[0]!r}, which is annotated.")
    rows = [[video, place[truth.class_names[int(kind)]], start, end] for video, kind, start, end in segments]
    table = np.array(rows, dtype=float).reshape(-1, 4)
    return fine_grained_map([np.repeat(one, found.step, axis=0) for one in wide], table, rules), []


# Output -------------------------------------------------------------------------------------------------------------


def _caption(result: FrameEvaluation) -> str:
    truth, score = result.truth, result.score
    abnormal = sum(bool(video.kinds) for video in truth.videos.values())
    return (
        f"protocol {result.rules.name}; {truth.path.name}: {counted(len(truth.videos), 'video')}, {abnormal} of them "
        f"abnormal; {score.frames} frames, {score.abnormal} of them abnormal; in %"
    )


def _summary(results: Sequence[FrameEvaluation]) -> pd.DataFrame:
    """One row per set of scores, as fractions."""
    return pd.DataFrame.from_dict({result.label: result.measures for result in results}, orient="index").rename_axis(
        "scores"
    )


def _by_class(results: Sequence[FrameEvaluation]) -> pd.DataFrame:
    """One row per kind of anomaly, one column per set."""
    return pd.DataFrame({result.label: result.per_class for result in results}).rename_axis("AUC of the videos of")


def show_frame_evaluations(results: Sequence[FrameEvaluation], per_class: bool = False) -> None:
    """Print one row per set of scores, the table of kinds if asked for, and all notes."""
    print_table(percent(_summary(results)), _caption(results[0]))
    if per_class:
        print_table(percent(_by_class(results)), _caption(results[0]))
    for note in _notes(results):
        print(note)


def _notes(results: Sequence[FrameEvaluation]) -> list[str]:
    return [f"{result.label}: {note}" for result in results for note in result.notes]


def save_frame_evaluations(results: Sequence[FrameEvaluation], output: Path, per_class: bool = False) -> None:
    """Write fractions as ``.json`` or ``.csv``, or percentages as ``.md``, depending on the file extension."""
    summary, by_class = _summary(results), _by_class(results)
    shown = [percent(summary), percent(by_class)] if per_class else [percent(summary)]
    records = [result.as_json() for result in results]
    save_tables(output, records, by_class if per_class else summary, shown, _caption(results[0]), _notes(results))

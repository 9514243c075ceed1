"""Measuring sets of files for ``wtal evaluate``: detections, detections of streams, scores of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wtal.data.anomaly_lists import read_video_list
from wtal.errors import ConfigError
from wtal.metrics.frame_scores import FRAME_RULE_SETS
from wtal.metrics.rule_names import FrameRulesName, RuleSetName
from wtal.metrics.rule_sets import RULE_SETS
from wtal.results.evaluation import evaluate_file, labels_of, save_evaluations, show_evaluations
from wtal.results.frame_evaluation import evaluate_frames, save_frame_evaluations, show_frame_evaluations
from wtal.results.frame_scores import read_frame_scores
from wtal.results.frame_truth import load_frame_truth
from wtal.results.ground_truth import GroundTruth
from wtal.results.online_evaluation import evaluate_online, save_online_evaluations, show_online_evaluations
from wtal.results.sets import each_scores, rules_for, truth_of_runs

__all__ = ["Report", "measure_detections", "measure_emissions", "measure_frames"]


@dataclass(frozen=True)
class Report:
    """What is done with the numbers.

    Args:
        output: File that they are written to, beside being printed; None for none.
        per_class: Whether those of each class are told, too.
    """

    output: Path | None = None
    per_class: bool = False


def measure_detections(
    sets: Sequence[Path],
    names: Sequence[str],
    truth: GroundTruth,
    tious: Sequence[float],
    protocol: RuleSetName,
    report: Report,
) -> None:
    """Measure detections.

    Args:
        sets: One file or folder a set.
        names: Names of the sets, or none.
        truth: The instances.
        tious: Thresholds of temporal IoU.
        protocol: Name of the rules.
        report: What is done with the numbers.

    Raises:
        ConfigError: If the names do not fit the sets.
        PredictionError: If a file is unreadable or does not fit the truth.
    """
    rules = RULE_SETS[protocol]
    results = [
        evaluate_file(path, label, truth, rules_for(path, rules), tuple(tious))
        for path, label in zip(sets, labels_of(sets, names), strict=True)
    ]
    if report.output is not None:
        save_evaluations(results, report.output, report.per_class)
    show_evaluations(results, report.per_class)


def measure_emissions(
    sets: Sequence[Path],
    names: Sequence[str],
    truth: GroundTruth,
    tious: Sequence[float],
    protocol: str | None,
    report: Report,
) -> None:
    """Measure detections of streams by the time at which they were known; see :func:`measure_detections`.

    Raises:
        ConfigError: If rules are chosen that do not know when a detection was made.
        PredictionError: If a file does not say it.
    """
    if protocol is not None:
        raise ConfigError(f"--protocol {protocol} knows no time of emission: leave it out with --online.")
    labels = labels_of(sets, names)
    results = [evaluate_online(path, label, truth, tious) for path, label in zip(sets, labels, strict=True)]
    if report.output is not None:
        save_online_evaluations(results, report.output, report.per_class)
    show_online_evaluations(results, report.per_class)


def measure_frames(
    predictions: Sequence[Path],
    annotations: Path | None,
    video_list: Path | None,
    frames_per_score: int,
    protocol: FrameRulesName,
    names: Sequence[str],
    fps: float | None,
    report: Report,
) -> None:
    """Measure scores of frames.

    Args:
        predictions: Files or folders of scores, or runs.
        annotations: Ground truth; None for that of the runs.
        video_list: List of the videos, or None.
        frames_per_score: Frames that one score stands for.
        protocol: Name of the rules.
        names: Names of the sets, or none.
        fps: Frame rate of the videos, or None for that of the scores.
        report: What is done with the numbers.

    Raises:
        ConfigError: If a score stands for no frame.
        WTALError: If a file is unreadable or does not fit the others.
    """
    rules = FRAME_RULE_SETS[protocol]
    if frames_per_score < 1:
        raise ConfigError(f"--frames_per_score is {frames_per_score}: a score stands for 1 frame or more.")
    sets = each_scores(predictions)
    listed = None if video_list is None else read_video_list(video_list)
    truth_path = annotations or truth_of_runs(sets)
    results = []
    for path, label in zip(sets, labels_of(sets, names), strict=True):
        found = read_frame_scores(path, frames_per_score, listed)
        truth = load_frame_truth(truth_path, found.scores, listed, found.fps if fps is None else fps)
        results.append(evaluate_frames(found, label, truth, rules))
    if report.output is not None:
        save_frame_evaluations(results, report.output, report.per_class)
    show_frame_evaluations(results, report.per_class)

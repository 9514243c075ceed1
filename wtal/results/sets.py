"""Sets of predictions to measure: files, folders of parts, and what runs have left."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wtal.errors import ConfigError, PredictionError
from wtal.metrics.rule_sets import RuleSet
from wtal.results.record import read_about
from wtal.results.run_folder import RunFolder

__all__ = ["each_scores", "each_set", "rules_for", "thresholds_of_runs", "truth_of_runs"]


def each_set(given: Sequence[Path]) -> list[Path]:
    """One path per set: the folder of a run, or its ``predictions``, holds one set per source.

    Any other folder holds the parts of one set, see :func:`~wtal.results.predictions.read_predictions`.

    Raises:
        PredictionError: If a run has no predictions.
    """
    return _each(given, "predictions", RunFolder.predictions_of)


def each_scores(given: Sequence[Path]) -> list[Path]:
    """One path per set of frame scores: the folder of a run, or its ``scores``, holds one set per source.

    Raises:
        PredictionError: If a run has no scores.
    """
    return _each(given, "scores", RunFolder.scores_of)


def _each(given: Sequence[Path], what: str, of: Callable[[RunFolder, str], Path]) -> list[Path]:
    paths: list[Path] = []
    for path in map(Path, given):
        run = _run_of(path) if path.is_dir() else None
        found = [path] if run is None else [file for source in run.sources if (file := of(run, source)).is_file()]
        if not found:
            raise PredictionError(f"{run} has no {what}: make them with `wtal test` or `wtal predict`.")
        paths += found
    return paths


def truth_of_runs(paths: Sequence[Path]) -> Path:
    """The ground truth that the runs of all sets have left.

    Raises:
        ConfigError: If a set belongs to no run with segments, or if the runs were measured on different ones.
    """
    files = []
    for path in paths:
        run = _run_of(path.parent)
        if run is None or not run.ground_truth.is_file():
            raise ConfigError(f"{path} comes with no ground truth: give it in `--annotations`.")
        files.append(run.ground_truth)
    other = next((file for file in files if file.read_bytes() != files[0].read_bytes()), None)
    if other is not None:
        raise ConfigError(f"{files[0]} and {other} differ: choose the ground truth in `--annotations`.")
    return files[0]


def thresholds_of_runs(paths: Sequence[Path]) -> tuple[float, ...]:
    """The thresholds of the first run's benchmark; none if it does not state them."""
    run = _run_of(paths[0].parent)
    return read_about(run.about).tious if run is not None and run.about.is_file() else ()


def rules_for(path: Path, rules: RuleSet) -> RuleSet:
    """The rules for a set: predictions of a run are measured as by ``wtal test``, which refuses no label."""
    return rules if _run_of(path.parent) is None else replace(rules, unknown_labels="ignore")


def _run_of(folder: Path) -> RunFolder | None:
    """The run whose own folder, or folder of predictions, this is; None for any other folder."""
    for run in (RunFolder(folder), RunFolder(folder.parent)):
        if folder in (run.path, run.predictions, run.scores) and (run.about.is_file() or run.ground_truth.is_file()):
            return run
    return None

"""Evaluation of prediction files against annotations, by the rules of public evaluators."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wtal._version import __version__
from wtal.errors import AnnotationError, ConfigError
from wtal.io.text import counted
from wtal.metrics.rule_sets import RuleSet, Score
from wtal.metrics.rule_sets import evaluate as score_of
from wtal.results.ground_truth import GroundTruth, detection_rows
from wtal.results.predictions import read_predictions
from wtal.results.run_folder import RunFolder
from wtal.results.tables import percent, print_table, save_tables

__all__ = ["Evaluation", "evaluate_file", "labels_of", "save_evaluations", "show_evaluations"]

_USUAL_RANGES = ((0.1, 0.5), (0.3, 0.7), (0.1, 0.7), (0.1, 0.9), (0.5, 0.95))


@dataclass(frozen=True)
class Evaluation:
    """The scores of one set of predictions, and how they were computed.

    Args:
        label: Name of the predictions in tables.
        path: File or folder of the predictions.
        truth: Ground truth that they were measured against.
        rules: Rules of the evaluator.
        tious: Thresholds of temporal IoU, ``K``.
        score: The scores.
        notes: Remarks for the reader.
    """

    label: str
    path: Path
    truth: GroundTruth
    rules: RuleSet
    tious: tuple[float, ...]
    score: Score
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """Fractions: one row per class and ``mean``; one column per threshold and per usual range of thresholds."""
        precision = self.score.precision
        names = [self.truth.class_names[label] for label in precision.labels]
        values = np.vstack([precision.values, precision.mean])
        table = pd.DataFrame(values, index=[*names, "mean"], columns=[f"{tiou:g}" for tiou in self.tious])
        for low, high in _ranges(self.tious):
            among = [place for place, tiou in enumerate(self.tious) if low - 1e-9 <= tiou <= high + 1e-9]
            table[f"{low:g}:{high:g}"] = values[:, among].mean(axis=1)
        return table.rename_axis("class")

    @property
    def recall(self) -> dict[str, dict[str, float]]:
        """The recall by multiple of the number of instances, then by threshold; empty if the rules include none."""
        columns = zip(self.rules.recall_multiples, self.score.recall.T, strict=True)
        return {f"{multiple}x": _by_tiou(self.tious, column) for multiple, column in columns}

    def as_json(self) -> dict[str, Any]:
        """Everything in plain values, with fractions in [0, 1]."""
        table, score = self.table, self.score
        thresholds = len(self.tious)
        return {
            "predictions": str(self.path),
            "annotations": str(self.truth.path),
            "subset": self.truth.name,
            "protocol": self.rules.name,
            "rules": asdict(self.rules),
            "videos": len(self.truth.video_ids),
            "classes": len(table) - 1,
            "instances": score.instances,
            "detections": score.detections,
            "dropped": {
                "empty instances": score.empty,
                "repeated instances": score.repeated,
                "ambiguous detections": score.ambiguous,
            },
            "notes": list(self.notes),
            "tious": list(self.tious),
            "mAP": table.iloc[-1, :thresholds].to_dict(),
            "average": table.iloc[-1, thresholds:].to_dict(),
            "recall": self.recall,
            "per_class": table.iloc[:-1, :thresholds].to_dict("index"),
            "wtal": __version__,
        }


def _by_tiou(tious: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    return {f"{tiou:g}": float(value) for tiou, value in zip(tious, values, strict=True)}


def _ranges(tious: Sequence[float]) -> list[tuple[float, float]]:
    """The usual ranges whose ends are both thresholds, and the range of all thresholds."""
    known = {f"{tiou:g}" for tiou in tious}
    ranges = [pair for pair in _USUAL_RANGES if {f"{end:g}" for end in pair} <= known]
    whole = (min(tious), max(tious))
    if all(f"{low:g}:{high:g}" != f"{whole[0]:g}:{whole[1]:g}" for low, high in ranges):
        ranges.append(whole)
    return ranges


def labels_of(predictions: Sequence[Path], names: Sequence[str]) -> list[str]:
    """Name sets of predictions: as given, or by file name, with the folder in front where file names are equal.

    Raises:
        ConfigError: If the numbers of names and sets differ, or two sets have the same name.

    >>> labels_of([Path("a/fused.json"), Path("b/fused.json"), Path("vlp.json")], [])
    ['a/fused', 'b/fused', 'vlp']
    """
    if names and len(names) != len(predictions):
        raise ConfigError(f"--names gives {len(names)} names for {len(predictions)} sets of predictions.")
    stems = [path.stem if path.suffix else path.name for path in predictions]
    pairs = zip(predictions, stems, strict=True)
    longer = [f"{_above(path)}/{stem}" if stems.count(stem) > 1 else stem for path, stem in pairs]
    labels = list(names) or longer
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise ConfigError(f"{len(twice)} sets of predictions are named {twice[0]}: distinguish them with --names.")
    return labels


def _above(path: Path) -> str:
    """The folder of a file; of a run's predictions, the run's name and version."""
    above = path.absolute().parent
    is_of_run = above == RunFolder(above.parent).predictions
    return f"{above.parents[1].name} {above.parent.name}" if is_of_run else above.name


def evaluate_file(path: Path, label: str, truth: GroundTruth, rules: RuleSet, tious: Sequence[float]) -> Evaluation:
    """Measure one set of predictions.

    Args:
        path: A file, or a folder of files that are parts of one set.
        label: Name of the set.
        truth: Ground truth to measure against.
        rules: Rules of the evaluator.
        tious: Thresholds of temporal IoU.

    Raises:
        PredictionError: If the set is unreadable, or the rules refuse one of its labels.
        AnnotationError: If the rules leave out all instances.
    """
    rows, notes = detection_rows(read_predictions(path), truth, rules.unknown_labels)
    score = score_of(rows, truth.segments, tious, rules, truth.ambiguous)
    if not score.instances:
        raise AnnotationError(
            f"{truth.path} has no instance in {truth.name} that {rules.name} counts, as each ends where it starts: "
            "correct their times."
        )
    notes = [f"{score.detections} detections.", *truth.notes, *notes]
    if score.empty or score.repeated:
        notes.append(
            f"{score.empty} instances that end where they start and {score.repeated} repeated instances were left out, "
            f"as {rules.name} does."
        )
    if rules.drop_ambiguous:
        notes.append(
            f"{score.ambiguous} detections meet ambiguous segments and were left out."
            if len(truth.ambiguous)
            else f"{rules.name} leaves out detections that meet ambiguous segments, but none are known: give them with "
            "--ambiguous if the data set has any."
        )
    return Evaluation(label, path, truth, rules, tuple(tious), score, tuple(notes))


# Output -------------------------------------------------------------------------------------------------------------


def _caption(result: Evaluation) -> str:
    truth, score = result.truth, result.score
    return (
        f"protocol {result.rules.name}; {truth.path.name}, {truth.name}: {counted(len(truth.video_ids), 'video')}, "
        f"{score.instances} instances of {len(score.precision.labels)} classes; mAP in %"
    )


def _summary(results: Sequence[Evaluation]) -> pd.DataFrame:
    """One row per set of predictions, in percent."""
    rows = pd.concat([result.table.loc[["mean"]] for result in results]).pipe(percent)
    rows.index = pd.Index([result.label for result in results], name="predictions")
    for multiple in results[0].recall:
        for result in results:
            mean = np.mean(list(result.recall[multiple].values()))
            rows.loc[result.label, f"recall {multiple}"] = f"{100 * mean:.2f}"
    return rows


def show_evaluations(results: Sequence[Evaluation], per_class: bool = False) -> None:
    """Print one row per set of predictions, the tables of classes if asked for, and all notes."""
    print_table(_summary(results), _caption(results[0]))
    for result in results if per_class else ():
        print_table(percent(result.table.iloc[:-1]).rename_axis(result.label), _caption(result))
    for note in _notes(results):
        print(note)


def _notes(results: Sequence[Evaluation]) -> list[str]:
    return [f"{result.label}: {note}" for result in results for note in result.notes]


def save_evaluations(results: Sequence[Evaluation], output: Path, per_class: bool = False) -> None:
    """Write fractions as ``.json`` or ``.csv``, or percentages as ``.md``, depending on the file extension."""
    parts = [result.table if per_class else result.table.loc[["mean"]] for result in results]
    fractions = pd.concat(parts, keys=[result.label for result in results], names=["predictions"])
    by_class = [percent(r.table.iloc[:-1]).rename_axis(r.label) for r in results] if per_class else []
    records = [result.as_json() for result in results]
    save_tables(output, records, fractions, [_summary(results), *by_class], _caption(results[0]), _notes(results))

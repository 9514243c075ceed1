"""Evaluation of detections of streams by the time at which they were known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wtal._version import __version__
from wtal.errors import PredictionError
from wtal.io.text import counted
from wtal.metrics.online import OnlineScore, online_score
from wtal.results.emissions import read_emission_times
from wtal.results.ground_truth import GroundTruth, detection_rows
from wtal.results.predictions import read_predictions
from wtal.results.tables import percent, print_table, save_tables

__all__ = ["OnlineEvaluation", "evaluate_online", "save_online_evaluations", "show_online_evaluations"]


@dataclass(frozen=True)
class OnlineEvaluation:
    """The scores of one set of detections of streams.

    Args:
        label: Name of the set in tables.
        path: Its file.
        truth: Ground truth that it was measured against.
        tious: Thresholds of temporal IoU, ``K``.
        score: The scores.
        notes: Remarks for the reader.
    """

    label: str
    path: Path
    truth: GroundTruth
    tious: tuple[float, ...]
    score: OnlineScore
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """``mAP`` as fractions and ``delay s`` by threshold, and the mean of each over the thresholds."""
        rows = np.stack([self.score.precision.mean, self.score.delay_s])
        columns = [*(f"{tiou:g}" for tiou in self.tious), "mean"]
        means = [rows[0].mean(), _mean(rows[1])]
        return pd.DataFrame(np.column_stack([rows, means]), index=["mAP", "delay s"], columns=columns)

    @property
    def per_class(self) -> pd.DataFrame:
        """Average precision of each class by threshold, as fractions."""
        names = [self.truth.class_names[label] for label in self.score.precision.labels]
        return pd.DataFrame(self.score.precision.values, index=names, columns=[f"{tiou:g}" for tiou in self.tious])

    def as_json(self) -> dict[str, Any]:
        """Everything in plain values, with fractions in [0, 1]; None for a delay that is not defined."""
        delays = {name: None if np.isnan(value) else value for name, value in self.table.loc["delay s"].items()}
        return {
            "predictions": str(self.path),
            "annotations": str(self.truth.path),
            "subset": self.truth.name,
            "protocol": "online",
            "videos": len(self.truth.video_ids),
            "instances": self.score.instances,
            "tious": list(self.tious),
            "mAP": self.table.loc["mAP"].to_dict(),
            "delay_s": delays,
            "found": dict(zip(map("{:g}".format, self.tious), self.score.found.tolist(), strict=True)),
            "early": self.score.early,
            "per_class": self.per_class.to_dict("index"),
            "notes": list(self.notes),
            "wtal": __version__,
        }


def _mean(values: Any) -> float:  # noqa: ANN401  an array
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def evaluate_online(path: Path, label: str, truth: GroundTruth, tious: Sequence[float]) -> OnlineEvaluation:
    """Measure one set of detections of streams.

    Args:
        path: See :func:`~wtal.results.emissions.read_emission_times`.
        label: Name of the set.
        truth: Ground truth to measure against.
        tious: Thresholds of temporal IoU.

    Raises:
        PredictionError: If the file is unreadable, or does not say when a detection was known.
    """
    if path.is_dir():
        raise PredictionError(f"{path} is a folder: give a file of detections that says when each was known.")
    table, times_s = read_predictions(path), read_emission_times(path)
    if len(times_s) != len(table):
        raise PredictionError(f"{path} has {len(table)} detections, but {len(times_s)} that say when they were known.")
    rows, notes = detection_rows(table, truth, "ignore")
    emitted, _ = detection_rows(table.assign(score=times_s), truth, "ignore")  # the same rows in the same order
    score = online_score(np.column_stack([rows, emitted[:, 4]]), truth.segments, tious)
    notes = [f"{len(rows)} detections.", *truth.notes, *notes]
    if score.early:
        notes.append(f"{counted(score.early, 'detection')} ended after the emission and do not count.")
    return OnlineEvaluation(label, path, truth, tuple(tious), score, tuple(notes))


# Output -------------------------------------------------------------------------------------------------------------


def _caption(result: OnlineEvaluation) -> str:
    return (
        f"by time of emission, as MATR measures; {result.truth.path.name}, {result.truth.name}: "
        f"{counted(len(result.truth.video_ids), 'video')}, {result.score.instances} instances; mAP in %; delay "
        "after the true end, mean over the instances that were found"
    )


def _shown(results: Sequence[OnlineEvaluation]) -> pd.DataFrame:
    parts = []
    for result in results:
        precision, delay = percent(result.table.loc[["mAP"]]), result.table.loc[["delay s"]]
        delay = delay.map(lambda value: "" if np.isnan(value) else f"{value:.2f}")
        part = pd.concat([precision, delay])
        part.index = pd.Index([f"{result.label}, {name}" for name in part.index])
        parts.append(part)
    return pd.concat(parts).rename_axis("predictions")


def show_online_evaluations(results: Sequence[OnlineEvaluation], per_class: bool = False) -> None:
    """Print two rows per set, the tables of classes if asked for, and all notes."""
    print_table(_shown(results), _caption(results[0]))
    for result in results if per_class else ():
        print_table(percent(result.per_class).rename_axis(result.label), _caption(result))
    for result in results:
        for note in result.notes:
            print(f"{result.label}: {note}")


def save_online_evaluations(results: Sequence[OnlineEvaluation], output: Path, per_class: bool = False) -> None:
    """Write numbers as ``.json`` or ``.csv``, or a table as ``.md``, depending on the file extension."""
    fractions = pd.concat([one.table for one in results], keys=[one.label for one in results], names=["predictions"])
    tables = [percent(one.per_class).rename_axis(one.label) for one in results] if per_class else []
    notes = [f"{result.label}: {note}" for result in results for note in result.notes]
    records = [result.as_json() for result in results]
    save_tables(output, records, fractions, [_shown(results), *tables], _caption(results[0]), notes)

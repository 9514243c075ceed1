"""Error analysis of several methods side by side, from their predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.functional.average_precision import mean_average_precision
from wtal.io.files import write_text
from wtal.io.text import counted
from wtal.metrics.diagnosis import ACTIVITYNET_BINS, KINDS, THUMOS14_BINS, diagnose
from wtal.metrics.error_analysis import error_profile
from wtal.results.ground_truth import GroundTruth, detection_rows
from wtal.results.tables import markdown, percent, print_table

__all__ = ["Analysis", "analyze_sets", "save_analysis", "show_analysis"]

_TITLES = {
    "mAP": "mAP",
    "mAP_N": "mAP_N",
    "false_positive_rate": "FPR",
    "false_negative_rate": "FNR",
    "completeness": "completeness",
    "background_share": "background",
    "swallowing": "swallowing",
    "length_ratio": "length ratio",
    "precision": "precision",
    "recall": "recall",
}
_EXPLAINED = (
    "FPR: share of the detected time outside instances. FNR: share of the instances' time that is undetected. "
    "completeness: share of an instance that its best detection covers. background: share of a detection outside "
    "instances. swallowing: share of detections that cover half of two or more instances. length ratio: median length "
    "of a detection relative to its instance. All are for the best detections of each class, as many as it has "
    "instances (1G), and in % except for the length ratio."
)


@dataclass(frozen=True)
class Analysis:
    """Tidy tables of all methods, each with a column ``method``; shares are fractions.

    Args:
        summary: One row per method: mAP, mAP_N, and :class:`~wtal.metrics.error_analysis.ErrorProfile`.
        false_positives: Kinds of detections; see :class:`~wtal.metrics.diagnosis.Diagnosis`, as for the next three.
        gains: Gain of mAP_N without a kind of error.
        false_negatives: Rate of missed instances by characteristic.
        sensitivity: The mAP_N by characteristic.
        caption: Ground truth and thresholds of the analysis.
        notes: Remarks for the reader.
    """

    summary: pd.DataFrame
    false_positives: pd.DataFrame
    gains: pd.DataFrame
    false_negatives: pd.DataFrame
    sensitivity: pd.DataFrame
    caption: str
    notes: tuple[str, ...]

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in the given order."""
        return self.summary["method"].tolist()


def analyze_sets(sets: dict[str, pd.DataFrame], truth: GroundTruth, tious: Sequence[float] = ()) -> Analysis:
    """Analyze the detections of several methods.

    Args:
        sets: Tables of :func:`~wtal.results.predictions.read_predictions`, by name of the method.
        truth: Ground truth to measure against.
        tious: Thresholds of temporal IoU; by default those of DETAD.
    """
    is_thumos = truth.conventions == "thumos14"
    thresholds = tuple(tious) or ((0.5,) if is_thumos else truth.tious)
    bins = THUMOS14_BINS if is_thumos else ACTIVITYNET_BINS
    tables: dict[str, list[pd.DataFrame]] = {}
    notes = []
    for method, table in sets.items():
        rows, remarks = detection_rows(table, truth)
        found = diagnose(rows, truth.segments, truth.duration_s, thresholds, bins, truth.class_names)
        total = float(mean_average_precision(rows, truth.segments, thresholds).mean())
        profile = vars(error_profile(rows, truth.segments))
        summary = pd.DataFrame([{"mAP": total, "mAP_N": found.mAP_N, **profile}])
        parts = {"summary": summary} | {
            name: getattr(found, name) for name in ("false_positives", "gains", "false_negatives", "sensitivity")
        }
        for name, part in parts.items():
            tables.setdefault(name, []).append(part.assign(method=method)[["method", *part.columns]])
        notes += [f"{method}: {note}" for note in remarks]
        left_out = found.left_out
    if left_out:
        notes.append(f"{left_out} instances of zero length, or longer than their video, are left out of the diagnosis.")
    if not np.isfinite(truth.duration_s).all():
        notes.append(f"{truth.path} lacks the duration of some videos, so there is no coverage.")
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    at = f"{thresholds[0]:g}" if len(thresholds) == 1 else f"{thresholds[0]:g}:{thresholds[-1]:g}"
    counts = f"{counted(len(truth.video_ids), 'video')}, {counted(len(truth.segments), 'instance')}"
    caption = f"{truth.path.name}, {truth.name}: {counts}; tIoU {at}"
    return Analysis(**joined, caption=caption, notes=tuple(notes))


# Output -------------------------------------------------------------------------------------------------------------


def _sections(analysis: Analysis) -> list[tuple[str, pd.DataFrame]]:
    """Titles and tables of text, with the methods side by side."""
    summary = analysis.summary.set_index("method")[list(_TITLES)]
    ratio = summary.pop("length_ratio").map("{:.2f}".format)
    shown = percent(summary, 1)
    shown.insert(list(_TITLES).index("length_ratio"), "length_ratio", ratio)
    first = analysis.false_positives[analysis.false_positives["cut"] == "1G"]
    return [
        ("Summary", shown.rename(columns=_TITLES)),
        ("Kinds of the best detections (1G), %", _across(first, "share")[list(KINDS)]),
        ("Gain of mAP_N without a kind of error (10G)", _across(analysis.gains, "gain")[list(KINDS[1:])]),
        ("Missed instances, %", _by_bin(analysis, analysis.false_negatives, "rate")),
        ("mAP_N of the instances of a bin", _by_bin(analysis, analysis.sensitivity, "mAP_N")),
    ]


def _across(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """One row per method, one column per kind."""
    wide = table.pivot(index="method", columns="kind", values=value)
    return percent(wide.loc[table["method"].unique()], 1)


def _by_bin(analysis: Analysis, table: pd.DataFrame, value: str) -> pd.DataFrame:
    """One row per bin, one column per method."""
    rows = ["characteristic", "bin", "range", "instances"]
    wide = percent(table.pivot_table(index=rows, columns="method", values=value, sort=False)[analysis.methods], 1)
    text = wide.rename_axis(columns=None).reset_index()
    text["characteristic"] = text["characteristic"].mask(text["characteristic"].duplicated(), "")
    return text.set_index("characteristic")


def show_analysis(analysis: Analysis) -> None:
    """Print all tables, without the rows of single classes, which are in the files."""
    for title, table in _sections(analysis):
        if "bin" in table:
            table = table[table.index.to_series().replace("", None).ffill().ne("class").to_numpy()]
        print_table(table, title)
        print()
    for line in (analysis.caption, _EXPLAINED, *analysis.notes):
        print(line)


def save_analysis(analysis: Analysis, folder: Path) -> None:
    """Write every table as ``.csv``, and all of them as ``analysis.md``."""
    for field in fields(analysis):
        table = getattr(analysis, field.name)
        if isinstance(table, pd.DataFrame):
            write_text(folder / f"{field.name}.csv", table.to_csv(index=False))
    parts = [f"## {title}\n\n{markdown(table)}" for title, table in _sections(analysis)]
    notes = "".join(f"- {note}\n" for note in (_EXPLAINED, *analysis.notes))
    write_text(folder / "analysis.md", "\n".join([f"{analysis.caption}\n", *parts, notes]))

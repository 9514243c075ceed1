"""Why methods fail, side by side, from their prediction files alone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.functional.average_precision import mean_average_precision
from wtal.io.files import write_text
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
    "FPR, FNR: share of the detected time outside instances, of the instances' time undetected. completeness: share of "
    "an instance that its best detection covers. background: share of a detection outside instances. swallowing: share "
    "of detections that cover half of two instances or more. length ratio: median of detection to instance. All of the "
    "best detections of a class, as many as instances (1G); % but for the length ratio."
)


@dataclass(frozen=True)
class Analysis:
    """Tidy tables of all sets of predictions; each has a column ``method`` and fractions.

    Args:
        summary: A row a method: mAP, mAP_N, and the measures of :class:`~wtal.metrics.error_analysis.ErrorProfile`.
        false_positives: See :class:`~wtal.metrics.diagnosis.Diagnosis`, as for the others.
        gains: What mAP_N gains without a kind of error.
        false_negatives: Rate of missed instances by characteristic.
        sensitivity: mAP_N by characteristic.
        caption: What it was made on.
        notes: What a reader should know.
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
        """In the order given."""
        return self.summary["method"].tolist()


def analyze_sets(sets: dict[str, pd.DataFrame], truth: GroundTruth, tious: Sequence[float] = ()) -> Analysis:
    """Analyze sets of detections.

    Args:
        sets: By method, tables as :func:`~wtal.results.predictions.read_predictions` gives them.
        truth: What they are held against.
        tious: Thresholds; none for those of DETAD.

    Raises:
        ConfigError: If two methods have the same name.
    """
    is_thumos = truth.conventions == "thumos14"
    thresholds = tuple(tious) or ((0.5,) if is_thumos else truth.tious)
    bins = THUMOS14_BINS if is_thumos else ACTIVITYNET_BINS
    tables: dict[str, list[pd.DataFrame]] = {}
    notes = []
    for method, table in sets.items():
        rows, said = detection_rows(table, truth)
        found = diagnose(rows, truth.segments, truth.duration_s, thresholds, bins, truth.class_names)
        total = float(mean_average_precision(rows, truth.segments, thresholds).mean())
        profile = vars(error_profile(rows, truth.segments))
        summary = pd.DataFrame([{"mAP": total, "mAP_N": found.mAP_N, **profile}])
        parts = {"summary": summary} | {
            name: getattr(found, name) for name in ("false_positives", "gains", "false_negatives", "sensitivity")
        }
        for name, part in parts.items():
            tables.setdefault(name, []).append(part.assign(method=method)[["method", *part.columns]])
        notes += [f"{method}: {note}" for note in said]
        left_out = found.left_out
    if left_out:
        notes.append(f"{left_out} instances of no length, or longer than their video, are left out of the diagnosis.")
    if not np.isfinite(truth.duration_s).all():
        notes.append(f"{truth.path} does not know the duration of every video: there is no coverage.")
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    at = f"{thresholds[0]:g}" if len(thresholds) == 1 else f"{thresholds[0]:g}:{thresholds[-1]:g}"
    caption = (
        f"{truth.path.name}, {truth.name}: {len(truth.video_ids)} videos, {len(truth.segments)} instances; tIoU {at}"
    )
    return Analysis(**joined, caption=caption, notes=tuple(notes))


# Output -------------------------------------------------------------------------------------------------------------


def _sections(analysis: Analysis) -> list[tuple[str, pd.DataFrame]]:
    """Titles and tables of text, methods side by side."""
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
    """A row a method, a column a kind."""
    wide = table.pivot(index="method", columns="kind", values=value)
    return percent(wide.loc[table["method"].unique()], 1)


def _by_bin(analysis: Analysis, table: pd.DataFrame, value: str) -> pd.DataFrame:
    """A row a bin, a column a method."""
    rows = ["characteristic", "bin", "range", "instances"]
    wide = percent(table.pivot_table(index=rows, columns="method", values=value, sort=False)[analysis.methods], 1)
    text = wide.rename_axis(columns=None).reset_index()
    text["characteristic"] = text["characteristic"].mask(text["characteristic"].duplicated(), "")
    return text.set_index("characteristic")


def show_analysis(analysis: Analysis) -> None:
    """Print all tables, but of missed instances not each class; the files have them."""
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

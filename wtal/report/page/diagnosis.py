"""The kinds of errors that the methods make, for a page: DETAD's diagnosis at one threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wtal.metrics.diagnosis import ACTIVITYNET_BINS, KINDS, THUMOS14_BINS, Diagnosis, diagnose
from wtal.report.page.contents import Material
from wtal.report.page.figures import Chart, Line, line_chart
from wtal.report.page.measures import TIOU, rows_of
from wtal.report.page.tables import Table, table_of

__all__ = ["KIND_COLOURS", "Stack", "diagnoses", "diagnosis_tables", "missed_chart", "stacks"]

KIND_COLOURS = dict(zip(KINDS, ("p2", "p6", "p3", "p4", "p1", "quiet"), strict=True))
_SHORT_S = 20.0  # below this median length, instances are binned as THUMOS14's


@dataclass(frozen=True)
class Stack:
    """The best detections of one method by kind: its name and colour, and start and length of its share, in [0, 1]."""

    name: str
    leading: bool
    parts: list[tuple[str, str, float, float]]


def diagnoses(material: Material) -> dict[str, Diagnosis]:
    """The diagnosis of each method, by name; empty without ground truth or instances."""
    truth = material.truth
    if truth is None or not len(truth.segments):
        return {}
    segments, names = truth.segments, truth.class_names
    short = float(np.median(segments[:, 3] - segments[:, 2])) < _SHORT_S
    bins = THUMOS14_BINS if short else ACTIVITYNET_BINS
    rows = {method.name: rows_of(method.detections, truth) for method in material.methods}
    return {
        name: diagnose(found, segments, truth.duration_s, (TIOU,), bins, names, cuts=1) for name, found in rows.items()
    }


def stacks(material: Material, diagnosed: Mapping[str, Diagnosis]) -> list[Stack]:
    """One bar per method, with its kinds of detections side by side."""
    found = []
    for method in material.methods:
        if method.name in diagnosed:
            shares = [_share(diagnosed[method.name].false_positives, kind) for kind in KINDS]
            begin = np.concatenate([[0.0], np.cumsum(shares)[:-1]])
            parts = list(zip(KINDS, KIND_COLOURS.values(), begin.tolist(), shares, strict=True))
            found.append(Stack(method.name, method.leading, [(str(k), c, b, s) for k, c, b, s in parts]))
    return found


def missed_chart(material: Material, diagnosed: Mapping[str, Diagnosis]) -> Chart | None:
    """How many instances of each length the leading methods miss; None if all instances are of one length."""
    missed = {name: _by_length(diagnosis.false_negatives) for name, diagnosis in diagnosed.items()}
    lines = [
        Line(method.name, list(enumerate(missed[method.name]["rate"].tolist())), method.colour, True)
        for method in material.methods
        if method.leading and len(missed.get(method.name, ())) > 1
    ]
    if not lines:
        return None
    ranges = {float(place): str(text) for place, text in enumerate(next(iter(missed.values()))["range"])}
    return line_chart("Missed instances in %, by length", lines, y_range=(0, 1), x_ticks=ranges, percent=True)


def diagnosis_tables(material: Material, diagnosed: Mapping[str, Diagnosis]) -> list[Table]:
    """The kinds of the best detections, and the share of instances of each length that is missed."""
    if not diagnosed:
        return []
    kinds = {name: [_share(d.false_positives, kind) for kind in KINDS] for name, d in diagnosed.items()}
    caption = (
        f"In %, of the best detections of each class, as many as it has instances, at tIoU {TIOU:g}; kinds as DETAD "
        "(arXiv:1807.10706) defines them."
    )
    missed = {name: _by_length(d.false_negatives) for name, d in diagnosed.items()}
    groups = next(iter(missed.values()))
    return [
        table_of("Kinds of the best detections", list(KINDS), kinds, [False, *[True] * 5], material, caption),
        table_of(
            "Missed instances by their length",
            [f"{row.range} ({row.instances})" for row in groups.itertuples()],
            {name: rows["rate"].tolist() for name, rows in missed.items()},
            [True] * len(groups),
            material,
            f"In %, at tIoU {TIOU:g}, of the instances in brackets, as in DETAD; `wtal analyze` gives a full analysis.",
        ),
    ]


def _share(table: pd.DataFrame, kind: str) -> float:
    return float(table.loc[(table["cut"] == "1G") & (table["kind"] == kind), "share"].sum())


def _by_length(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["characteristic"] == "length"]

"""What kinds of errors the methods make, for a page: DETAD's diagnosis at one threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wtal.metrics.diagnosis import ACTIVITYNET_BINS, KINDS, THUMOS14_BINS, Diagnosis, diagnose
from wtal.report.page.figures import Chart, Line, line_chart
from wtal.report.page.material import Material
from wtal.report.page.measures import TIOU, Rows
from wtal.report.page.tables import Table, table_of

__all__ = ["KIND_COLOURS", "Stack", "diagnoses", "diagnosis_tables", "missed_chart", "stacks"]

KIND_COLOURS = dict(zip(KINDS, ("p2", "p6", "p3", "p4", "p1", "quiet"), strict=True))
_SHORT_S = 20.0  # instances of a shorter median length are binned as THUMOS14's


@dataclass(frozen=True)
class Stack:
    """The best detections of one method: kind, colour, and where its share begins and how long it is, in [0, 1]."""

    name: str
    leading: bool
    parts: list[tuple[str, str, float, float]]


def diagnoses(material: Material) -> dict[str, Diagnosis]:
    """The diagnosis of each method, by its name; none without an instance."""
    truth = material.truth
    if truth is None or truth.segments.empty:
        return {}
    rows, durations = Rows(truth), np.array(list(truth.durations_s.values()))
    short = float(np.median(rows.truth[:, 3] - rows.truth[:, 2])) < _SHORT_S
    bins = THUMOS14_BINS if short else ACTIVITYNET_BINS
    return {
        method.name: diagnose(
            rows.detections(method.detections), rows.truth, durations, (TIOU,), bins, list(rows.classes), cuts=1
        )
        for method in material.methods
    }


def stacks(material: Material, diagnosed: Mapping[str, Diagnosis]) -> list[Stack]:
    """One bar a method, its kinds of detections side by side."""
    found = []
    for method in material.methods:
        if method.name in diagnosed:
            shares = [_share(diagnosed[method.name].false_positives, kind) for kind in KINDS]
            begin = np.concatenate([[0.0], np.cumsum(shares)[:-1]])
            parts = list(zip(KINDS, KIND_COLOURS.values(), begin.tolist(), shares, strict=True))
            found.append(Stack(method.name, method.leading, [(str(k), c, b, s) for k, c, b, s in parts]))
    return found


def missed_chart(material: Material, diagnosed: Mapping[str, Diagnosis]) -> Chart | None:
    """How many instances of each length the leading methods miss; None where all are of one length."""
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
    """Kinds of the best detections, and how many instances of each length are missed."""
    if not diagnosed:
        return []
    kinds = {name: [_share(d.false_positives, kind) for kind in KINDS] for name, d in diagnosed.items()}
    said = (
        f"In %, of the best detections of each class, as many as it has instances, at tIoU {TIOU:g}; kinds as DETAD "
        "(arXiv:1807.10706) defines them."
    )
    missed = {name: _by_length(d.false_negatives) for name, d in diagnosed.items()}
    groups = next(iter(missed.values()))
    return [
        table_of("Kinds of the best detections", list(KINDS), kinds, [False, *[True] * 5], material, said),
        table_of(
            "Missed instances by their length",
            [f"{row.range} ({row.instances})" for row in groups.itertuples()],
            {name: rows["rate"].tolist() for name, rows in missed.items()},
            [True] * len(groups),
            material,
            f"In %, at tIoU {TIOU:g}, of the instances in brackets; by DETAD, as `wtal analyze` tells in full.",
        ),
    ]


def _share(table: pd.DataFrame, kind: str) -> float:
    return float(table.loc[(table["cut"] == "1G") & (table["kind"] == kind), "share"].sum())


def _by_length(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["characteristic"] == "length"]

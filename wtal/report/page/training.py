"""Charts of a training: losses, pseudo-labels, agreement and validation over the epochs, the turns shaded."""

import math
from collections.abc import Mapping
from functools import partial

import pandas as pd

from wtal.report.page.figures import Band, Chart, Line, line_chart
from wtal.report.page.material import Training
from wtal.views import CBP, FUSED, VLP

__all__ = ["bands", "training_charts"]

_KINDS = {"foreground": "fg", "background": "bg", "ignored": "quiet"}


def bands(training: Training) -> list[Band]:
    """Stretches of epochs in which a branch is taught, read off what was logged, and the warm-up before them.

    ``B`` teaches the second branch, ``F`` the first, ``J`` both; where the run exchanged the roles, ``F`` teaches the
    second and ``B`` the first. Epoch ``n``, counted from 1, lies around ``n``.
    """
    letters = ("F", "B") if training.exchange else ("B", "F")
    pair = [view.name for view in training.pair]
    found: list[Band] = []
    for epoch, row in training.epochs.iterrows():
        taught = [s for s in pair if not math.isnan(row.get(f"pseudo_labels/{s}/ignored", math.nan))]
        if not taught:
            continue
        letter = "J" if len(taught) == 2 else letters[taught == pair[:1]]
        colour = FUSED.name if letter == "J" else _colours(training)[taught[0]]
        start = int(epoch) + 0.5  # type: ignore[call-overload]
        if found and found[-1].end == start and found[-1].letter == letter:
            found[-1] = Band(found[-1].start, start + 1, letter, colour)
        else:
            found.append(Band(start, start + 1, letter, colour))
    first = float(training.epochs.index.min()) + 0.5
    return [Band(first, found[0].start, "warm-up", "none"), *found] if found and found[0].start > first else found


def training_charts(training: Training) -> list[Chart]:
    """Losses of each branch, pseudo-labels of each student, agreement of the teachers, validation: what there is."""
    table, numbers = training.epochs, training.epochs.index + 1
    draw = partial(
        line_chart, x_title="epoch", x_range=(numbers.min() - 0.5, numbers.max() + 0.5), shaded=bands(training)
    )
    titles, (first, second) = {view.name: view.title for view in training.pair}, training.pair
    losses = _losses(table, _colours(training))
    charts = [draw(f"Losses of {titles.get(branch, 'the model')}", lines) for branch, lines in losses.items()]
    shares = partial(draw, y_range=(0, 1), percent=True)
    for student, teacher in ((first, second), (second, first)):
        kinds = {kind: f"pseudo_labels/{student.name}/{kind}" for kind in _KINDS}
        if set(kinds.values()) <= set(table):
            lines = [_line(table, name, _KINDS[kind], kind != "ignored", kind) for kind, name in kinds.items()]
            charts.append(shares(f"What {teacher.title} teaches {student.title}: snippets in %", lines))
    if "pseudo_labels/agreement" in table:
        line = _line(table, "pseudo_labels/agreement", "ink", True, "agreement")
        charts.append(shares("Snippets that both teachers label, labelled alike, in %", [line]))
    for measure, title in (
        ("mAP", "mAP on held-out videos, in %"),
        ("video_mAP", "mAP of held-out videos' labels, in %"),
    ):
        lines = [
            _line(table, name, _colours(training).get(name.split("/")[1], "ink"), True, name.split("/")[1])
            for name in map(str, table)
            if name.startswith("val/") and name.endswith(f"/{measure}")
        ]
        if lines:
            charts.append(shares(title, lines))
    return charts


def _losses(table: pd.DataFrame, colours: Mapping[str, str]) -> Mapping[str, list[Line]]:
    """The terms that each branch logged, by its name, their sum first; the name of one that trained alone is empty."""
    losses: dict[str, list[Line]] = {}
    for name in sorted(map(str, table), key=lambda name: (not name.endswith("/loss"), name)):
        stage, _, rest = name.partition("/")
        if stage == "train":
            branch = rest.rpartition("/")[0]
            line = _line(table, name, colours.get(branch, FUSED.name), name.endswith("/loss"))
            losses.setdefault(branch, []).append(line)
    return dict(sorted(losses.items()))


def _colours(training: Training) -> dict[str, str]:
    """Name of the page's colour of each source."""
    own = {
        view.name: view.name if view.name in (CBP.name, VLP.name) else f"p{place}"
        for place, view in enumerate(training.pair)
    }
    return own | {FUSED.name: FUSED.name}


def _line(table: pd.DataFrame, column: str, colour: str, strong: bool, name: str = "") -> Line:
    points = [(float(epoch) + 1, float(value)) for epoch, value in table[column].items()]  # type: ignore[arg-type]
    return Line(name or column.rpartition("/")[2].replace("_", " "), points, colour, strong)

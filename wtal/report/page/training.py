"""Charts of a training over its epochs: losses, pseudo-labels, agreement and validation, the turns shaded."""

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd

from wtal.report.page.contents import Training
from wtal.report.page.figures import Band, Chart, Line, line_chart
from wtal.report.style import page_colour
from wtal.views import FUSED

__all__ = ["bands", "legend", "training_charts"]
_KINDS = {"foreground": "fg", "background": "bg", "ignored": "quiet"}


def bands(training: Training) -> list[Band]:
    """Turns of the collaboration, read from the log, and the warm-up before them.

    ``B``: the first branch teaches the second; ``F``: the second teaches the first; ``J``: both at once. In a run that
    exchanged the roles, ``F`` and ``B`` are swapped. Epoch ``n``, counted from 1, spans ``n - 0.5`` to ``n + 0.5``.
    """
    turns: list[Band] = []
    pair = [view.name for view in training.pair]
    for epoch, row in training.epochs.iterrows():
        students = [student for student in pair if pd.notna(row.get(f"pseudo_labels/{student}/ignored"))]
        if students:
            letter, colour = _turn(students, training)
            start = int(epoch) + 0.5  # type: ignore[call-overload]
            before = turns.pop() if turns and (turns[-1].end, turns[-1].letter) == (start, letter) else None
            turns.append(Band(before.start if before else start, start + 1, letter, colour))
    first = float(training.epochs.index.min()) + 0.5
    return [Band(first, turns[0].start, "warm-up", "none"), *turns] if turns and turns[0].start > first else turns


def legend(training: Training) -> str:
    """What the letters of the turns mean; empty if neither branch learned from the other.

    >>> legend(Training("run", pd.DataFrame({"pseudo_labels/cbp/ignored": [0.5]}, index=[3])))
    'B: CBP teaches VLP; F: VLP teaches CBP; J: both at once.'
    """
    if not bands(training):
        return ""
    first, second = (view.title for view in (training.pair[::-1] if training.exchange else training.pair))
    return f"B: {first} teaches {second}; F: {second} teaches {first}; J: both at once."


def _turn(students: Sequence[str], training: Training) -> tuple[str, str]:
    """Letter and colour of a turn, from the students that learn in it."""
    if len(students) > 1:
        return "J", FUSED.name
    letters = ("B", "F") if training.exchange else ("F", "B")
    place = [view.name for view in training.pair].index(students[0])
    return letters[place], page_colour(students[0], place, training.pair)


def training_charts(training: Training) -> list[Chart]:
    """Losses of each branch, pseudo-labels of each student, agreement of the teachers and validation, where logged."""
    table, numbers = training.epochs, training.epochs.index + 1
    draw = partial(
        line_chart, x_title="epoch", x_range=(numbers.min() - 0.5, numbers.max() + 0.5), shaded=bands(training)
    )
    colours = {view.name: page_colour(view.name, place, training.pair) for place, view in enumerate(training.pair)}
    colours |= {FUSED.name: FUSED.name}
    titles = {view.name: view.title for view in training.pair}
    losses = _losses(table, colours)
    charts = [draw(f"Losses of {titles.get(branch, 'the model')}", lines) for branch, lines in losses.items()]
    shares = partial(draw, y_range=(0, 1), percent=True)
    for student, teacher in (training.pair, training.pair[::-1]):
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
        if lines := _validations(table, measure, colours):
            charts.append(shares(title, lines))
    return charts


def _validations(table: pd.DataFrame, measure: str, colours: Mapping[str, str]) -> list[Line]:
    """A measure of the held-out videos, one line per source."""
    names = [name for name in map(str, table) if name.startswith("val/") and name.endswith(f"/{measure}")]
    sources = [name.split("/")[1] for name in names]
    return [
        _line(table, name, colours.get(source, "ink"), True, source)
        for name, source in zip(names, sources, strict=True)
    ]


def _losses(table: pd.DataFrame, colours: Mapping[str, str]) -> Mapping[str, list[Line]]:
    """The loss terms by branch, their sum first; a model that trained alone has the empty name."""
    losses: dict[str, list[Line]] = {}
    for name in sorted(map(str, table), key=lambda name: (not name.endswith("/loss"), name)):
        stage, _, rest = name.partition("/")
        if stage == "train":
            branch = rest.rpartition("/")[0]
            losses.setdefault(branch, []).append(
                _line(table, name, colours.get(branch, FUSED.name), name.endswith("/loss"))
            )
    return dict(sorted(losses.items()))


def _line(table: pd.DataFrame, column: str, colour: str, strong: bool, name: str = "") -> Line:
    points = [(float(epoch) + 1, float(value)) for epoch, value in table[column].items()]  # type: ignore[arg-type]
    return Line(name or column.rpartition("/")[2].replace("_", " "), points, colour, strong)

"""A training of two branches at the same time: who taught whom with which version when, and how old the labels were."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from wtal.report.page.contents import Exchanged, Wall
from wtal.report.page.figures import Chart, Line, line_chart
from wtal.report.page.tables import Row, Table, percent
from wtal.report.style import page_colour
from wtal.results.journal import Journal, Taken
from wtal.results.run_folder import RunFolder
from wtal.views import View

__all__ = ["exchange_charts", "exchange_table", "read_exchanged", "wall_table"]


def read_exchanged(folder: RunFolder, name: str, pair: tuple[View, View], bound: object) -> Exchanged | None:
    """Read the journals of an asynchronous run; None if there are none, or nothing was exchanged.

    Raises:
        PredictionError: If a journal is damaged.
    """
    files = {view.name: folder.asynchronous / view.name / "journal.jsonl" for view in pair}
    if not all(file.is_file() for file in files.values()):
        return None
    journals = {branch: Journal(file) for branch, file in files.items()}
    if not any(journal.events for journal in journals.values()):
        return None
    given = {branch: journal.given() for branch, journal in journals.items()}
    taken = {branch: journal.taken() for branch, journal in journals.items()}
    return Exchanged(name, pair, given, taken, bound if isinstance(bound, int) else None)


def exchange_charts(run: Exchanged) -> list[Chart]:
    """For each direction the versions that were published and used over time; and the ages of those in use."""
    charts, ages = [], []
    for teacher, student in run.lessons():
        colour = page_colour(student.name, run.pair.index(student), run.pair)
        published = [(event.time_s - run.begin_s, float(event.version)) for event in run.given[teacher.name]]
        used = [(event.time_s - run.begin_s, float(event.version)) for event in run.taken[student.name]]
        end = max(at for at, _ in (*published, *used, (_end_s(run, student.name), 0.0)))
        title = f"Versions by which {teacher.title} teaches {student.title}"
        lines = [Line("published", _steps(published, end)), Line("in use", _steps(used, end), colour, True)]
        charts.append(line_chart(title, lines, "s"))
        course = [(float(event.step), float(event.age)) for event in run.taken[student.name]]
        ages.append(Line(student.title, _steps(course, float(run.steps_of(student.name))), colour, True))
    if ages and run.bound is not None:
        last = max(at for line in ages for at, _ in line.points)
        ages.append(Line("bound", [(0.0, float(run.bound)), (last, float(run.bound))]))
    return [*charts, *([line_chart("Age of the labels in use, in intervals", ages, "step")] if ages else [])]


def _end_s(run: Exchanged, student: str) -> float:
    return max((event.time_s for event in run.given[student]), default=run.begin_s) - run.begin_s


def _steps(points: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """A line that keeps each value until the next one.

    >>> _steps([(0, 1), (2, 3)], 4)
    [(0, 1), (2, 1), (2, 3), (4, 3)]
    """
    if not points:
        return []
    corners = [points[0]]
    for (_, before), (at, value) in pairwise(points):
        corners += [(at, before), (at, value)]
    return [*corners, (end, points[-1][1])]


def exchange_table(run: Exchanged) -> Table:
    """For each direction the packets, their ages, and the steps without any."""
    rows = [
        Row(
            f"{teacher.title} teaches {student.title}",
            page_colour(student.name, run.pair.index(student), run.pair),
            True,
            [(cell, "", False) for cell in _cells(run, teacher.name, student.name)],
        )
        for teacher, student in run.lessons()
    ]
    bound = "" if run.bound is None else f"; at most {run.bound} is allowed"
    columns = ["published", "used", "mean age", "largest age", "steps without, %"]
    caption = (
        "Packets of labels. The age is the number of intervals between two packets by which a student was ahead of its "
        f"teacher{bound}. Steps without a packet taught by video labels alone."
    )
    return Table("Exchange", columns, rows, caption)


def _cells(run: Exchanged, teacher: str, student: str) -> list[str]:
    """The cells of one direction."""
    taken = run.taken[student]
    ends = [*(event.step for event in taken[1:]), max(run.steps_of(student), taken[-1].step)]
    version, age, span = (np.array(values) for values in zip(*_spans(taken, ends), strict=True))
    taught, alone = span[version > 0].sum(), span[version == 0].sum()
    return [
        str(len(run.given[teacher])),
        str(len(set(version[version > 0].tolist()))),
        f"{(age * span)[version > 0].sum() / max(1, taught):.2f}",
        str(age.max()),
        percent(alone / max(1, taught + alone)),
    ]


def _spans(taken: Sequence[Taken], ends: Sequence[int]) -> list[tuple[int, int, int]]:
    """Version, age and number of steps of each use of a packet."""
    return [(event.version, event.age, end - event.step) for event, end in zip(taken, ends, strict=True)]


def wall_table(walls: Sequence[Wall]) -> Table | None:
    """Wall times side by side; None unless a training at the same time and one in turns are given."""
    turns = [wall for wall in walls if not wall.at_once]
    if not turns or len(turns) == len(walls):
        return None
    first = turns[0].seconds
    rows = [
        Row(
            wall.name,
            "fused" if wall.at_once else "quiet",
            wall.at_once,
            [
                ("at the same time" if wall.at_once else "in turns", "", False),
                ("–" if wall.epochs is None else str(wall.epochs), "", False),  # noqa: RUF001
                (f"{wall.seconds:.0f}", "", False),
                (f"{wall.seconds / first:.2f}", "", False),
            ],
        )
        for wall in walls
    ]
    caption = f"Seconds of the trainings, and their share of those of {turns[0].name}, which trains in turns."
    return Table("Wall time", ["branches train", "epochs", "s", "share"], rows, caption)

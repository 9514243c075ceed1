"""The table of a sweep's runs, live on a terminal."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wtal.sweep.definition import SEED, Assignment, Sweep
from wtal.sweep.runner import Outcome, outcome_of

__all__ = ["Board"]

_STATUSES = ("done", "running", "failed", "waiting")


class Board:
    """The runs of a sweep and their table.

    Args:
        sweep: The sweep.
        folder: Folder of the runs.
    """

    def __init__(self, sweep: Sweep, folder: Path) -> None:
        self.sweep, self.folder = sweep, folder
        self.assignments: list[Assignment] = []

    def outcomes(self) -> list[Outcome]:
        """The outcomes of all known runs, read from their folders."""
        return [outcome_of(self.sweep, assignment, self.folder) for assignment in list(self.assignments)]

    def watch(self, ended: Callable[[], bool]) -> None:
        """Show the table until all runs have ended; without a terminal, only then."""
        console = Console()
        if not console.is_terminal:
            while not ended():
                time.sleep(0.2)
            console.width = 200
            console.print(_table(self.sweep, self.outcomes()))
            return
        with Live(_table(self.sweep, self.outcomes()), console=console, refresh_per_second=1) as live:
            while not ended():
                time.sleep(0.5)
                live.update(_table(self.sweep, self.outcomes()))
            live.update(_table(self.sweep, self.outcomes()))


def _table(sweep: Sweep, outcomes: Sequence[Outcome]) -> Group:
    """One row per run, and below them the number of runs with each status."""
    varied = _varied(sweep, outcomes)
    table = Table(box=None, pad_edge=False)
    for name in [*varied, "status", sweep.metric or "metric", "s"]:
        table.add_column(name.removeprefix("model.init_args.").removeprefix("model."), overflow="fold")
    for outcome in outcomes:
        table.add_row(*(str(outcome.assignment.get(name, "")) for name in varied), *_cells(sweep, outcome))
    counts = Counter(outcome.status for outcome in outcomes)
    return Group(table, Text(", ".join(f"{counts[status]} {status}" for status in _STATUSES if counts[status])))


def _varied(sweep: Sweep, outcomes: Sequence[Outcome]) -> list[str]:
    """Names of the options that differ between the runs."""
    varied = [parameter.name for parameter in sweep.parameters if len(parameter.values) != 1]
    has_seeds = any(SEED in outcome.assignment for outcome in outcomes)
    return [*varied, SEED] if has_seeds and SEED not in varied else varied


def _cells(sweep: Sweep, outcome: Outcome) -> tuple[Text, str, str]:
    """Status, metric and duration of a run."""
    status = Text(f"{outcome.status} {outcome.reason}".strip(), style="red" if outcome.reason else "")
    value = outcome.metrics.get(sweep.metric)
    unknown = "not measured" if sweep.metric and outcome.status == "done" else ""
    return status, unknown if value is None else f"{value:.4f}", f"{outcome.seconds:.0f}" if outcome.seconds else ""

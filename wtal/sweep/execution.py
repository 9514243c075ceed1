"""All trainings of a sweep: several at a time here, on machines that share a folder, or through SLURM."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wtal.io.extras import from_extra
from wtal.sweep.definition import SEED, Assignment, Parameter, Sweep
from wtal.sweep.runner import Outcome, end_all, is_claimed, outcome_of, perform
from wtal.sweep.search import open_study, search

__all__ = ["Slurm", "run_sweep", "submit"]

POLL_S = 2.0


def run_sweep(sweep: Sweep, output: Path, jobs: int = 1, seeds: Sequence[int] = (), retry: bool = False) -> int:
    """Train all runs of a sweep that are not finished yet, and show their table.

    Args:
        sweep: From :func:`~wtal.sweep.definition.read_sweep`.
        output: Folder of the runs.
        jobs: How many trainings at a time.
        seeds: Run everything with each.
        retry: Try failed runs again.

    Returns:
        How many runs failed.
    """
    board = _Board(sweep, output)
    with ThreadPoolExecutor(jobs) as pool, _ended_by_term(pool):
        if sweep.method == "grid":
            whole = replace(sweep, parameters=(*sweep.parameters, Parameter(SEED, tuple(seeds)))) if seeds else sweep
            board.assignments = whole.grid()
            work: list[Callable[[], object]] = [
                partial(_until_ended, sweep, a, output, retry) for a in board.assignments
            ]
        else:
            study = open_study(sweep, output, partial(_is_going_on, seeds, board))
            work = [partial(search, sweep, study, partial(_mean_over, seeds, board, retry))] * jobs
        futures = [pool.submit(job) for job in work]
        board.watch(lambda: all(future.done() for future in futures))
        for future in futures:
            future.result()
    return sum(outcome.status == "failed" for outcome in board.outcomes())


@contextmanager
def _ended_by_term(pool: Executor) -> Iterator[None]:
    """On SIGTERM tell the trainings to end, start no other, and leave; the next start goes on from there."""

    def end(*_: object) -> None:
        pool.shutdown(wait=False, cancel_futures=True)
        end_all()
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _until_ended(read: Sweep, assignment: Assignment, output: Path, retry: bool) -> Outcome:
    """Run it, or wait while another process does."""
    while (outcome := perform(read, assignment, output, retry)) is None:
        time.sleep(POLL_S)
    return outcome


def _with_seeds(assignment: Assignment, seeds: Sequence[int]) -> list[Assignment]:
    return [{**assignment, SEED: seed} for seed in seeds] or [assignment]


def _is_going_on(seeds: Sequence[int], board: "_Board", assignment: Assignment) -> bool:
    """Whether a living process, here or elsewhere, is at one of the runs."""
    return any(is_claimed(board.sweep, one, board.folder) for one in _with_seeds(assignment, seeds))


def _mean_over(seeds: Sequence[int], board: "_Board", retry: bool, assignment: Assignment) -> float | None:
    """The sweep's metric, averaged over the seeds; None if a run failed or did not measure it."""
    values = []
    for one in _with_seeds(assignment, seeds):
        if one not in board.assignments:
            board.assignments.append(one)
        outcome = _until_ended(board.sweep, one, board.folder, retry)
        if outcome.status != "done" or (board.sweep.metric and board.sweep.metric not in outcome.metrics):
            return None
        values.append(outcome.metrics.get(board.sweep.metric, 0.0))
    return fmean(values)


class _Board:
    """The live table.

    Args:
        sweep: Whose runs.
        folder: Where they are.
    """

    def __init__(self, sweep: Sweep, folder: Path) -> None:
        self.sweep, self.folder = sweep, folder
        self.assignments: list[Assignment] = []

    def outcomes(self) -> list[Outcome]:
        """Of all runs that are known, as their folders have them."""
        return [outcome_of(self.sweep, assignment, self.folder) for assignment in list(self.assignments)]

    def watch(self, ended: Callable[[], bool]) -> None:
        """Show the table until all is done; where nobody watches, only in the end."""
        console = Console()
        if not console.is_terminal:
            while not ended():
                time.sleep(0.2)
            console.width = 200
            console.print(self._table())
            return
        with Live(self._table(), console=console, refresh_per_second=1) as live:
            while not ended():
                time.sleep(0.5)
                live.update(self._table())
            live.update(self._table())

    def _table(self) -> Group:
        outcomes = self.outcomes()
        varied = [p.name for p in self.sweep.parameters if len(p.values) != 1]
        varied += [SEED] if any(SEED in o.assignment for o in outcomes) and SEED not in varied else []
        table = Table(box=None, pad_edge=False)
        for name in [*varied, "status", self.sweep.metric or "metric", "s"]:
            table.add_column(name.removeprefix("model.init_args.").removeprefix("model."), overflow="fold")
        for outcome in outcomes:
            value = outcome.metrics.get(self.sweep.metric)
            cells = [str(outcome.assignment.get(name, "")) for name in varied]
            status = Text(f"{outcome.status} {outcome.reason}".strip(), style="red" if outcome.reason else "")
            shown = "" if value is None else f"{value:.4f}"
            table.add_row(*cells, status, shown, f"{outcome.seconds:.0f}" if outcome.seconds else "")
        counts = {
            status: sum(o.status == status for o in outcomes) for status in ("done", "running", "failed", "waiting")
        }
        return Group(table, Text(", ".join(f"{count} {status}" for status, count in counts.items() if count)))


@dataclass(frozen=True)
class Slurm:
    """Jobs of SLURM.

    Args:
        workers: How many of them; each runs one training at a time.
        partition: Of the cluster; None for its default.
        minutes: Time limit of a worker.
        gpus: Of each worker.
    """

    workers: int
    partition: str | None = None
    minutes: int = 1440
    gpus: int = 1


def submit(file: Path, output: Path, seeds: Sequence[int], slurm: Slurm) -> list[str]:
    """Start workers through SLURM, which share the work through the folder.

    Args:
        file: The sweep file.
        output: Folder of the runs.
        seeds: See :func:`run_sweep`.
        slurm: The jobs.

    Returns:
        Their ids.
    """
    with from_extra("sweep"):
        import submitit

    executor = submitit.SlurmExecutor(folder=output / "slurm")
    options = {"partition": slurm.partition} if slurm.partition else {}
    executor.update_parameters(time=slurm.minutes, gpus_per_node=slurm.gpus, job_name=f"wtal-{file.stem}", **options)
    words = [sys.executable, "-m", "wtal", "sweep", str(file), "--output", str(output)]
    words += ["--seeds", *map(str, seeds)] if seeds else []
    return [executor.submit(submitit.helpers.CommandFunction(words)).job_id for _ in range(slurm.workers)]

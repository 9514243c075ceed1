"""``wtal sweep``: run a sweep file here, n at a time, on several machines that share a folder, or through SLURM."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wtal.errors import ConfigError
from wtal.sweep.definition import SEED, Assignment, Parameter, Sweep, read_sweep
from wtal.sweep.runner import Outcome, end_all, is_claimed, outcome_of, perform
from wtal.sweep.search import open_study, search

__all__ = ["sweep"]

POLL_S = 2.0


def sweep(
    file: Path,
    output: Path = Path("runs/sweep"),
    jobs: int = 1,
    seeds: Sequence[int] = (),
    retry: bool = False,
    slurm: int = 0,
    slurm_partition: str | None = None,
    slurm_minutes: int = 1440,
    slurm_gpus: int = 1,
) -> None:
    """Run a sweep file without any server; `wandb sweep` takes the same file.

    Finished runs are never repeated, interrupted ones go on from their last checkpoint, a failed one is a row that
    says why. Start it again, or on a second machine with the same folder, at any time.

    Args:
        file: Sweep in wandb's form: `method` (grid, random, bayes), `parameters`, `command` with `${args}`.
        output: Folder of the runs; `wtal table` reads it.
        jobs: How many trainings at a time.
        seeds: Run everything with each; the search takes their mean.
        retry: Try again what has failed.
        slurm: Start this many workers as jobs of SLURM instead, and leave; each runs one training at a time.
        slurm_partition: Where.
        slurm_minutes: How long a worker may run; what it leaves unfinished another start takes up.
        slurm_gpus: Of each worker.

    Raises:
        ConfigError: If the file says something that cannot be run.
    """
    read = read_sweep(file)
    if seeds and any(parameter.name == SEED for parameter in read.parameters):
        raise ConfigError(f"{file} varies {SEED} already: leave out --seeds.")
    output.mkdir(parents=True, exist_ok=True)
    if slurm:
        _submit(file, output, seeds, slurm, slurm_partition, slurm_minutes, slurm_gpus)
        return
    board = _Board(read, output)
    with ThreadPoolExecutor(jobs) as pool, _ended_by_term(pool):
        if read.method == "grid":
            whole = replace(read, parameters=(*read.parameters, Parameter(SEED, tuple(seeds)))) if seeds else read
            board.assignments = whole.grid()
            work: list[Callable[[], object]] = [
                partial(_until_ended, read, a, output, retry) for a in board.assignments
            ]
        else:
            study = open_study(read, output, partial(_is_going_on, seeds, board))
            work = [partial(search, read, study, partial(_mean_over, seeds, board, retry))] * jobs
        futures = [pool.submit(job) for job in work]
        board.watch(lambda: all(future.done() for future in futures))
        for future in futures:
            future.result()
    failed = sum(outcome.status == "failed" for outcome in board.outcomes())
    if failed:
        print(f"{failed} runs failed; their output.txt tell more. `--retry` tries them again.", file=sys.stderr)
        sys.exit(2)


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


def _submit(
    file: Path, output: Path, seeds: Sequence[int], workers: int, partition: str | None, minutes: int, gpus: int
) -> None:
    """Start workers through SLURM; they share the work through the folder."""
    import submitit

    executor = submitit.SlurmExecutor(folder=output / "slurm")
    options = {"partition": partition} if partition else {}
    executor.update_parameters(time=minutes, gpus_per_node=gpus, job_name=f"wtal-{file.stem}", **options)
    words = [sys.executable, "-m", "wtal", "sweep", str(file), "--output", str(output)]
    words += ["--seeds", *map(str, seeds)] if seeds else []
    jobs = [executor.submit(submitit.helpers.CommandFunction(words)) for _ in range(workers)]
    print(f"{workers} workers were submitted: {', '.join(job.job_id for job in jobs)}.")

"""Running all trainings of a sweep: in parallel here, on machines that share a folder, on Ray or through SLURM."""

import math
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

from wtal.errors import ConfigError
from wtal.io.extras import from_extra
from wtal.io.ray_cluster import RaySettings, RayTasks, connected
from wtal.sweep.board import Board
from wtal.sweep.definition import SEED, Assignment, Parameter, Sweep
from wtal.sweep.runner import Outcome, end_all, is_claimed, perform
from wtal.sweep.search import open_study, search

__all__ = ["Engine", "Slurm", "on_ray", "run_sweep", "submit"]

POLL_S = 2.0


@dataclass(frozen=True)
class Engine:
    """What trains the runs.

    Args:
        perform: Trains one run as :func:`~wtal.sweep.runner.perform` does, which it is by default.
        end: Ends all trainings.
    """

    perform: Callable[[Sweep, Assignment, Path, bool], Outcome | None] = perform
    end: Callable[[], None] = end_all


@contextmanager
def on_ray(settings: RaySettings, jobs: int) -> Iterator[Engine]:
    """Train the runs in processes that Ray starts on the machines of a cluster, which all see the folder.

    Args:
        settings: The cluster, and what it reserves for a run.
        jobs: Number of trainings at a time, for which a cluster on this machine is made.
    """
    with connected(settings.address, math.ceil(jobs * settings.cpus), "ray.address"):
        tasks = RayTasks(settings)
        yield Engine(partial(tasks.call, _perform_there), tasks.end)


def _perform_there(sweep: Sweep, assignment: Assignment, folder: Path, retry: bool) -> Outcome | None:
    try:
        return perform(sweep, assignment, folder, retry, ends_with_us=True)
    except SystemExit:  # the machine is taken away: another process continues the run
        return None


def run_sweep(
    sweep: Sweep,
    output: Path,
    jobs: int = 1,
    seeds: Sequence[int] = (),
    retry: bool = False,
    engine: Engine = Engine(),
) -> int:
    """Train all runs of a sweep that are not finished yet, and show their table.

    Args:
        sweep: The sweep, from :func:`~wtal.sweep.definition.read_sweep`.
        output: Folder of the runs.
        jobs: Number of parallel trainings.
        seeds: Seeds to run everything with.
        retry: Whether to try failed runs again.
        engine: What trains the runs: this machine, or :func:`on_ray`.

    Returns:
        Number of failed runs.
    """
    board = Board(sweep, output)
    with ThreadPoolExecutor(jobs) as pool, _ended_by_term(pool, engine):
        if sweep.method == "grid":
            whole = replace(sweep, parameters=(*sweep.parameters, Parameter(SEED, tuple(seeds)))) if seeds else sweep
            board.assignments = whole.grid()
            work: list[Callable[[], object]] = [
                partial(_until_ended, engine, sweep, a, output, retry) for a in board.assignments
            ]
        else:
            study = open_study(sweep, output, partial(_is_going_on, seeds, board))
            work = [partial(search, sweep, study, partial(_mean_over, engine, seeds, board, retry))] * jobs
        futures = [pool.submit(job) for job in work]
        board.watch(lambda: all(future.done() for future in futures))
        for future in futures:
            future.result()
    return sum(outcome.status == "failed" for outcome in board.outcomes())


@contextmanager
def _ended_by_term(pool: Executor, engine: Engine) -> Iterator[None]:
    """On SIGTERM, terminate the trainings, start no more, and exit; the next start continues from there."""

    def end(*_: object) -> None:
        pool.shutdown(wait=False, cancel_futures=True)
        engine.end()
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        if engine.perform is not perform:  # a terminal interrupts the trainings on this machine itself
            pool.shutdown(wait=False, cancel_futures=True)
            engine.end()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _until_ended(engine: Engine, sweep: Sweep, assignment: Assignment, output: Path, retry: bool) -> Outcome:
    """Run an assignment, or wait while another process does."""
    while (outcome := engine.perform(sweep, assignment, output, retry)) is None:
        time.sleep(POLL_S)
    return outcome


def _with_seeds(assignment: Assignment, seeds: Sequence[int]) -> list[Assignment]:
    return [{**assignment, SEED: seed} for seed in seeds] or [assignment]


def _is_going_on(seeds: Sequence[int], board: Board, assignment: Assignment) -> bool:
    """Whether a living process, here or elsewhere, works on one of the runs of an assignment."""
    return any(is_claimed(board.sweep, one, board.folder) for one in _with_seeds(assignment, seeds))


def _mean_over(engine: Engine, seeds: Sequence[int], board: Board, retry: bool, assignment: Assignment) -> float | None:
    """The metric of the sweep, averaged over the seeds; None if a run failed, or the metric is undefined."""
    values = []
    for one in _with_seeds(assignment, seeds):
        if one not in board.assignments:
            board.assignments.append(one)
        outcome = _until_ended(engine, board.sweep, one, board.folder, retry)
        if outcome.status != "done":
            return None
        values.append(_measured(board.sweep, outcome))
    mean = fmean(values)
    return mean if math.isfinite(mean) else None


def _measured(sweep: Sweep, outcome: Outcome) -> float:
    """The metric of a run; for a random search, which does not use it, any number will do.

    Raises:
        ConfigError: If the run did not measure it, as then a search would learn nothing.
    """
    if sweep.method == "bayes" and sweep.metric not in outcome.metrics:
        known = ", ".join(sorted(outcome.metrics)) or "none at all"
        raise ConfigError(
            f"{sweep.path}: a finished run has no metric {sweep.metric!r}, but {known}: name one of these."
        )
    return outcome.metrics.get(sweep.metric, 0.0)


@dataclass(frozen=True)
class Slurm:
    """SLURM jobs.

    Args:
        workers: Number of jobs; each runs one training at a time.
        partition: Partition of the cluster; None for its default.
        minutes: Time limit of a job.
        gpus: Number of GPUs of each job.
    """

    workers: int
    partition: str | None = None
    minutes: int = 1440
    gpus: int = 1


def submit(file: Path, output: Path, seeds: Sequence[int], slurm: Slurm) -> list[str]:
    """Start workers through SLURM that share the work through the folder.

    Args:
        file: The sweep file.
        output: Folder of the runs.
        seeds: Seeds to run everything with.
        slurm: The jobs.

    Returns:
        Ids of the jobs.
    """
    with from_extra("sweep"):
        import submitit

    executor = submitit.SlurmExecutor(folder=output / "slurm")
    options = {"partition": slurm.partition} if slurm.partition else {}
    executor.update_parameters(time=slurm.minutes, gpus_per_node=slurm.gpus, job_name=f"wtal-{file.stem}", **options)
    words = [sys.executable, "-m", "wtal", "sweep", str(file), "--output", str(output)]
    words += ["--seeds", *map(str, seeds)] if seeds else []
    return [executor.submit(submitit.helpers.CommandFunction(words)).job_id for _ in range(slurm.workers)]

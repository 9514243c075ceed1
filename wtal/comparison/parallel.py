"""The runs of a comparison in several processes: each chain of runs begins as soon as what it needs is there."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from pathlib import Path

import torch

from wtal.comparison.methods import Run
from wtal.results.record import Record

__all__ = ["Measured", "Work", "chains_of", "in_processes"]

Measured = dict[str, Record | None]  # records by name of the run
Work = Callable[[int, Sequence[Run]], Measured]  # what trains runs with a seed, one after the other


def chains_of(runs: Sequence[Run]) -> tuple[list[Run], list[list[Run]]]:
    """Divide the runs of a seed by what they share.

    Args:
        runs: The runs, in the order in which one process would train them.

    Returns:
        The run that leaves the warm-up to all others, if there is one; and chains that need nothing of each other: the
        fusions that are fitted on held-out videos share a warm-up of their own, students need their teacher.
    """
    first = next(([run] for run in runs if run.pattern != "" and not run.learns_from and not run.fits_fusion), [])
    chains: dict[str, list[Run]] = {}
    for run in runs:
        if run not in first:
            key = "held out" if run.fits_fusion else "student" if _leads_to_student(run) else run.name
            chains.setdefault(key, []).append(run)
    return first, sorted(chains.values(), key=len, reverse=True)  # the longest first, so that none is left at the end


def _leads_to_student(run: Run) -> bool:
    return bool(run.learns_from) or run.name == "alternation"


def in_processes(work: Work, seeds: Sequence[int], runs: Sequence[Run], output: Path, jobs: int) -> dict[int, Measured]:
    """Train all runs with all seeds in several processes, which share the cores and say what they do in log files.

    Args:
        work: What trains runs; it goes to the processes, so it must be picklable.
        seeds: Seeds, each of which trains all runs.
        runs: Runs in their order.
        output: Folder of the comparison; each chain writes ``seed_N/RUN.log`` there.
        jobs: Number of processes.

    Returns:
        Records by seed and name of the run.

    Raises:
        WTALError: The first that a run raises; what is finished by then is kept.
    """
    first, chains = chains_of(runs)
    measured: dict[int, Measured] = {seed: {} for seed in seeds}
    threads = max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), _use_threads, (threads,)) as pool, _ended_together(pool):
        going: dict[Future[Measured], tuple[int, list[Run]]] = {}

        def start(seed: int, chain: list[Run]) -> None:
            log = output / f"seed_{seed}" / f"{chain[0].name}.log"
            going[pool.submit(_logged, work, seed, chain, log)] = seed, chain

        for seed in seeds:
            for chain in [first] if first else chains:
                start(seed, chain)
        while going:
            for future in wait(going, return_when=FIRST_COMPLETED).done:
                seed, chain = going.pop(future)
                measured[seed] |= future.result()
                print(f"seed {seed}: {', '.join(run.name for run in chain)} done", file=sys.stderr, flush=True)
                for following in chains if chain == first else ():
                    start(seed, following)
    return measured


def _use_threads(threads: int) -> None:
    torch.set_num_threads(threads)


def _logged(work: Work, seed: int, chain: Sequence[Run], log: Path) -> Measured:
    """Do the work with everything that it prints, progress bars and warnings, in a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    return work(seed, chain)


@contextmanager
def _ended_together(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Leave no process behind: on an error or a signal, start no more, and end what runs."""

    def end(*_: object) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in active_children():
            child.terminate()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)

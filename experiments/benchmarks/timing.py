"""What the benchmarks share: interleaved repetitions and their medians, fresh processes, and tables."""

import argparse
import multiprocessing
import re
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch


class Spent(NamedTuple):
    """Wall and CPU seconds of one way to do something; on a busy machine CPU seconds are more telling."""

    wall_s: float
    cpu_s: float  # of this process and of the finished ones that it started


def options(description: str, device: bool = False) -> argparse.ArgumentParser:
    """The options that benchmarks have in common; with ``--quick`` one ends within a minute."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything, in under a minute")
    if device:
        parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
        parser.add_argument("--precision", default="32-true", help="as for Lightning, bf16-mixed for example")
    return parser


def spend(function: Callable[[], object]) -> Spent:
    """Run a function once."""
    wall, cpu = time.perf_counter(), _cpu_s()
    function()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return Spent(time.perf_counter() - wall, _cpu_s() - cpu)


def interleaved(ways: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1) -> dict[str, Spent]:
    """Medians of several repetitions, one of each way at a time, so that other load affects all alike."""
    taken: dict[str, list[Spent]] = {name: [] for name in ways}
    for repeat in range(warm_up + repeats):
        for name, function in ways.items():
            spent = spend(function)
            if repeat >= warm_up:
                taken[name].append(spent)
    return {name: Spent(*(median(column) for column in zip(*spent, strict=True))) for name, spent in taken.items()}


def apart(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a module-level function returns in a fresh process, so that one measurement leaves no memory to the next."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(send, function, args, options))
    process.start()
    send.close()
    try:
        return receive.recv()
    finally:
        process.join()


def _answer(send: Any, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    send.send(function(*args, **options))


def forget_peak(device: str = "cpu") -> None:
    """Reset the peak memory to what is held now."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak_gib(device: str = "cpu") -> float:
    """The peak memory so far (on a CPU: only on Linux)."""
    return torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else _status("VmHWM")


def held_gib(kind: str = "VmRSS") -> float:
    """The resident memory; ``RssAnon`` leaves out mapped files."""
    return _status(kind)


def _status(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 2**20 if found else float("nan")


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Table:
    """Prints rows as they come: a wide first column, then narrow ones.

    Args:
        title: Title of the first column.
        columns: Titles of the other columns.
    """

    def __init__(self, title: str, *columns: str) -> None:
        self.widths = [max(12, len(column) + 2) for column in columns]
        print()
        self.row(title, *columns)

    def row(self, name: str, *cells: str | float) -> None:
        """Print a row, numbers with three digits."""
        texts = [cell if isinstance(cell, str) else _three_digits(cell) for cell in cells]
        print(
            f"{name:<40}" + "".join(f"{text:>{width}}" for text, width in zip(texts, self.widths, strict=False)),
            flush=True,
        )


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

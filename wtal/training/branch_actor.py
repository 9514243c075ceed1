"""The actor of one branch of an asynchronous training, which Ray starts."""

import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from wtal.collaboration.asynchronous import RayExchange
from wtal.errors import ConfigError, WTALError, one_line
from wtal.results.run_folder import RunFolder
from wtal.training.branch_process import BranchCLI
from wtal.training.mistakes import origin

__all__ = ["BranchActor"]

_POLL_S = 0.5


class BranchActor:
    """One branch, trained in a process that Ray starts."""

    def train(self, run: str, name: str, exchange: Any, directory: str, threads: int) -> str:  # noqa: ANN401
        """Train the branch of a run, or go on with its training, until the exchange is closed.

        Args:
            run: Folder of the run.
            name: Name of the branch.
            exchange: Handle of the exchange's actor.
            directory: Folder that relative paths begin at.
            threads: Number of threads, that of the supervising process, so that a replay there gives the same weights.

        Returns:
            A mistake that another start would not fix, as one sentence; empty if the branch is trained.
        """
        try:
            os.chdir(directory)
            folder = RunFolder(Path(run))
            if not folder.config.is_file():
                raise ConfigError(f"{folder.config} is not there.")
        except (OSError, ConfigError) as error:
            where = f"{socket.gethostname()} does not see the folder of the run"
            return f"{where} ({error}): all machines need it and the data under the same paths."
        _write_to(folder.asynchronous / name / "output.txt")
        if directory not in sys.path:
            sys.path.append(directory)  # where the classes named in a user's configuration are
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Lightning, which adds its own handler, would keep that of Ray
        packets = RayExchange(folder.asynchronous, exchange)
        _end_with(packets)
        torch.set_num_threads(threads)
        return _mistake(lambda: BranchCLI(folder, name, exchange=packets))


def _mistake(train: Callable[[], object]) -> str:
    """Train, and return a user's mistake as a sentence; an end by SIGTERM, or a bug, is raised."""
    try:
        train()
    except SystemExit as stop:  # Lightning's, between two steps, which would end the process without a word
        raise RuntimeError("ended by SIGTERM") from stop
    except Exception as error:
        cause = origin(error)
        if isinstance(cause, WTALError | OSError):
            print(f"wtal: error: {cause}", file=sys.stderr, flush=True)
            return one_line(str(cause))
        traceback.print_exc()
        raise
    return ""


def _write_to(path: Path) -> None:
    """Append what this process writes to a file, also what is not written by Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _end_with(exchange: RayExchange) -> None:
    """End this process by SIGTERM when the exchange is closed or lost."""

    def wait() -> None:
        try:
            while not exchange.is_closed():
                time.sleep(_POLL_S)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()

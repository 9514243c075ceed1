"""One run of a sweep: claimed by one of many processes, trained in a process of its own, never done twice."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from wtal.errors import ConfigError
from wtal.io.files import write_text
from wtal.results.record import Record, read_record
from wtal.results.run_folder import newest_checkpoint, records_below
from wtal.sweep.definition import Assignment, Sweep

__all__ = ["Outcome", "end_all", "is_claimed", "outcome_of", "perform"]

_ENDED_FROM_OUTSIDE = (143, -signal.SIGTERM)  # as when a cluster reclaims the machine
_PDEATHSIG = 1  # of prctl(2)
_running: set[subprocess.Popen[bytes]] = set()
_terminating = threading.Event()

BEAT_S = 20.0  # interval at which the owner of a claim renews it
STALE_S = 120.0  # age from which an unrenewed claim of another machine is void


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run, as in ``outcome.json`` of its folder.

    Args:
        assignment: Values of the parameters.
        status: ``done`` or ``failed``; ``running`` and ``waiting`` are never written.
        reason: Reason of a failure: the last line of the output.
        metrics: Metrics of the last checkpoint, by name.
        seconds: Duration of the command since it was last resumed.
    """

    assignment: Assignment
    status: str = "waiting"
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def outcome_of(sweep: Sweep, assignment: Assignment, folder: Path) -> Outcome:
    """The outcome of a run so far, read from its folder in the folder of all runs."""
    home = folder / sweep.run_name(assignment)
    try:
        return Outcome(**json.loads((home / "outcome.json").read_text()))
    except (OSError, ValueError, TypeError):
        return Outcome(assignment, "running" if (home / "claim.json").exists() else "waiting")


def is_claimed(sweep: Sweep, assignment: Assignment, folder: Path) -> bool:
    """Whether a living process works on a run."""
    path = folder / sweep.run_name(assignment) / "claim.json"
    return path.exists() and not _is_void(path)


def perform(
    sweep: Sweep, assignment: Assignment, folder: Path, retry: bool, ends_with_us: bool = False
) -> Outcome | None:
    """Train one run, unless it is done or another process works on it.

    An interrupted run continues from its last checkpoint.

    Args:
        sweep: The sweep with its command.
        assignment: Values of the parameters.
        folder: Folder of all runs.
        retry: Whether to run a failed run again.
        ends_with_us: Whether the training is to end, by SIGTERM, when this process is killed, so that no other machine
            finds the claim void while it trains.

    Returns:
        The outcome; None if another process works on the run.

    Raises:
        SystemExit: If SIGTERM has ended the training.
    """
    home = folder / sweep.run_name(assignment)
    home.mkdir(parents=True, exist_ok=True)
    known = outcome_of(sweep, assignment, folder)
    if known.status == "done" or (known.status == "failed" and not retry):
        return known
    with _claim(home) as mine:
        if not mine:
            return None
        known = outcome_of(sweep, assignment, folder)  # it may have ended before this process got the claim
        if known.status == "done":
            return known
        (home / "outcome.json").unlink(missing_ok=True)
        outcome = _train(sweep, assignment, home, ends_with_us)
        write_text(home / "outcome.json", json.dumps(asdict(outcome), indent=1))
        return outcome


def end_all() -> None:
    """Terminate all trainings of this process; each writes its checkpoint first."""
    _terminating.set()
    for process in list(_running):
        process.terminate()


def _train(sweep: Sweep, assignment: Assignment, home: Path, ends_with_us: bool) -> Outcome:
    record = _newest_record(home / "run")
    if record is not None:  # the training was finished although its sweep was killed
        return Outcome(assignment, "done", "", dict(record.metrics), record.seconds)
    extra = [f"--trainer.default_root_dir={home / 'run'}"]
    checkpoint = newest_checkpoint(home / "run")
    if sweep.command[:2] == ("wtal", "fit"):
        extra.append("--resume=true")  # in the run's own folder
    elif checkpoint is not None:
        extra.append(f"--ckpt_path={checkpoint}")
    start, words = time.monotonic(), sweep.words(assignment, extra)
    with (home / "output.txt").open("a") as output:
        try:
            before = _ends_with_parent() if ends_with_us else None
            process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, preexec_fn=before)
        except OSError as error:
            return Outcome(assignment, "failed", f"{words[0]} cannot be started: {error.strerror}")
        write_text(home / "claim.json", _token(process.pid))
        _running.add(process)
        if _terminating.is_set():
            process.terminate()
        code = process.wait()
        _running.discard(process)
    if code in _ENDED_FROM_OUTSIDE:
        raise SystemExit(143)  # the run has a checkpoint, and is neither done nor failed
    seconds, record = time.monotonic() - start, _newest_record(home / "run")
    if code == 0 and record is not None:
        return Outcome(assignment, "done", "", dict(record.metrics), seconds)
    reason = f"exit code {code}: {_last_line(home / 'output.txt')}" if code else "it left no record.json"
    return Outcome(assignment, "failed", reason, {}, seconds)


def _ends_with_parent() -> Callable[[], object] | None:
    """What a child calls so that Linux sends it SIGTERM when its parent is gone; None on another system."""
    if not sys.platform.startswith("linux"):
        return None
    return partial(ctypes.CDLL(None).prctl, _PDEATHSIG, signal.SIGTERM)


def _newest_record(folder: Path) -> Record | None:
    try:
        return next((record for record in map(read_record, reversed(records_below(folder))) if record), None)
    except ConfigError:  # damaged: the training writes it again
        return None


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no output"


# Claims -------------------------------------------------------------------------------------------------------------


@contextmanager
def _claim(home: Path) -> Iterator[bool]:
    """Try to claim a run; yields whether this process owns it now. While it does, a thread renews the claim."""
    path = home / "claim.json"
    if _is_void(path):
        path.unlink(missing_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        yield False
        return
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(_token())
    except OSError as error:  # a full disk; an empty claim would keep other processes waiting
        path.unlink()
        error.filename = str(path)
        raise
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, ended), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        ended.set()
        beat.join()
        path.unlink(missing_ok=True)


def _token(child: int | None = None) -> str:
    """The owner of a claim: this process and, once started, the training, which may outlive it."""
    return json.dumps({"host": socket.gethostname(), "pids": [os.getpid(), *([child] if child else [])]})


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        with suppress(FileNotFoundError):
            os.utime(path)


def _is_void(path: Path) -> bool:
    """Whether a claim's owner has died: checked directly on this machine, otherwise by the claim's age."""
    try:
        age_s = time.time() - path.stat().st_mtime
        owner = json.loads(path.read_text())
    except FileNotFoundError:
        return False
    except ValueError:  # still being written, or cut off
        return age_s > STALE_S
    if owner["host"] == socket.gethostname():
        return not any(map(_lives, owner["pids"]))
    return age_s > STALE_S


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

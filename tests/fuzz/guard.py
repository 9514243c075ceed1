"""What a reader may do with an untrusted file: return a result or raise one sentence, soon and in little memory."""

import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import wtal
from wtal.errors import WTALError

SECONDS, PATIENCE, ROOM = 10, 100, 512 << 20  # of computing, and in all
_PACKAGE = str(Path(wtal.__file__).parent)


class Hung(BaseException):
    """The alarm; no reader catches it."""


def _ring(*_: object) -> None:
    raise Hung


@contextmanager
def little_time_and_room(seconds: float = SECONDS, room: int = ROOM) -> Iterator[None]:
    """Limit the time, and the bytes by which the address space can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    clocks = {signal.ITIMER_PROF: (signal.SIGPROF, seconds), signal.ITIMER_REAL: (signal.SIGALRM, PATIENCE)}
    before = {number: signal.signal(number, _ring) for number, _ in clocks.values()}
    resource.setrlimit(resource.RLIMIT_AS, (size + room, hard))
    for clock, (_, limit) in clocks.items():
        signal.setitimer(clock, limit)
    try:
        yield
    finally:
        for clock in clocks:
            signal.setitimer(clock, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        for number, handler in before.items():
            signal.signal(number, handler)


def complaint(read: Callable[[], object], canary: Path) -> str | None:
    """What is wrong with how a file is read, and where in the package; None if nothing is.

    Args:
        read: Reads it.
        canary: Folder that exists once code from a file has run.
    """
    problem = None
    try:
        with little_time_and_room():
            read()
    except Hung as error:
        problem = f"hangs {_place(error)}"
    except WTALError as error:
        problem = _bad_sentence(error)
    except Exception as error:
        problem = f"{type(error).__name__} {_place(error)}: {str(error)[:100]!r}"
    if canary.exists():
        canary.rmdir()
        return "runs code"
    return problem


def _bad_sentence(error: WTALError) -> str | None:
    text, seen, cause = str(error), set[int](), error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, MemoryError) or "allocate" in str(cause):
            return f"wants much memory {_place(cause)}"
        seen.add(id(cause))  # an error that is raised again is its own context
        cause = cause.__cause__ or cause.__context__
    if len(text.splitlines()) != 1 or not text.isprintable():
        return f"not one printable line {_place(error)}: {text[:100]!r}"
    if len(text) > 2000:
        return f"a sentence of {len(text)} characters {_place(error)}"
    return None


def _place(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_PACKAGE)]
    return f"in {Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else "outside"

"""One process at a time, where several may want to create the same files."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["alone"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is creating a folder, and delete the drafts ``.<name>.new-*`` of a killed one.

    This also holds between machines that share the folder, if their file system supports locks.
    """
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for draft in folder.parent.glob(f".{folder.name}.new-*"):
            shutil.rmtree(draft, ignore_errors=True)
        yield

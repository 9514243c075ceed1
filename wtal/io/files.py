"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["drafted", "write_text"]


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A draft to write; it takes the file's place when the block ends, and is gone if the block fails.

    Yields:
        The draft's path, in the file's folder, which is made if it is not there.

    Raises:
        OSError: If the file cannot be written; it names the file, which that of a full disk does not do by itself.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        if error.filename in (None, str(draft)):
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            draft.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        OSError: As :func:`drafted`.
    """
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")  # a name may hold half a surrogate pair

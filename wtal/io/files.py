"""Files are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["drafted", "write_text"]


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Write to a draft that replaces the file when the block ends, and is deleted if the block fails.

    Yields:
        Path of the draft, in the folder of the file, which is created if necessary.

    Raises:
        OSError: If the file cannot be written. It names the file even where the system does not, as on a full disk.
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
    """Write text to a file, whole or not at all.

    Raises:
        OSError: See :func:`drafted`.
    """
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")  # a name may hold an unpaired surrogate

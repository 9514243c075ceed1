"""Files in a folder and its subfolders, whether these lie there or are linked."""

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["files_below"]

_MAX_DEPTH = 8


def files_below(folder: Path, depth: int = _MAX_DEPTH) -> Iterator[Path]:
    """Files in a folder and its subfolders, sorted by path, without hidden ones.

    Linked folders are searched as well. Each folder is searched once, so links that lead in a circle do no harm.

    Args:
        folder: The folder; if there is none, no file is found.
        depth: Levels of subfolders to search.
    """
    seen: set[str] = set()

    def below(here: Path, levels: int) -> Iterator[Path]:
        real = os.path.realpath(here)
        if real in seen or not os.access(here, os.R_OK | os.X_OK) or not os.path.isdir(here):
            return
        seen.add(real)
        for name in sorted(os.listdir(here)):
            path = here / name
            if name.startswith("."):
                continue
            if path.is_dir():
                yield from below(path, levels - 1) if levels else ()
            else:
                yield path

    yield from below(folder, depth)

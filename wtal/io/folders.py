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
        if real in seen:
            return
        seen.add(real)
        try:
            with os.scandir(here) as found:
                entries = sorted((entry.name, entry.is_dir()) for entry in found if not entry.name.startswith("."))
        except OSError:  # no folder, or one that may not be read
            return
        for name, is_folder in entries:
            if not is_folder:
                yield here / name
            elif levels:
                yield from below(here / name, levels - 1)

    yield from below(folder, depth)

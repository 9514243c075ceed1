"""Numbered files that several processes leave for each other."""

import os
from pathlib import Path

from wtal.io.files import drafted

__all__ = ["VersionedFiles"]


class VersionedFiles:
    """Files ``<folder>/<home>/<version><suffix>``, each of which appears by a rename.

    It keeps nothing in memory but whether it is closed, and imports nothing heavy: it may live in a process of its own
    that is started again at any time.

    Args:
        folder: The folder.
        suffix: What their names end with.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self.suffix, self._is_closed = folder, suffix, False

    def _path(self, home: str, version: int) -> Path:
        return self.folder / home / f"{version:06d}{self.suffix}"

    def latest(self, home: str) -> int:
        """The newest version in a folder; 0 without any."""
        try:
            names = os.listdir(self.folder / home)
        except FileNotFoundError:
            return 0
        numbers = [name.removesuffix(self.suffix) for name in names if name.endswith(self.suffix)]
        return max((int(number) for number in numbers if number.isdecimal()), default=0)

    def read(self, home: str, version: int) -> bytes:
        """The content of a file.

        Raises:
            OSError: If it cannot be read.
        """
        return self._path(home, version).read_bytes()

    def write(self, home: str, version: int, content: bytes) -> None:
        """Write a file; to write it again with the same content changes nothing.

        Raises:
            OSError: If it cannot be written.
        """
        with drafted(self._path(home, version)) as draft:
            draft.write_bytes(content)

    def close(self) -> None:
        """Tell those who ask that the work ends."""
        self._is_closed = True

    def is_closed(self) -> bool:
        """Whether the work ends."""
        return self._is_closed

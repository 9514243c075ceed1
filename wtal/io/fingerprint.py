"""What tells a reader which file was read."""

import hashlib
from pathlib import Path

from wtal.io.folders import files_below

__all__ = ["checksum", "fingerprint"]

_LARGEST = 2**26  # bytes; a larger file in a folder of annotations holds features


def checksum(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of what ``sha256sum *`` prints for its files of at most 64 MiB.

    Raises:
        OSError: If it cannot be read.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for file in files_below(path):
            if file.stat().st_size <= _LARGEST:
                line = f"{checksum(file)}  {file.relative_to(path).as_posix()}\n"
                digest.update(line.encode(errors="surrogateescape"))
    else:
        with path.open("rb") as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def fingerprint(path: Path) -> str:
    """Name of a file or folder and its :func:`checksum`; empty if it is gone."""
    try:
        return f"{path.name} (sha256 {checksum(path)}{' of `sha256sum *`' if path.is_dir() else ''})"
    except OSError:
        return ""

"""What a table says so that a reader can tell which file was read."""

import hashlib
from pathlib import Path

from wtal.io.folders import files_below

__all__ = ["fingerprint"]

_LARGEST = 2**26  # bytes; a larger file in a folder of annotations holds features


def fingerprint(path: Path) -> str:
    """Name of a file and its SHA-256; empty if it is gone.

    Args:
        path: The file, or a folder, which stands for what ``sha256sum *`` prints for its files of at most 64 MiB.
    """
    try:
        if not path.is_dir():
            return f"{path.name} (sha256 {_sha256(path)})"
        digest = hashlib.sha256()
        for file in files_below(path):
            if file.stat().st_size <= _LARGEST:
                line = f"{_sha256(file)}  {file.relative_to(path).as_posix()}\n"
                digest.update(line.encode(errors="surrogateescape"))
    except OSError:
        return ""
    return f"{path.name} (sha256 {digest.hexdigest()} of `sha256sum *`)"


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()

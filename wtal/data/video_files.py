"""Video files and how a video is called: as its file, without folder and ending."""

import re
from pathlib import Path

__all__ = ["VIDEO_SUFFIXES", "video_files", "video_name"]

VIDEO_SUFFIXES = (
    ".mp4", ".webm", ".mkv", ".mov", ".m4v", ".ogv", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".mts", ".m2ts", ".3gp"
)  # fmt: skip


def video_name(text: str) -> str:
    r"""The name of a video that may be given by its file.

    >>> [video_name(text) for text in ("run.mp4", r"C:\clips\run 1.MOV", "v_1.5", "a/b")]
    ['run', 'run 1', 'v_1.5', 'a/b']
    """
    return re.split(r"[/\\]", text)[-1].rpartition(".")[0] if text.lower().endswith(VIDEO_SUFFIXES) else text


def video_files(folder: Path) -> list[Path]:
    """The video files of a folder and below it, by path; hidden ones are left out."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in VIDEO_SUFFIXES)
    return [path for path in found if path.is_file() and not path.name.startswith(".")]

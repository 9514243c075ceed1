"""Video files, and the names of videos: those of their files without folder and suffix."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from wtal.errors import VideoError
from wtal.io.folders import files_below
from wtal.io.text import plain

__all__ = ["SOUND_SUFFIXES", "VIDEO_SUFFIXES", "find_videos", "media_name", "video_files", "video_name"]

VIDEO_SUFFIXES = (
    ".mp4", ".webm", ".mkv", ".mov", ".m4v", ".ogv", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".mts", ".m2ts", ".3gp"
)  # fmt: skip

SOUND_SUFFIXES = (
    ".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".caf", ".wma", ".w64"
)  # fmt: skip


def video_name(text: str) -> str:
    r"""The name of a video, which may be given as the path of its file.

    >>> [video_name(text) for text in ("run.mp4", r"C:\clips\run 1.MOV", "v_1.5", "a/b")]
    ['run', 'run 1', 'v_1.5', 'a/b']
    """
    is_file = text.lower().endswith((*VIDEO_SUFFIXES, *SOUND_SUFFIXES))
    return re.split(r"[/\\]", text)[-1].rpartition(".")[0] if is_file else text


def media_name(address: str) -> str:
    """The name of a video by the path or address of its file, without the digits that Label Studio puts in front.

    >>> [media_name(text) for text in ("data/upload/1/0a1b2c3d-run.mp4", "file:///C:/a%20b.mov", "x.eaf")]
    ['run', 'a b', 'x']
    """
    name = re.split(r"[/\\]", unquote(address))[-1]
    if "/upload/" in address:
        name = re.sub(r"^[0-9a-f]{8}-", "", name)
    return plain(video_name(name).removesuffix(".eaf"))


def video_files(folder: Path, suffixes: Sequence[str] = VIDEO_SUFFIXES) -> list[Path]:
    """Video files in a folder and its subfolders, linked ones too, sorted by path, without hidden ones."""
    return [path for path in files_below(folder) if path.suffix.lower() in suffixes and path.is_file()]


def find_videos(paths: Iterable[Path], suffixes: Sequence[str] = VIDEO_SUFFIXES) -> dict[str, Path]:
    """Videos by name: given files, and all files with the suffix of a video in given folders.

    Args:
        paths: Files and folders.
        suffixes: Suffixes of the files that are taken from folders.

    Raises:
        VideoError: If a path does not exist, a folder holds no video, or two videos have the same name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise VideoError(f"There is no video {path}: correct the path.")
        files = video_files(path, suffixes) if path.is_dir() else [path]
        if not files:
            raise VideoError(f"{path} holds no video ({', '.join(suffixes)}).")
        for file in files:
            other = found.setdefault(unicodedata.normalize("NFC", file.stem), file)
            if other.resolve() != file.resolve():
                raise VideoError(f"{other} and {file} would both be the video {file.stem}: rename one of them.")
    return found

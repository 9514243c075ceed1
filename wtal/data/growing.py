"""Annotations in a file that is being written: what is not finished yet is left out, and classes keep their names."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from wtal.data.annotations import Annotations
from wtal.data.labels import label_key
from wtal.errors import AnnotationError

__all__ = ["finished", "read_finished", "spelled_alike"]

_LINES = (".csv", ".tsv", ".txt")  # other files are whole or cannot be read
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def finished(content: bytes) -> bytes:
    r"""The finished lines of a text file.

    A line is finished by its end. A program that appends to a file writes whenever its buffer is full, so that the last
    line may be cut for a long time, and even in the middle of a label.

    >>> finished(b"video,label\na,run\nb,high ju")
    b'video,label\na,run\n'
    """
    if content.startswith(_UTF_16) or content.endswith((b"\n", b"\r")):
        return content
    return content[: max(content.rfind(b"\n"), content.rfind(b"\r")) + 1]


def read_finished(path: Path, read: Callable[[Path], Annotations]) -> tuple[Annotations, str]:
    """Read annotations without a last line that may be unfinished.

    Args:
        path: The file.
        read: Reads a file of annotations; it gets a copy, to which nothing is added meanwhile.

    Returns:
        The annotations, and a sentence about a line that was left out, empty if there is none.

    Raises:
        AnnotationError: If the file cannot be read.
    """
    if path.suffix.lower() not in _LINES or not path.is_file():
        return read(path), ""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{path} cannot be read ({error.strerror}): let it be readable.") from error
    whole = finished(content)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(whole)
        try:
            found = read(copy)
        except AnnotationError as error:
            raise AnnotationError(str(error).replace(str(copy), str(path))) from error
    notes = tuple(note.replace(str(copy), str(path)) for note in found.notes)
    left = (
        f"The last line of {path} has no line end, so it may be unfinished: it is left for the next epoch."
        if len(whole) < len(content)
        else ""
    )
    return replace(found, path=path, notes=notes), left


def spelled_alike(annotations: Annotations, known: Sequence[str]) -> Annotations:
    """Annotations whose classes have the names and the order that they had before, with new ones at the end.

    The usual spelling of a class may change when a table grows; that makes no new class.

    Args:
        annotations: The annotations.
        known: Names of the classes so far, in their order.
    """
    keys = {label_key(name): name for name in reversed([*known, *annotations.class_names])}
    names = {name: name if name in known else keys[label_key(name)] for name in annotations.class_names}
    order = tuple(dict.fromkeys([*known, *names.values()]))
    place = {name: index for index, name in enumerate(order)}

    def labels(former: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({names[name] for name in former}, key=place.__getitem__))

    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(label=[names[name] for name in table["label"]])

    spelled: list[Any] = [labels(former) for former in annotations.videos["labels"]]
    videos = annotations.videos.assign(labels=spelled)
    return replace(annotations, videos=videos, segments=renamed(annotations.segments), class_names=order)

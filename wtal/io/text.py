"""Text of files from any program and system, and names that are equal however they are encoded."""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from wtal.errors import WTALError

__all__ = ["counted", "expanded", "few", "plain", "read_any_text"]

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte-order marks
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx, .ods and .numbers; .xls


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not 1.

    >>> [counted(1, "video"), counted(2, "video"), counted(0, "class")]
    ['1 video', '2 videos', '0 classes']
    """
    many = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else many}"


def few(names: Sequence[str], most: int = 3) -> str:
    """Some names of many, for a sentence.

    >>> few(["a", "b"]), few(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def plain(text: str) -> str:
    r"""A name or label without superfluous spaces, in composed Unicode (macOS decomposes the names of files).

    >>> plain(" cafe\u0301  bar ") == "caf\u00e9 bar"
    True
    """
    return unicodedata.normalize("NFC", " ".join(text.split()))


def read_any_text(path: Path, error: type[WTALError]) -> tuple[str, str]:
    """Read text in UTF-8, UTF-16 or, if it is neither, in Windows' cp1252.

    Returns:
        The text without a byte-order mark, and the name of its encoding.

    Raises:
        WTALError: Of the given type, if the file cannot be read or is not text.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as problem:  # a ValueError for a name that no file can have
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{path} cannot be read: {reason}.") from problem
    for encoding in _encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:  # almost any bytes decode as cp1252, even a workbook's
            return text, encoding
    raise error(f'{path} cannot be read as text: save it in UTF-8, in a spreadsheet as "CSV UTF-8".')


def _encodings(content: bytes) -> list[str]:
    """Possible encodings, the most probable first."""
    if content.startswith(_WORKBOOKS):
        return []
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    if marked:
        return [marked]
    start = content[:1000]
    if len(start) > 3 and start[1::2].count(0) > len(start) // 3:
        return ["utf-16-le"]
    if len(start) > 3 and start[::2].count(0) > len(start) // 3:
        return ["utf-16-be"]
    return ["utf-8", "cp1252"]


def expanded(text: str) -> str:
    """A path of a configuration, with ``~`` for the home folder and variables such as ``$HOME`` replaced.

    Text that is no such path, and variables that are not set, stay as they are.

    >>> [expanded(text) for text in ("a ~ b", "costs $HOME", "data/$NOT_SET/x")]
    ['a ~ b', 'costs $HOME', 'data/$NOT_SET/x']
    """
    if re.match(r"~[\w.-]*(/|$)", text) and text != "~":  # a lone `~` is YAML's null
        text = os.path.expanduser(text)
    if re.match(r"\$(\w+|\{\w+\})$", text) or ("/" in text and "$" in text):
        text = os.path.expandvars(text)
    return text

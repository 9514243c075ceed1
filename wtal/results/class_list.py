"""Names of classes by number, for predictions whose labels are numbers."""

import re
from pathlib import Path

from wtal.errors import PredictionError
from wtal.io.bounds import read_json
from wtal.io.columns import canonical, known
from wtal.io.text import plain, read_any_text

__all__ = ["read_class_list"]


def read_class_list(path: Path) -> dict[int, str]:
    """Read a class list: one name a line, or a JSON list, counted from 0; or lines ``number name``.

    A table may have a header.

    Raises:
        PredictionError: If the file cannot be read, is empty, or gives two classes one number.
    """
    if path.suffix.lower() == ".json":
        content = read_json(path, PredictionError)
        pairs = _pairs(content)
        if pairs is None:
            raise PredictionError(
                f"{path} is no class list: give a JSON list of names, or a text with one name a line."
            )
    else:
        lines = [line for line in map(str.strip, read_any_text(path, PredictionError)[0].splitlines()) if line]
        if path.suffix.lower() in (".csv", ".tsv") and "label" in canonical(
            re.split("[,;\t]", (lines or [""])[0]), known("label")
        ):
            del lines[0]  # the header
        numbered = [re.fullmatch(r"(\d+)[\s,;:]+(\S.*)", line) for line in lines]
        own = [(int(found[1]), found[2]) for found in numbered if found]
        pairs = own if len(own) == len(lines) else list(enumerate(lines))
    names = {number: plain(name) for number, name in pairs}
    if not names or len(names) < len(pairs):
        raise PredictionError(f"{path} names no class, or gives two classes one number: write one name a line.")
    return names


def _pairs(content: object) -> list[tuple[int, str]] | None:
    """Number and name of each class in JSON: a list of names, or an object of either kind; None for anything else."""
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return list(enumerate(content))
    if isinstance(content, dict):
        if all(key.isdecimal() and isinstance(name, str) for key, name in content.items()):
            return [(int(key), name) for key, name in content.items()]
        if all(type(number) is int for number in content.values()):
            return [(number, name) for name, number in content.items()]
    return None

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
    pairs = _of_json(path) if path.suffix.lower() == ".json" else _of_lines(path)
    names = {number: plain(name) for number, name in pairs}
    if not names or len(names) < len(pairs):
        raise PredictionError(f"{path} names no class, or gives two classes one number: write one name a line.")
    return names


def _of_json(path: Path) -> list[tuple[int, str]]:
    pairs = _pairs(read_json(path, PredictionError))
    if pairs is None:
        raise PredictionError(f"{path} is no class list: give a JSON list of names, or a text with one name a line.")
    return pairs


def _of_lines(path: Path) -> list[tuple[int, str]]:
    lines = [line for line in map(str.strip, read_any_text(path, PredictionError)[0].splitlines()) if line]
    header = re.split("[,;\t]", lines[0]) if lines and path.suffix.lower() in (".csv", ".tsv") else []
    if "label" in canonical(header, known("label")):
        del lines[0]
    numbered = [re.fullmatch(r"(\d+)[\s,;:]+(\S.*)", line) for line in lines]
    own = [(int(found[1]), found[2]) for found in numbered if found]
    return own if len(own) == len(lines) else list(enumerate(lines))


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

"""Mistakes in options and settings, explained in one sentence that names the file."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from wtal.errors import WTALError

__all__ = ["mistake", "origin"]


def origin(error: BaseException) -> BaseException:
    """The first error of this project in a chain of causes, or the very first cause if there is none.

    jsonargparse wraps a constructor's error in a list of everything else that the setting could have been.
    """
    while error.__cause__ is not None and not isinstance(error, WTALError):
        error = error.__cause__
    return error


def mistake(message: str, argv: Sequence[str]) -> str:
    """Shorten an error of jsonargparse to one sentence that names the option, its file, and what was expected.

    Args:
        message: The error's message, usually of many lines.
        argv: Words of the command line, whose configuration files are searched for the option.
    """
    paths = [Path(word.rpartition("=")[2]) for word in argv if word.endswith((".yaml", ".yml"))]
    files = [path for path in paths if path.is_file()]
    if message.startswith("Problems parsing config"):
        return next(filter(None, map(_syntax_error, files)), _one_line(message))
    unknown = re.search(r"[Oo]ption '([^']+)'", message)
    if unknown:
        owners = re.findall(r"class_path '([^']+)'", message[: unknown.start()])
        of = f" of {owners[-1]}" if owners else ""
        return f"{_prefix(unknown[1], files)}there is no option {unknown[1]!r}{of}; look for a misspelling."
    key = re.match(r'Parser key "([^"]+)":', message)
    if not key:
        return _one_line(message)
    name = ".".join(re.findall(r'Parser key "([^"]+)":', message))  # of an option of a class in another class
    if name != key[1] and (reason := _innermost(message)):
        return f"{_prefix(name, files)}{name}: {reason}"
    return f"{_prefix(key[1], files)}{key[1]}: {_reason(message[key.end() :])}"


def _innermost(message: str) -> str:
    """What the value of one option of a class should have been; empty if the message does not state it."""
    wrong = re.search(r"Expected an? [^\n]*\. Got value: [^\n]+", message)
    if wrong:
        return _one_line(wrong[0])
    path = re.search(r"Expected a path but (\S+) either not accessible", message)
    return (
        f"{path[1]!r} is no file of settings; give each setting by its name, such as `path: {path[1]}`." if path else ""
    )


def _reason(message: str) -> str:
    """What a value should have been, from jsonargparse's list of all types that it tried."""
    tried = re.findall(r"^\s*- (.*(?:\n\s+(?!- |Given )\S.*)*)", message, re.MULTILINE)
    reasons = [_one_line(reason).replace("Expected a ", "expected ") for reason in tried if "NoneType" not in reason]
    given = re.search(r"Given value: ([^{\n]{1,50})$", message, re.MULTILINE)
    value = f", not {given[1]!r}" if given else ""
    return f"{' or '.join(reasons)}{value}." if reasons else _one_line(message)


def _prefix(key: str, files: Sequence[Path]) -> str:
    """The last file that holds all words of a key, as the beginning of a sentence."""
    words = [rf"\b{re.escape(word)}[\"']?\s*:" for word in key.split(".")]
    for file in reversed(files):
        text = file.read_text()
        if all(re.search(word, text) for word in words):
            return f"{file}: "
    return ""


def _syntax_error(file: Path) -> str | None:
    try:
        yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        return f"{file} is not valid YAML: {_one_line(str(error))}"
    return None


def _one_line(text: str) -> str:
    """Text in one line, with types and values in words instead of in jsonargparse's.

    >>> _one_line("Expected a typing.Literal['json', 'csv']. Got value: xml")
    "expected one of 'json', 'csv', not 'xml'."
    """
    text = " ".join(re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text).split())
    text = re.sub(r"(?:[Ee]xpected a )?(?:expected )?(?:typing\.)?Literal\[([^]]*)\]", r"expected one of \1", text)
    text = re.sub(r"Expected an? (\w+)\. Got value:", r"expected \1. Got value:", text)
    text = re.sub(r"\. Got value: (.+)$", r", not '\1'.", text)
    text = text.replace("expected Sequence", "expected a list")
    return re.sub(r"[Ee]xpected dot import path string: ([\w.]+?)\.?(?=$|,| or )", r"there is no class \1", text)

"""What went wrong with options and settings, in one sentence that names the file."""

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

import yaml

from wtal.errors import WTALError

__all__ = ["gather", "mistake", "origin"]


def gather(function: Callable[..., object], argv: Sequence[str]) -> list[str]:
    """Write a command line as jsonargparse takes it.

    What is said of an option that is a list is joined: ``-c a -c b`` and ``--seeds 0 1``, as ``--seeds=[0, 1]``. A
    switch needs no value, and an option may be written with dashes: ``--per-class``, as ``--per_class=true``.

    Args:
        function: Its parameters of type ``Sequence`` and ``bool`` are such options.
        argv: Words of the command line.

    >>> def compare(config: Sequence[Path], seeds: Sequence[int] = (0,), dry_run: bool = False) -> None: ...
    >>> gather(compare, ["-c", "a.yaml", "--seeds", "0", "1", "--dry-run", "--config=b.yaml"])
    ['--dry_run=true', '--config=[a.yaml, b.yaml]', '--seeds=[0, 1]']
    """
    parameters = inspect.signature(function).parameters
    argv = [_plain_option(word, following, parameters) for word, following in zip(argv, [*argv[1:], ""], strict=True)]
    lists: dict[str, list[Any]] = {
        name: [] for name, parameter in parameters.items() if get_origin(parameter.annotation) is Sequence
    }
    rest: list[str] = []
    current: list[Any] | None = None  # the list that words go to
    for word in argv:
        text = word
        if word.startswith("-"):
            option, _, text = word.partition("=")
            current = lists.get({"-c": "config"}.get(option, option.removeprefix("--")))
        if current is None:
            rest.append(word)
        elif text:
            value = yaml.safe_load(text)
            current += value if isinstance(value, list) else [value]
    joined = {
        name: yaml.safe_dump(values, default_flow_style=True, width=sys.maxsize)
        for name, values in lists.items()
        if values
    }
    return rest + [f"--{name}={values.strip()}" for name, values in joined.items()]


def _plain_option(word: str, following: str, parameters: Mapping[str, inspect.Parameter]) -> str:
    option, equals, value = word.partition("=")
    name = option.removeprefix("--").replace("-", "_")
    if not option.startswith("--") or name not in parameters:
        return word
    if parameters[name].annotation is bool and not equals and following.lower() not in {"true", "false"}:
        return f"--{name}=true"
    return f"--{name}{equals}{value}"


def origin(error: BaseException) -> BaseException:
    """The first error of this project in a chain of causes, or the very first cause if there is none.

    jsonargparse wraps an error of a constructor in a list of everything else that the setting could have been.
    """
    while error.__cause__ is not None and not isinstance(error, WTALError):
        error = error.__cause__
    return error


def mistake(message: str, argv: Sequence[str]) -> str:
    """Shorten an error of jsonargparse to one sentence that names the option, its file, and what was expected.

    Args:
        message: The error's message, usually of many lines.
        argv: Words of the command line; the configuration files among them are searched for the option.
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
    return f"{_prefix(key[1], files)}{key[1]}: {_reason(message[key.end() :])}"


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
    return " ".join(re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text).split())

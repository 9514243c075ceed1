"""The options of a command, made from the signature and the docstring of its function.

Parameters before ``/`` are positional, those of type ``Sequence`` with one word or more (any number if the default is
empty); all others are options.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from wtal.errors import ConfigError
from wtal.io.addresses import is_address
from wtal.io.options import plain_options
from wtal.io.remote import is_remote_address, local_of, remote_address
from wtal.io.shipped import find_config

__all__ = ["call", "gather", "with_shipped"]


def call(function: Callable[..., None], name: str, description: str, words: Sequence[str]) -> None:
    """Call a command's function with the words that follow its name on the command line.

    Args:
        function: The function, whose signature and docstring define the options.
        name: Name of the command.
        description: Help for the command, in one line.
        words: The words after the name.

    Raises:
        argparse.ArgumentError: If the words do not fit the options.
    """
    from docstring_parser import parse
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=f"wtal {name}", description=description, exit_on_error=False)
    help_of = {parameter.arg_name: parameter.description for parameter in parse(function.__doc__ or "").params}
    places = [p for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_ONLY]
    for parameter in places:
        many, optional = get_origin(parameter.annotation) is Sequence, parameter.default is None
        parser.add_argument(
            parameter.name,
            type=get_args(parameter.annotation)[0] if many else parameter.annotation,
            nargs=("*" if parameter.default == () else "+") if many else "?" if optional else None,
            help=help_of[parameter.name],
        )
    parser.add_function_arguments(function, as_positional=False, skip={p.name for p in places})
    values = _with_local_paths(name, dict(parser.instantiate(parser.parse_args(gather(function, words)))))
    function(*[values.pop(parameter.name) for parameter in places], **values)


def _with_local_paths(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {option: _output(name, given) if option == "output" else _local(given) for option, given in values.items()}


def _output(name: str, output: Any) -> Any:  # noqa: ANN401
    """Where a command writes, as it is.

    Raises:
        ConfigError: If that is an address, and the command writes to folders alone.
    """
    if not isinstance(output, Path) or not is_remote_address(output) or name == "extract":
        return output
    local = local_of(output)
    if local is None:
        raise ConfigError(
            f"`wtal {name}` does not write to {remote_address(output)}: give a folder as `--output`, and `wtal push` "
            "that."
        )
    return local


def _local(value: Any) -> Any:  # noqa: ANN401  a value of any option
    """Paths with what lies at an address downloaded, also in lists and by name; any other value as it is."""
    if isinstance(value, dict):
        return {name: _local(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_local, value))
    if not isinstance(value, Path) or not is_address(value):
        return value
    from wtal.training.sharing import local_path  # imports torch

    return local_path(value)


def gather(function: Callable[..., object], words: Sequence[str]) -> list[str]:
    """Rewrite a command line in the form that jsonargparse takes.

    The values of a list option, as in ``-c a -c b`` and ``--seeds 0 1``, are joined to ``--seeds=[0, 1]``. A switch
    needs no value, and an option may be written with dashes: ``--per-class`` becomes ``--per_class=true``.

    Args:
        function: The function, whose parameters of type ``Sequence`` and ``bool`` are such options.
        words: Words of the command line.

    >>> def compare(config: Sequence[Path], seeds: Sequence[int] = (0,), dry_run: bool = False) -> None: ...
    >>> gather(compare, ["-c", "a.yaml", "--seeds", "0", "1", "--dry-run", "--config=b.yaml"])
    ['--dry_run=true', '--config=[a.yaml, b.yaml]', '--seeds=[0, 1]']
    """
    parameters = inspect.signature(function).parameters
    switches = [name for name, parameter in parameters.items() if parameter.annotation is bool]
    words = plain_options(words, switches, parameters)
    lists: dict[str, list[Any]] = {
        name: [] for name, parameter in parameters.items() if get_origin(parameter.annotation) is Sequence
    }
    rest: list[str] = []
    current: list[Any] | None = None  # the list that words go to
    for word in words:
        text = word
        if word.startswith("-"):
            option, _, text = word.partition("=")
            current = lists.get({"-c": "config"}.get(option, option.removeprefix("--")))
        if current is None:
            rest.append(word)
        elif text:
            value = yaml.safe_load(text)
            current += value if isinstance(value, list) else [value]
    return rest + [_as_list(name, values) for name, values in lists.items() if values]


def _as_list(option: str, values: Sequence[Any]) -> str:
    return f"--{option}={yaml.safe_dump(values, default_flow_style=True, width=sys.maxsize).strip()}"


def with_shipped(words: Sequence[str]) -> Iterator[str]:
    """Replace names of shipped configurations after ``-c`` and ``--config`` by their paths.

    Raises:
        ConfigError: If a name is neither a file nor a shipped configuration.
    """
    before = ""
    for word in words:
        given = re.fullmatch(r"(--config=|-c=)?([^{\n]+)", word)  # not settings given as text
        if given and (given[1] or before in ("-c", "--config")):
            word = f"{given[1] or ''}{find_config(Path(given[2]))}"
        yield word
        before = word

"""``wtal``: finds the command, runs it, and turns a mistake into one sentence and an exit code.

A command is a module of this package that has a function ``run``: ``wtal data check`` is ``data_check.py``. Words are
joined by a hyphen where the first one is a command itself: ``wtal export-model`` is ``export_model.py``. The first
line of its docstring is the command's help. Nothing heavy is imported before a command is chosen, so that the overview
and misspelt commands answer at once.
"""

import argparse
import errno
import inspect
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from wtal._version import __version__
from wtal.errors import ConfigError, WTALError, one_line

__all__ = ["commands", "main"]


def commands() -> dict[str, str]:
    """The help of every command by its words, in alphabetical order."""
    texts = {file.stem: file.read_text(encoding="utf-8") for file in sorted(Path(__file__).parent.glob("*.py"))}
    found = {stem: text.partition("\n")[0].strip('"') for stem, text in texts.items() if "\ndef run(" in text}
    return {stem.replace("_", "-" if stem.partition("_")[0] in found else " "): text for stem, text in found.items()}


def main(args: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        args: Arguments without the program's name; None takes them from the command line.

    Returns:
        The exit code: 0, 2 after a user's mistake, 130 after Ctrl-C, 141 if nobody reads the output, 143 after
        SIGTERM.
    """
    argv = list(sys.argv[1:] if args is None else args)
    _prepare_output()
    try:
        _run([word for word in argv if word != "--debug"])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe; Python must not flush the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        from wtal.training.mistakes import origin

        message = _message(origin(error))
        if not message or "--debug" in argv or os.environ.get("WTAL_DEBUG", "0") != "0":
            raise
        print(f"wtal: error: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemExit as stop:
        code = _code_of(stop)
        if code is None:
            raise
        return code
    return 0


def _code_of(stop: SystemExit) -> int | None:
    """The exit code of an interruption that a library has turned into ``SystemExit``; None for any other exit."""
    if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning has shut the training down, and exits with 1
        return 130
    if isinstance(stop.__context__, BrokenPipeError):  # rich has closed the output, and exits with 1
        return 141
    if type(stop).__name__ == "SIGTERMException":  # Lightning's, between two steps; the checkpoint is written
        return 143
    return None


def _prepare_output() -> None:
    """Make any text printable, and silence libraries' advertisements and warnings that do not apply here."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name from a file may not be valid text
    for library in ("pytorch_lightning", "lightning_fabric"):
        logger = logging.getLogger(f"{library}.utilities.rank_zero")
        logger.addFilter(lambda record: not re.search(r"Tip: |^TPU available", record.getMessage()))
    for message in (
        r".*does not have many workers",  # features are memory-mapped: workers are no faster
        r"Total length of `list` across ranks is zero",  # without held-out videos there is nothing to validate on
        r"The dirpath has changed",  # a resumed run has a folder of its own
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    ):
        warnings.filterwarnings("ignore", message)


def _run(argv: list[str]) -> None:
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())  # where the classes named in a user's configuration are
    known = commands()
    for name in known:
        count = len(name.split())
        if argv[:count] == name.split():
            _run_command(name, known[name], argv[count:])
            return
    _overview(known).parse_args(argv or ["--help"])


def _run_command(name: str, help_text: str, words: list[str]) -> None:
    """Call the function of a command: with the words themselves if it takes ``*words``, else with its options.

    Raises:
        ConfigError: If an option is unknown or has a wrong value.
    """
    from jsonargparse import ArgumentError

    from wtal.commands.options import call, with_shipped
    from wtal.training.mistakes import mistake

    function = import_module(f"wtal.commands.{re.sub('[ -]', '_', name)}").run
    parameters = inspect.signature(function).parameters.values()
    try:
        if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
            words = list(with_shipped(words))
            function(*words)
        else:
            call(function, name, help_text, words)
    except ArgumentError as error:
        raise ConfigError(mistake(str(error), words)) from error


def _overview(known: dict[str, str]) -> argparse.ArgumentParser:
    """The parser of the top level, which shows the overview and reports an unknown command."""
    parser = argparse.ArgumentParser(
        "wtal",
        description="Weakly-supervised temporal action localization.",
        epilog="`wtal COMMAND --help` explains a command. `--debug` shows where an error arose.",
    )
    parser.add_argument("--version", action="version", version=f"wtal {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in known.items():
        subparsers.add_parser(name, help=text, add_help=False)
    return parser


def _message(error: BaseException) -> str:
    """One sentence about a user's mistake; empty for a bug in this program."""
    if isinstance(error, WTALError):
        return _sentence(error)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("wtal"):
        return one_line(f"{error}; if an optional package is missing, run `pip install 'wtal[all]'`.")
    return _of_the_system(error) if isinstance(error, OSError) else ""


def _sentence(error: WTALError) -> str:
    """An error's message, without the traceback in front that comes with errors of a data loader's workers."""
    whole = Exception.__str__(error).strip()
    if "Traceback" not in whole:
        return str(error)
    return one_line(whole.splitlines()[-1]).removeprefix(f"{type(error).__module__}.{type(error).__name__}: ")


def _of_the_system(error: OSError) -> str:
    """A refusal by the system, such as a write to a full disk: which file, why, and what to do."""
    remedies = {
        errno.ENOSPC: "make room",
        errno.EDQUOT: "make room",
        errno.EFBIG: "make room",
        errno.EACCES: "choose another place, or get permission",
        errno.EPERM: "choose another place, or get permission",
        errno.EROFS: "choose another place",
        errno.ENOENT: "correct the path",
        errno.ENOTDIR: "correct the path",
        errno.EISDIR: "correct the path",
        errno.EEXIST: "choose another place",
    }
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
    remedy = remedies.get(error.errno or 0, "`--debug` shows where")
    return f"{place}{error.strerror or error}; {remedy}, and start again."


if __name__ == "__main__":
    sys.exit(main())

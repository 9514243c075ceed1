"""``wtal``: Lightning's fit, validate, test and predict, and this project's own commands.

Nothing heavy is imported before a command is chosen, so that help and misspelt commands answer at once.
"""

import argparse
import errno
import importlib
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from wtal import __version__
from wtal.errors import ConfigError, WTALError, one_line

__all__ = ["main"]


class _Command(NamedTuple):
    help: str
    function: str  # "module:name"; its signature and docstring make the command's options
    positional: str = ""  # the argument that is given by place; of type Sequence, one word or more


_TRAINER = {
    "fit": "Train a branch or the collaboration.",
    "validate": "Measure a model on the held-out training videos.",
    "test": "Measure a model on the test videos.",
    "predict": "Localize actions in the test videos.",
}
_OWN = {
    "compare": _Command("Train and test all methods and end with their table.", "wtal.comparison.runner:compare"),
    "extract": _Command("Make I3D and CLIP features of videos.", "wtal.extraction.pipeline:extract", "videos"),
    "detect": _Command(
        "Find actions in videos: features, detections, timelines.", "wtal.extraction.detection:detect", "videos"
    ),
    "evaluate": _Command(
        "Measure prediction files by the rules of any public evaluator.",
        "wtal.results.evaluation:evaluate_files",
        "predictions",
    ),
    "analyze": _Command(
        "Say why methods fail, side by side, from their predictions.", "wtal.results.analysis:analyze", "predictions"
    ),
    "plot qualitative": _Command(
        "Draw videos: ground truth, CBP, VLP, and ours, with detections.", "wtal.commands.plot:qualitative", "run"
    ),
    "plot sensitivity": _Command(
        "Draw how much depends on the thresholds of localizer and teachers.", "wtal.commands.plot:sensitivity", "runs"
    ),
    "plot errors": _Command("Draw why methods fail, by their checkpoints.", "wtal.commands.plot:errors", "runs"),
    "sweep": _Command(
        "Run a sweep file, with all that it varies, without any server.", "wtal.sweep.command:sweep", "file"
    ),
    "table": _Command("Collect the records of runs into a paper's table.", "wtal.results.runs_table:table", "folders"),
    "init": _Command("Write a configuration for own videos and labels.", "wtal.commands.init:init", "folder"),
    "data check": _Command(
        "Say which annotations and features are found, missing or mismatched.",
        "wtal.commands.data_check:check",
        "config",
    ),
    "export": _Command(
        "Write predictions as subtitles, for ELAN, and as tables.", "wtal.results.exports:export_files", "predictions"
    ),
    "report": _Command("Write one HTML page of runs or predictions.", "wtal.report.page.build:report", "sources"),
}


def main(args: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        args: Without the program's name; None takes them from the command line.

    Returns:
        The exit code: 0, 2 after a mistake that the user can mend, 130 after Ctrl-C, 141 if nobody reads the output,
        143 after SIGTERM.
    """
    argv = list(sys.argv[1:] if args is None else args)
    _quieten()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name out of a file may be no text
    debug = "--debug" in argv or os.environ.get("WTAL_DEBUG", "0") != "0"
    try:
        if not {"", os.getcwd()} & set(sys.path):
            sys.path.append(os.getcwd())  # where the classes are that a user's configuration names
        _run([word for word in argv if word != "--debug"])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as `head`, has enough; Python must not flush the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        from wtal.training.mistakes import origin

        cause = origin(error)
        if debug or not isinstance(cause, WTALError | OSError):
            raise
        said = _sentence(cause) if isinstance(cause, WTALError) else _of_the_system(cause)
        print(f"wtal: error: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning has shut the training down, and leaves with 1
            return 130
        if isinstance(stop.__context__, BrokenPipeError):  # rich has closed the output, and leaves with 1
            return 141
        if type(stop).__name__ == "SIGTERMException":  # Lightning's, between two steps; the checkpoint is written
            return 143
        raise
    return 0


def _quieten() -> None:
    """Leave out what libraries advertise, and warn of without need."""
    for library in ("pytorch_lightning", "lightning_fabric"):
        logger = logging.getLogger(f"{library}.utilities.rank_zero")
        logger.addFilter(lambda record: not re.search(r"Tip: |^TPU available", record.getMessage()))
    for message in (
        r".*does not have many workers",  # features are memory-mapped: workers are no faster
        r"Total length of `list` across ranks is zero",  # without held-out videos there is nothing to validate on
        r"The dirpath has changed",  # of a resumed run, which has a folder of its own
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    ):
        warnings.filterwarnings("ignore", message)


def _run(argv: list[str]) -> None:
    for name in (*_TRAINER, *_OWN):
        words = name.split()
        if argv[: len(words)] == words:
            _run_command(name, argv)
            return
    _overview().parse_args(argv or ["--help"])


def _run_command(name: str, argv: list[str]) -> None:
    from jsonargparse import ArgumentError

    from wtal.training.mistakes import mistake

    try:
        if name in _TRAINER:
            from wtal.training.cli import WTALCLI

            WTALCLI(argv)
        else:
            _run_own(name, argv[len(name.split()) :])
    except ArgumentError as error:
        raise ConfigError(mistake(str(error), argv)) from error


def _run_own(name: str, argv: list[str]) -> None:
    """Call the command's function with the options that its signature asks for."""
    import inspect
    from typing import get_args, get_origin

    from docstring_parser import parse
    from jsonargparse import ArgumentParser

    from wtal.training.mistakes import gather

    command = _OWN[name]
    module, _, function_name = command.function.partition(":")
    function = getattr(importlib.import_module(module), function_name)
    parser = ArgumentParser(prog=f"wtal {name}", description=command.help, exit_on_error=False)
    if command.positional:
        kind = inspect.signature(function).parameters[command.positional].annotation
        many = get_origin(kind) is Sequence
        said = {p.arg_name: p.description for p in parse(function.__doc__ or "").params}
        parser.add_argument(
            command.positional,
            type=get_args(kind)[0] if many else kind,
            nargs="+" if many else None,
            help=said[command.positional],
        )
    parser.add_function_arguments(function, as_positional=False, skip={command.positional})
    function(**parser.instantiate(parser.parse_args(gather(function, argv))))


def _overview() -> argparse.ArgumentParser:
    """The top level's help; also says what is wrong with an unknown command."""
    parser = argparse.ArgumentParser(
        "wtal",
        description="Weakly-supervised temporal action localization.",
        epilog="`wtal COMMAND --help` tells more. `--debug` shows where an error arose.",
    )
    parser.add_argument("--version", action="version", version=f"wtal {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in {**_TRAINER, **{name: command.help for name, command in _OWN.items()}}.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _sentence(error: WTALError) -> str:
    """An error's message; what a loader's worker process raised arrives with its whole traceback before it."""
    whole = Exception.__str__(error).strip()
    if "Traceback" not in whole:
        return str(error)
    return one_line(whole.splitlines()[-1]).removeprefix(f"{type(error).__module__}.{type(error).__name__}: ")


def _of_the_system(error: OSError) -> str:
    """What the system refuses, such as a write to a full disk: which file, why, and what to do."""
    mends = {
        errno.ENOSPC: "make room",
        errno.EDQUOT: "make room",
        errno.EFBIG: "make room",
        errno.EACCES: "choose another place, or get the right to it",
        errno.EPERM: "choose another place, or get the right to it",
        errno.EROFS: "choose another place",
        errno.ENOENT: "correct the path",
        errno.ENOTDIR: "correct the path",
        errno.EISDIR: "correct the path",
        errno.EEXIST: "choose another place",
    }
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
    mend = mends.get(error.errno or 0, "`--debug` tells where")
    return f"{place}{error.strerror or error}; {mend}, and start again."


if __name__ == "__main__":
    sys.exit(main())

"""Report which annotations and features are found, missing or mismatched."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from wtal.commands.options import call
from wtal.errors import ConfigError
from wtal.io.bounds import read_text
from wtal.io.options import plain_options
from wtal.io.shipped import find_config

if TYPE_CHECKING:
    from wtal.data.inspection import DataReport

__all__ = ["run"]

_SWITCHES = ("then_test", "resume")  # options of `fit` that need no value
_OF_FIT = (
    *_SWITCHES, "model", "trainer", "optimizer", "lr_scheduler", "seed_everything", "ckpt_path", "weights_only", "name",
    "logger", "print_config",
)  # fmt: skip


def run(*words: str) -> None:
    """Report which annotations and features are found, missing or mismatched; exit with 2 if no training could run.

    Takes what ``wtal fit`` takes, and ignores what does not concern the data.
    """
    own, data = _parts(words)

    def check(
        configs: Sequence[Path] = (), /, config: Sequence[Path] = (), also: Sequence[Path] = (), scan: bool = True
    ) -> None:
        """Report on the data.

        Args:
            configs: Configurations as given to `wtal fit`, each merged over the ones before; only their `data` part is
                read. `--data...` changes single values.
            config: The same, as `-c`.
            also: Further configurations.
            scan: Read all feature values to find NaN.
        """
        from wtal.data.inspection import inspect
        from wtal.data.profiles import profile_remarks
        from wtal.training.settings import load_data
        from wtal.training.text_weights import remarks_on_texts

        files = list(map(find_config, [*configs, *config, *also]))
        if not files and not data:
            raise ConfigError("A configuration is required, as for `wtal fit`: wtal data check config.yaml.")
        module = load_data(files, data)
        report = inspect(module, scan)
        report.remarks += remarks_on_texts(files, module)
        if "train" in report.splits:
            settings = [yaml.safe_load(read_text(path, ConfigError)) for path in files]
            report.remarks += profile_remarks(settings, module.train_table()["labels"])
        _show(report)
        if report.problems:
            sys.exit(2)

    call(check, "data check", __doc__ or "", own)


def _parts(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words for this command, and those that change the data module; other options of ``wtal fit`` are dropped.

    >>> _parts(["-c", "a.yaml", "--data.cache", "true", "--trainer.max_epochs", "3", "--resume", "b.yaml"])
    (['-c', 'a.yaml', 'b.yaml'], ['--data.cache', 'true'])
    """
    own: list[str] = []
    data: list[str] = []
    part = own
    for word, plain in zip(words, plain_options(words, _SWITCHES), strict=True):
        if not word.startswith("-"):
            part.append(word)
            part = own  # an option of `fit` takes one value
            continue
        name, equals, _ = plain.removeprefix("--").partition("=")
        kind = name.partition(".")[0]
        part = data if kind == "data" else [] if kind in _OF_FIT else own
        part.append(plain if part is data else word)
        part = own if equals else part
    return own, data


def _show(report: "DataReport") -> None:
    """Print one row per split and stream, then all problems and remarks."""
    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    for column in ("split", "stream"):
        table.add_column(column)
    for column in ("videos", "missing", "dim", "snippets", "unusable", "off duration", "segments"):
        table.add_column(column, justify="right")
    for split, result in report.splits.items():
        for name, stream in result.streams.items():
            lists = (len(stream.unreadable), len(stream.off_duration))
            numbers = (result.videos, len(stream.missing), stream.dim, stream.rows, *lists, result.instances)
            table.add_row(split, name, *map(str, numbers))
        if not result.streams:
            table.add_row(split, "none", str(result.videos), *"00000", str(result.instances))
    console = Console()
    console.print(table)
    for title, lines in (("Cannot train", report.problems), ("Note", report.remarks)):
        for line in dict.fromkeys(lines):
            console.print(f"{title}: {line}", markup=False, highlight=False, soft_wrap=True)
    if not report.problems:
        console.print("A training can run.")

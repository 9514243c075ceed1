"""List everything that was trained: configuration, numbers, cost, digest and command of each run."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from wtal.errors import ConfigError
from wtal.io.files import write_text
from wtal.io.text import counted
from wtal.results.tables import print_table
from wtal.results.zoo import zoo, zoo_page

__all__ = ["run"]


def run(folders: Sequence[Path], /, output: Path | None = None) -> None:
    """List the runs below folders from their records, one row for each method and seed.

    Args:
        folders: Folders of runs, at any depth.
        output: Markdown file for the table, such as `experiments/zoo.md`.

    Raises:
        ConfigError: If there is no run that was measured, or the output is no Markdown file.
    """
    if output is not None and output.suffix.lower() != ".md":
        raise ConfigError(f"{output} must end in .md: the table is written in Markdown.")
    table = zoo(folders)
    if output is not None:
        words = ["wtal", "zoo", *map(str, folders), "--output", str(output)]
        write_text(output, zoo_page(table, shlex.join(words)))
    shown = table[["method", "benchmark", "numbers", "seed", "seconds", "memory", "digest"]].set_index("method")
    print_table(shown, f"{counted(len(table), 'row')}; one seed each{f'; written to {output}' if output else ''}")

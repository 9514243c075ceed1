"""Collect the records of runs into a table for a paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from wtal.errors import ConfigError
from wtal.results.runs_table import table_of_runs

__all__ = ["run"]


def run(
    folders: Sequence[Path],
    /,
    output: Path | None = None,
    baseline: str | None = None,
    source: str | None = None,
    checkpoint: Literal["last", "selected"] = "last",
    published: bool = False,
    wandb: str | None = None,
) -> None:
    """Collect the records of runs into a table: mean and deviation over seeds, the best one marked.

    Args:
        folders: Folders of the runs, such as the output of `wtal sweep` or `wtal compare`, at any depth.
        output: File for the table: .csv (fractions), .md or .tex.
        baseline: Name of the row that the others are compared with, by a paired t-test over common seeds.
        source: Name of the branch whose detections count in a collaboration; by default the fused ones.
        checkpoint: The last checkpoint, or the one selected on held-out videos.
        published: Add rows from the literature, which are on real features and are marked as such.
        wandb: Add the runs of this `entity/project` or `entity/project/sweeps/id` on wandb's server.

    Raises:
        ConfigError: If there is no record, or no row with the baseline's name, or the output has another extension.
    """
    if output is not None and output.suffix.lower() not in {".csv", ".md", ".tex"}:
        raise ConfigError(f"{output} must end in .csv, .md or .tex: tables are written in these formats.")
    table = table_of_runs(folders, baseline, source, checkpoint, published, wandb)
    if output is not None:
        table.save(output)
    table.show()

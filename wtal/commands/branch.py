"""Train one branch of an asynchronous run; `wtal fit --asynchronous` starts it for each."""

from pathlib import Path

__all__ = ["run"]


def run(folder: Path, branch: str, /, replay: Path | None = None) -> None:
    """Train one branch of an asynchronous run, or go on with its training, until its standard input ends.

    Args:
        folder: Folder of the run.
        branch: Name of the branch.
        replay: Folder of a repeated training; see ``wtal replay``.

    Raises:
        ConfigError: If the run is not an asynchronous one, or has no such branch.
    """
    from wtal.results.run_folder import RunFolder
    from wtal.training.branch_process import BranchCLI, end_with_parent

    end_with_parent()
    BranchCLI(RunFolder(folder), branch, replay)

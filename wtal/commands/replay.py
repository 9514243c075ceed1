"""Repeat an asynchronous training from its journal, and compare the weights bit for bit."""

from pathlib import Path

__all__ = ["run"]


def run(folder: Path, /, output: Path | None = None) -> None:
    """Repeat an asynchronous training: every step uses the packet that it used before.

    Each packet that a branch makes anew must equal the one that it published, and at the end all weights must.

    Args:
        folder: Folder of the run.
        output: Folder of the repeated training, which must be new; by default ``FOLDER/replay``.

    Raises:
        ConfigError: If the run is not a finished asynchronous one, or the output exists.
        CheckpointError: If a weight differs.
    """
    from wtal.results.run_folder import RunFolder
    from wtal.training.replaying import replay

    names = replay(RunFolder(folder), output or folder / "replay")
    print(f"The weights of {' and '.join(names)} are the same, bit for bit.")

"""Get a run or a feature store from the Hugging Face Hub."""

from pathlib import Path

from wtal.errors import ConfigError

__all__ = ["run"]


def run(repo: str, /, output: Path | None = None) -> None:
    """Get a run or a feature store from the Hugging Face Hub; nothing in it can run code.

    Any command takes ``hf://user/repo`` without this, where it takes a checkpoint, a run or a feature store. Start the
    command again after an interruption.

    Args:
        repo: Address ``user/repo``, with ``@revision`` for another state than the newest, and ``datasets/`` in front
            for a repository of data.
        output: Folder for the files, which does not exist yet; by default ``runs/repo``.

    Raises:
        ConfigError: If the folder exists.
        HubError: If there is no such repository, or the transfer fails.
        CheckpointError: If the run is damaged, or names classes of other packages.
    """
    import shutil

    from wtal.io.hub import HubAddress
    from wtal.training.sharing import local_path

    address = HubAddress.parse(repo)
    output = Path("runs", address.repo.partition("/")[2]) if output is None else output
    if output.exists():
        raise ConfigError(f"{output} exists: choose another folder as `--output`, or delete it.")
    found = local_path(Path(str(address)))
    draft = output.with_name(f".{output.name}.partial")
    if draft.exists():
        shutil.rmtree(draft)
    shutil.copytree(found, draft)  # follows the links of the cache
    draft.rename(output)
    print(f"{address} -> {output}")

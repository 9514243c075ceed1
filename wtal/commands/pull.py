"""Get a run or a feature store from the Hugging Face Hub, or from s3:// and other storage."""

from pathlib import Path

from wtal.errors import ConfigError

__all__ = ["run"]


def run(repo: str, /, output: Path | None = None) -> None:
    """Get a run or a feature store from the Hugging Face Hub; nothing in it can run code.

    Any command takes ``hf://user/repo`` and ``s3://bucket/run`` without this, where it takes a checkpoint, a run or a
    feature store. Start the command again after an interruption.

    Args:
        repo: Address ``user/repo``, with ``@revision`` for another state than the newest, and ``datasets/`` in front
            for a repository of data; or an address that fsspec knows, whose folder is copied as it is.
        output: Folder for the files, which does not exist yet; by default ``runs/repo``.

    Raises:
        ConfigError: If the folder exists.
        HubError, RemoteError: If there is no such repository, or the transfer fails.
        CheckpointError: If the run is damaged, or names classes of other packages.
    """
    import shutil

    from wtal.io.hub import HubAddress
    from wtal.io.remote import download_folder, is_remote_address, remote_address
    from wtal.training.sharing import local_path

    remote = remote_address(repo) if is_remote_address(repo) else ""
    address = HubAddress.parse(repo) if not remote else None
    name = remote.rpartition("/")[2] if address is None else address.repo.partition("/")[2]
    output = Path("runs", name) if output is None else output
    if output.exists():
        raise ConfigError(f"{output} exists: choose another folder as `--output`, or delete it.")
    draft = output.with_name(f".{output.name}.partial")
    if address is None:
        download_folder(remote, draft)
        draft.rename(output)
        print(f"{remote} -> {output}")
        return
    found = local_path(Path(str(address)))
    if draft.exists():
        shutil.rmtree(draft)
    shutil.copytree(found, draft)  # follows the links of the cache
    draft.rename(output)
    print(f"{address} -> {output}")

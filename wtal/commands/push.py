"""Share a run or a feature store on the Hugging Face Hub, or copy it to s3:// and other storage."""

import tempfile
from pathlib import Path

from wtal.errors import ConfigError
from wtal.io.text import counted

__all__ = ["run"]


def run(source: Path, repo: str, /, private: bool = False) -> None:
    """Share a run or a feature store on the Hugging Face Hub, in one commit, or copy it to other storage.

    Of a run, these files are sent: ``model.safetensors``, ``model.json`` (settings, classes, digest), ``config.yaml``,
    ``record.json``, ``identity.json``, and ``README.md``, a model card with benchmark and numbers. Of a feature store,
    all its arrays are sent to a repository of data. Start the command again after an interruption.

    To an address that fsspec knows, such as ``s3://bucket/runs/mine``, the whole folder is copied as it is, checkpoints
    included, file by file; what is there already is not sent again.

    Args:
        source: Folder of a finished run, its checkpoint, or a folder of ``wtal extract``.
        repo: Name of the repository, ``user/repo``, which is made if there is none; or an address of other storage.
        private: Whether a new repository is private.

    Raises:
        ConfigError: If the source is neither.
        CheckpointError: If the checkpoint cannot be shared.
        HubError, RemoteError: If the transfer fails.
    """
    from wtal.data.manifest import MANIFEST
    from wtal.io.hub import upload
    from wtal.io.remote import is_remote_address, remote_address, upload_folder
    from wtal.results.run_folder import newest_checkpoint
    from wtal.training.sharing import is_feature_store, pack

    repo = repo.removeprefix("hf://")
    if not source.exists():
        raise ConfigError(f"{source} does not exist: give the folder of a run, or of `wtal extract`.")
    if is_remote_address(repo):
        if not source.is_dir():
            raise ConfigError(f"{source} is no folder: give the folder of a run, or of `wtal extract`.")
        sent = upload_folder(source, remote_address(repo), last=MANIFEST)
        print(f"{source} -> {remote_address(repo)} ({counted(sent, 'file')} sent); use it by this address")
        return
    if is_feature_store(source):
        commit = upload(source, repo.removeprefix("datasets/"), "dataset", "Features of wtal extract", private)
        print(f"{source} -> {commit}; use it as hf://datasets/{repo.removeprefix('datasets/')}")
        return
    if source.is_dir() and newest_checkpoint(source) is None and any(source.rglob("*.np[yz]")):
        raise ConfigError(f"{source} has arrays without a manifest: give a folder that `wtal extract` has written.")
    with tempfile.TemporaryDirectory(prefix="wtal-push-") as draft:
        record = pack(source, Path(draft), repo)
        commit = upload(Path(draft), repo, "model", f"Run {record.identity} on {record.benchmark}", private)
    print(f"{source} -> {commit}; use it as hf://{repo}")

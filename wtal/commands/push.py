"""Share a run or a feature store on the Hugging Face Hub."""

import tempfile
from pathlib import Path

from wtal.errors import ConfigError

__all__ = ["run"]


def run(source: Path, repo: str, /, private: bool = False) -> None:
    """Share a run or a feature store on the Hugging Face Hub, in one commit.

    Of a run, these files are sent: ``model.safetensors``, ``model.json`` (settings, classes, digest), ``config.yaml``,
    ``record.json``, ``identity.json``, and ``README.md``, a model card with benchmark and numbers. Of a feature store,
    all its arrays are sent to a repository of data. Start the command again after an interruption.

    Args:
        source: Folder of a finished run, its checkpoint, or a folder of ``wtal extract``.
        repo: Name of the repository, ``user/repo``, which is made if there is none.
        private: Whether a new repository is private.

    Raises:
        ConfigError: If the source is neither.
        CheckpointError: If the checkpoint cannot be shared.
        HubError: If the transfer fails.
    """
    from wtal.io.hub import upload
    from wtal.results.run_folder import newest_checkpoint
    from wtal.training.sharing import is_feature_store, pack

    repo = repo.removeprefix("hf://")
    if not source.exists():
        raise ConfigError(f"{source} does not exist: give the folder of a run, or of `wtal extract`.")
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

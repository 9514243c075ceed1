"""The checkpoint that ``--ckpt_path`` gives, looked at before anything is made."""

from pathlib import Path

from wtal.errors import CheckpointError
from wtal.io.addresses import is_address
from wtal.io.bounds import read_checkpoint
from wtal.results.run_folder import newest_checkpoint
from wtal.training.sharing import local_path

__all__ = ["given_checkpoint"]

_WORDS = ("last", "best", "hpc")  # Lightning's words for checkpoints of the same process


def given_checkpoint(path: str, command: str) -> str:
    """The file that a path means: a folder stands for the newest ``last.ckpt`` in it.

    Args:
        path: A path, an address, or one of Lightning's words, which only ``fit`` refuses here.
        command: The command that loads it; ``fit`` needs the state of the training, too.

    Raises:
        CheckpointError: If there is no such file, or it is not a checkpoint that the command can load.
    """
    path = _local(path)
    if "://" in path or (path in _WORDS and command != "fit"):
        return path
    if path in _WORDS:
        raise CheckpointError(
            f"`--ckpt_path {path}` names a checkpoint of the same process, which has none: give a path, or continue "
            "the newest run of the same settings by `--resume true`."
        )
    file = newest_checkpoint(Path(path)) if Path(path).is_dir() else Path(path)
    if file is None:
        raise CheckpointError(f"There is no last.ckpt in {path} or below it: give the checkpoint itself.")
    parts = _parts(file)
    missing = [name for name in ("state_dict", "pytorch-lightning_version") if name not in parts]
    if missing:
        raise CheckpointError(
            f"{file} is not a checkpoint of this project, as it has no {missing[0]}: give the last.ckpt of a run."
        )
    if command == "fit" and not {"optimizer_states", "loops"} <= parts:
        raise CheckpointError(
            f"{file} holds weights without the state of their training, which cannot be continued from it: give the "
            "last.ckpt of a run."
        )
    return str(file)


def _local(path: str) -> str:
    return str(local_path(Path(path))) if is_address(path) else path


def _parts(file: Path) -> set[object]:
    """Names of what a checkpoint holds; none if it holds something else."""
    try:
        content = read_checkpoint(file, mmap=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{file} does not exist: give a checkpoint, or the folder of a run.") from error
    except CheckpointError as error:
        reason = str(error).rstrip(".") if file.stat().st_size else f"{file} is not a checkpoint: it is empty"
        raise CheckpointError(f"{reason}; give the last.ckpt of a run.") from error
    return set(content) if isinstance(content, dict) else set()

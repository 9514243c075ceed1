"""Checkpoints that are written whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from wtal.errors import CheckpointError
from wtal.io.files import drafted

__all__ = ["AtomicCheckpoints"]


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint to a draft in the same folder and then renames it, in one step of the file system.

    Lightning writes into the system's temporary folder. If that is another file system, as on most clusters, its move
    copies over the former checkpoint, and a kill or a full disk in the middle of it destroys both.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ANN401
        """Write the checkpoint; remote storage is left to Lightning.

        Raises:
            CheckpointError: If the disk is full or the folder is not writable.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        path = Path(path)
        whole = io.BytesIO()
        torch.save(checkpoint, whole)
        try:
            with drafted(path) as draft:
                draft.write_bytes(whole.getbuffer())
        except OSError as error:
            raise CheckpointError(
                f"{path} cannot be written ({error.strerror}); make room, then --resume continues from the former one."
            ) from error

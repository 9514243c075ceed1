"""Checkpoints that are whole or not there."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from wtal.errors import CheckpointError
from wtal.io.files import drafted

__all__ = ["AtomicCheckpoints"]


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and then moves it there, in one step of the file system.

    Lightning writes into the system's temporary folder. If that is another file system, as on most clusters, its move
    is a copy over the former checkpoint, and a kill or a full disk in the middle of it leaves neither.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ANN401
        """Write; in remote storage, as Lightning does.

        Raises:
            CheckpointError: If there is no room, or the folder must not be written to.
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
                f"{path} cannot be written ({error.strerror}); make room, and go on by --resume from the one before."
            ) from error

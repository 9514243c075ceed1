"""The randomness of a training step as a function of its position in the training."""

import os
import random

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from wtal.data.resumable import derive_seed

__all__ = ["SeedSteps"]


class SeedSteps(Callback):
    """Seeds the global generators before every training step from (seed, process, epoch, batch).

    Lightning does not save the state of generators, so without this callback a resumed run draws other dropout masks
    than an uninterrupted one. The seed is that of ``seed_everything``; without one, nothing is seeded.
    """

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Seed the generators of Python, NumPy and torch."""
        seed = os.environ.get("PL_GLOBAL_SEED")
        if seed is not None:
            value = derive_seed(int(seed), trainer.global_rank, trainer.current_epoch, batch_idx)
            random.seed(value)
            np.random.seed(value)
            torch.manual_seed(value)

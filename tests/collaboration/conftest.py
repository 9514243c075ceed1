from functools import partial
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer, seed_everything

from wtal.branches import CBPBranch, DistillationWeights, VLPBranch
from wtal.branches.branch import HeadFactory
from wtal.collaboration import CollaborationModule, Schedule
from wtal.data import SyntheticDataModule, SyntheticParams
from wtal.nn.heads import AttentionMILHead, TextHead
from wtal.nn.text.prompts import FileText
from wtal.training.seeding import SeedSteps


class Pair:
    """A tiny collaboration on made-up videos, built with the same seed each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def data(self, **options: object) -> SyntheticDataModule:
        params = SyntheticParams(train_videos=11, test_videos=3, i3d_dim=16, clip_dim=12)
        return SyntheticDataModule(self.folder / "data", params, batch_size=4, num_snippets=24, **options)

    def model(
        self, data: SyntheticDataModule, schedule: Schedule, head: HeadFactory | None = None, **options: object
    ) -> CollaborationModule:
        seed_everything(7, verbose=False)
        teach = DistillationWeights(attention=1.0, classes=0.5, contrast=0.1)
        adam = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1)
        decay = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9)
        shared = {"distillation": teach, "average": 0.9, "optimizer": adam, "lr_scheduler": decay}
        text = partial(FileText, path=data.root / "text" / "text.npy")
        return CollaborationModule(
            data.class_names,
            partial(CBPBranch, head=head or partial(AttentionMILHead, in_dim=16, hidden=8), **shared),
            partial(VLPBranch, head=partial(TextHead, text=text, dim=12, width=8, heads=2), **shared),
            schedule,
            **options,
        )

    def trainer(self, epochs: int, *callbacks: object, **options: object) -> Trainer:
        return Trainer(
            default_root_dir=self.folder,
            max_epochs=epochs,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[SeedSteps(), *callbacks],
            **{"accelerator": "cpu", "enable_checkpointing": False, "logger": False, "devices": 1, **options},
        )


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture(scope="module")
def pair_of_all(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """One for all tests of a file, which leave what it makes as it is."""
    return Pair(tmp_path_factory.mktemp("pair"))

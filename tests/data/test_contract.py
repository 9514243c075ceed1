from pathlib import Path

import pytest
from pytorch_lightning import Trainer

from wtal.branches import CBPBranch
from wtal.data import SyntheticDataModule, SyntheticParams
from wtal.data.contract import data_of
from wtal.errors import ConfigError


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def test_a_trainer_without_a_data_module_is_refused_in_one_sentence(trainer: Trainer, tmp_path: Path) -> None:
    data = SyntheticDataModule(tmp_path / "data", SyntheticParams(train_videos=4, test_videos=2))
    with pytest.raises(ConfigError, match="has no data module, which this model needs"):
        trainer.test(CBPBranch(data.class_names), data.test_dataloader())


def test_the_data_module_of_a_trainer_is_what_modules_ask(trainer: Trainer, tmp_path: Path) -> None:
    data = SyntheticDataModule(tmp_path / "data", SyntheticParams(train_videos=4, test_videos=2))
    trainer.datamodule = data  # type: ignore[attr-defined]
    assert data_of(trainer) is data

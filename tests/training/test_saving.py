from pathlib import Path

import pytest
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from wtal.training.saving import run_folder


def trainer(root: Path, logger: object) -> Trainer:
    return Trainer(accelerator="cpu", logger=logger, default_root_dir=root, max_epochs=1, enable_progress_bar=False)


@pytest.mark.parametrize("logger", [CSVLogger, TensorBoardLogger])
def test_is_the_folder_of_the_checkpoints(logger, toy: Path, tmp_path: Path):
    from toy import ToyData, ToyModel

    data = ToyData()
    run = trainer(tmp_path, logger(tmp_path, name="a", version=3))
    run.fit(ToyModel(data.class_names), data)
    assert run_folder(run) == tmp_path / "a" / "version_3"
    assert Path(run.checkpoint_callback.dirpath) == run_folder(run) / "checkpoints"


def test_without_a_logger_it_is_the_root(tmp_path: Path):
    assert run_folder(trainer(tmp_path, False)) == tmp_path

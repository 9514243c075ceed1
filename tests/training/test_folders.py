import csv
from pathlib import Path

import pytest
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from wtal.results import RunFolder
from wtal.training.folders import claim, earlier_runs, move_to


def trainer(root: Path, logger: object) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=logger,
        default_root_dir=root,
        max_epochs=1,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def fit(run: Trainer) -> None:
    from toy import ToyData, ToyModel

    data = ToyData()
    run.fit(ToyModel(data.class_names), data)


@pytest.mark.parametrize("logger", [CSVLogger, TensorBoardLogger])
def test_a_run_folder_is_the_folder_of_the_checkpoints(logger, toy: Path, tmp_path: Path):
    run = trainer(tmp_path, logger(tmp_path, name="a", version=3))
    fit(run)
    assert RunFolder.of(run).path == tmp_path / "a" / "version_3"
    assert Path(run.checkpoint_callback.dirpath) == RunFolder.of(run).checkpoints


@pytest.mark.parametrize("logger", [CSVLogger, TensorBoardLogger, None])
def test_a_claimed_folder_has_all_that_a_trainer_writes_and_is_claimed_once(logger, toy: Path, tmp_path: Path):
    runs = [trainer(tmp_path, logger(tmp_path, name="a") if logger else False) for _ in range(2)]
    for run in runs:
        claim(run, "a")
    assert [RunFolder.of(run).path for run in runs] == [tmp_path / "a" / f"version_{n}" for n in range(2)]
    fit(runs[1])
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and path.name not in ("a", "__pycache__")] == []
    assert RunFolder.of(runs[1]).checkpoints.is_dir()
    assert [path.name for path in RunFolder.of(runs[0]).path.iterdir()] == []


def test_a_version_that_was_given_is_kept(tmp_path: Path):
    run = trainer(tmp_path, CSVLogger(tmp_path, name="a", version="b"))
    claim(run, "c")
    assert RunFolder.of(run).path == tmp_path / "a" / "b"


def test_earlier_runs_are_those_of_the_name_with_a_checkpoint(tmp_path: Path):
    for folder in ("a/version_0", "a/version_1", "a/b/version_0", "b/version_0"):
        RunFolder(tmp_path / folder).checkpoints.mkdir(parents=True)
        if folder != "a/version_0":
            RunFolder(tmp_path / folder).last.touch()
    assert earlier_runs(trainer(tmp_path, False), "a") == [RunFolder(tmp_path / "a" / "version_1")]


def test_a_continued_table_of_metrics_keeps_the_rows_before_its_checkpoint(toy: Path, tmp_path: Path):
    folder = RunFolder(tmp_path / "a" / "version_7")
    folder.path.mkdir(parents=True)
    folder.metrics.write_text("epoch,own,step\n0,5,1\n0,,2\n1,7,3\n")
    run = trainer(tmp_path, CSVLogger(tmp_path, name="a"))
    move_to(run, folder, step=2)
    fit(run)
    with folder.metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"epoch": "0", "own": "5", "step": "1"} | dict.fromkeys(
        rows[0].keys() - {"epoch", "own", "step"}, ""
    )
    assert not [row for row in rows[1:] if row["own"]]
    assert {row["step"] for row in rows[1:]} == {"2"}  # the toy's only epoch ends with its third step
    assert rows[1]["train/cbp/mil"] or rows[2]["train/cbp/mil"]

"""Which run a training continues, and in which folder."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import wtal
from wtal.commands.main import main
from wtal.commands.table import run as table
from wtal.report.page.material import gather
from wtal.results import RunFolder, read_record
from wtal.training.checkpoint import load

ROOT = Path(wtal.__file__).parents[1]
SHORT = ["--trainer.max_epochs=3", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
SHORT += ["--model.schedule.warm_up=1", "--model.schedule.period=1", "--then_test=true", "--resume=true"]
SHORT += ["--data.params.train_videos=12", "--data.params.test_videos=6"]


def fit(toy: Path, *words: str) -> int:
    return main(["fit", "-c", str(toy), "--name=a", "--trainer.enable_progress_bar=false", *words])


def resume(toy: Path, *words: str) -> int:
    return fit(toy, "--resume=true", *words)


def versions(name: str = "a") -> list[str]:
    return sorted(path.name for path in Path("runs", name).iterdir())


def run(version: int = 0, name: str = "a") -> RunFolder:
    return RunFolder(Path("runs", name, f"version_{version}"))


def epochs(folder: RunFolder) -> int:
    return torch.load(folder.last, weights_only=True)["epoch"] + 1


def errors_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints to stderr; wandb, which stays active in a process, gets one of its own."""
    if "--logger=wandb" not in words:
        assert main(words) == 0
        return capsys.readouterr().err
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    env |= {"WANDB_MODE": "offline", "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "wtal", *words]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stderr


# Another configuration is another run ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "logger",
    ["--logger=csv", *(pytest.param(w, marks=pytest.mark.slow) for w in ("--trainer.logger=false", "--logger=wandb"))],
)
def test_another_configuration_and_another_seed_are_other_runs(logger, tmp_path: Path, monkeypatch, capsys) -> None:
    """Three commands that used to end in three records with the same numbers."""
    monkeypatch.chdir(tmp_path)
    words = ["fit", "-c", str(ROOT / "configs" / "synthetic.yaml")]
    overlay = ["-c", str(ROOT / "configs" / "ablations" / "b_only.yaml")]
    errors: list[str] = []
    for change in ([], overlay, [*overlay, "--seed_everything=1"], []):
        errors.append(errors_of([*words, *change, *SHORT, logger], capsys))
    assert "schedule.pattern: FB there, B here): a new run begins." in errors[1]
    assert "seed_everything: 0 there, 1 here): a new run begins." in errors[2]
    assert "is finished: nothing is left to train." in errors[3]
    records = [read_record(path) for path in Path("runs").rglob("record.json")]
    assert len(records) == len({record.identity for record in records}) == 3
    assert len({record.metrics["test/fused/mAP"] for record in records}) == 3
    stored = [torch.load(path, weights_only=True)["run"]["digest"] for path in Path("runs").rglob("last.ckpt")]
    in_folders = [json.loads(path.read_text())["digest"] for path in Path("runs").rglob("identity.json")]
    assert sorted(stored) == sorted(in_folders) == sorted(record.identity for record in records)
    table([Path("runs")], output=Path("table.csv"))
    assert [line.split(",")[:2] for line in Path("table.csv").read_text().splitlines()[1:]] == [
        ["schedule.pattern=FB", "1"],
        ["schedule.pattern=B", "2"],
    ] or logger == "--logger=wandb"  # its folders have no order


def test_a_run_of_another_name_is_never_gone_on_with(toy: Path, capsys) -> None:
    resume(toy)
    assert main(["fit", "-c", str(toy), "--name=b", "--resume=true", "--trainer.max_epochs=1"]) == 0
    assert "other settings" not in capsys.readouterr().err
    assert (versions("b"), epochs(run(name="b"))) == (["version_0"], 1)


@pytest.mark.slow
def test_wandb_goes_on_with_the_same_run_and_never_with_another_name(toy: Path, capsys) -> None:
    words = ["fit", "-c", str(toy), "--logger=wandb", "--resume=true"]
    for change in (["--name=a"], ["--name=a", "--trainer.max_epochs=3"], ["--name=b"]):
        errors_of([*words, *change], capsys)
    found = RunFolder.below(Path("runs/wtal"))
    assert [(folder.run_name, epochs(folder)) for folder in found] == [("a", 3), ("b", 2)]
    logged = [path.name for path in Path("runs/wandb").glob("offline-run-*")]
    assert sorted(name.rpartition("-")[2] for name in logged) == sorted(
        [found[0].path.name, found[0].path.name, found[1].path.name]
    )


def test_a_checkpoint_that_was_named_is_taken_with_a_warning(toy: Path, capsys) -> None:
    fit(toy)
    capsys.readouterr()
    assert fit(toy, f"--ckpt_path={run().last}", "--model.lr=0.2", "--trainer.max_epochs=3") == 0
    assert (
        "runs/a/version_0/checkpoints/last.ckpt was trained with other settings (lr: 0.1 there, 0.2 here): training "
        "continues from it as asked." in capsys.readouterr().err
    )
    assert (versions(), epochs(run(1))) == (["version_0", "version_1"], 3)
    assert fit(toy, f"--ckpt_path={run().last}", "--trainer.max_epochs=3") == 0
    assert "other settings" not in capsys.readouterr().err


def test_a_damaged_checkpoint_is_named_and_a_new_run_begins(toy: Path, capsys) -> None:
    fit(toy)
    run().last.write_bytes(b"PK\x03\x04 nothing more")
    assert resume(toy) == 0
    assert "runs/a/version_0 was trained with other settings (its checkpoint is damaged)" in capsys.readouterr().err
    assert epochs(run(1)) == 2


# The same configuration is the same run --------------------------------------------------------------------------


@pytest.mark.parametrize("logger", ["--logger=csv", "--logger=tensorboard", "--trainer.logger=false"])
def test_a_run_that_grows_stays_in_its_folder(logger: str, toy: Path) -> None:
    fit(toy, logger, "--trainer.max_epochs=4", "--name=whole")
    resume(toy, logger)
    resume(toy, logger, "--trainer.max_epochs=4", "--trainer.log_every_n_steps=2")
    assert (versions(), epochs(run())) == (["version_0"], 4)
    whole, grown = (torch.load(folder.last, weights_only=True) for folder in (run(name="whole"), run()))
    assert all(torch.equal(whole["state_dict"][name], grown["state_dict"][name]) for name in whole["state_dict"])
    assert grown["run"]["seconds"] > read_record(run().record).seconds * 0.5
    assert yaml.safe_load(run().config.read_text())["trainer"]["max_epochs"] == 4
    assert read_record(run().record).length[0] == 4
    if logger == "--logger=csv":
        assert run().metrics.read_text() == run(name="whole").metrics.read_text()
    if logger == "--logger=tensorboard":
        assert len(list(run().path.glob("events.out.tfevents*"))) == 2


def test_a_finished_run_trains_nothing_and_keeps_its_results(toy: Path, capsys) -> None:
    resume(toy, "--then_test=true")
    before = {path: path.read_bytes() for path in run().path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert resume(toy, "--then_test=true") == 0
    assert capsys.readouterr().err.splitlines()[-1] == "runs/a/version_0 is finished: nothing is left to train."
    assert {path: path.read_bytes() for path in run().path.rglob("*") if path.is_file()} == before
    assert versions() == ["version_0"]


def test_a_finished_run_is_tested_when_that_is_asked_for_later(toy: Path) -> None:
    resume(toy)
    before = read_record(run().record)
    assert resume(toy, "--then_test=true") == 0
    after = read_record(run().record)
    assert before.metrics.items() < after.metrics.items()
    assert after.metrics.keys() - before.metrics.keys() == {"test/quality"}
    assert (after.seconds, versions()) == (before.seconds, ["version_0"])


def test_of_several_runs_the_one_of_the_same_settings_goes_on(toy: Path) -> None:
    resume(toy)
    resume(toy, "--model.lr=0.2")
    assert resume(toy, "--trainer.max_epochs=3") == 0
    assert versions() == ["version_0", "version_1"]
    assert [epochs(run(n)) for n in range(2)] == [3, 2]


def test_runs_without_a_logger_do_not_write_over_each_other(toy: Path) -> None:
    for _ in range(2):
        fit(toy, "--trainer.logger=false")
    assert versions() == ["version_0", "version_1"]
    assert run().record.is_file()
    assert run(1).record.is_file()
    assert main(["test", "-c", str(toy), "--name=a", "--trainer.logger=false", f"--ckpt_path={run().last}"]) == 0
    assert run(2).config.is_file()
    assert not (Path("runs") / "checkpoints").exists()


def test_a_rehearsal_leaves_no_folder(toy: Path) -> None:
    assert fit(toy, "--trainer.fast_dev_run=true") == 0
    assert not Path("runs").exists()


def test_what_is_no_part_of_the_identity_does_not_change_a_weight(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["fit", "-c", str(ROOT / "configs" / "synthetic.yaml"), *SHORT[:-4], "--data.params.train_videos=12"]
    words += ["--model.cbp_thresholds={low: 0.45, high: 0.55}", "--data.params.test_videos=6", "--then_test=true"]
    changes = ["--data.eval_batch_size=5", "--data.num_workers=1", "--data.cache=true", "--trainer.log_every_n_steps=3"]
    changes += ["--trainer.accelerator=cpu", "--trainer.profiler=simple"]
    assert main([*words, "--name=plain"]) == 0
    assert main([*words, "--name=changed", *changes]) == 0
    plain, changed = (torch.load(run(name=name).last, weights_only=True) for name in ("plain", "changed"))
    assert changed["run"]["digest"] == plain["run"]["digest"]
    assert all(torch.equal(changed["state_dict"][key], plain["state_dict"][key]) for key in plain["state_dict"])
    assert read_record(run(name="changed").record).metrics == read_record(run(name="plain").record).metrics


# Files from before version 0.2 -----------------------------------------------------------------------------------


def make_old(folder: RunFolder) -> None:
    """Give a run the form that it had before version 0.2."""
    folder.identity.unlink(missing_ok=True)
    checkpoint = torch.load(folder.last, weights_only=True)
    del checkpoint["run"]
    torch.save(checkpoint, folder.last)
    if folder.record.is_file():
        record = json.loads(folder.record.read_text())
        for name in ("schema", "identity", "processes", "methods"):
            del record[name]
        folder.record.write_text(json.dumps({**record, "protocol": record.pop("benchmark")}))
    if folder.about.is_file():
        about = json.loads(folder.about.read_text())
        folder.about.write_text(json.dumps({**about, "protocol": about.pop("benchmark")}))


def test_an_old_checkpoint_goes_on_by_the_configuration_beside_it(toy: Path, capsys) -> None:
    resume(toy)
    make_old(run())
    assert resume(toy, "--model.lr=0.2", "--trainer.max_epochs=1") == 0
    assert "runs/a/version_0 was trained with other settings (lr: 0.1 there, 0.2 here)" in capsys.readouterr().err
    assert resume(toy, "--trainer.max_epochs=3") == 0
    assert [epochs(run(n)) for n in range(2)] == [3, 1]
    make_old(run())
    assert resume(toy, "--trainer.max_epochs=3") == 0
    assert "runs/a/version_0 is finished" in capsys.readouterr().err


def test_an_old_checkpoint_without_configuration_is_another_run(toy: Path, capsys) -> None:
    resume(toy)
    make_old(run())
    run().config.unlink()
    assert resume(toy) == 0
    assert "other settings (its checkpoint does not state them): a new run begins" in capsys.readouterr().err
    assert versions() == ["version_0", "version_1"]


def test_an_old_run_folder_still_loads(trained, tmp_path: Path) -> None:
    done = trained("collaboration")
    shutil.copytree(done.checkpoint.parents[1], tmp_path / "runs" / "old" / "version_0")
    folder = RunFolder(tmp_path / "runs" / "old" / "version_0")
    make_old(folder)
    old = {"config": yaml.safe_load(folder.config.read_text()), "seed": 0, "metrics": done.metrics, "seconds": 1.0}
    folder.record.write_text(json.dumps({**old, "protocol": "synthetic"}))
    loaded = load(folder.path)
    expected = done.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.model.state_dict().items())
    assert loaded.data.class_names == done.model.class_names
    assert gather([folder.path]).about.benchmark == "synthetic"
    table([tmp_path / "runs"], output=tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["avg"]) == done.metrics["test/fused/mAP"]

"""SIGTERM in the middle of a training, and going on."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback, Trainer

import wtal
from wtal.commands.main import main
from wtal.training.cli import WTALCLI

CONFIG = Path(wtal.__file__).parents[1] / "configs" / "synthetic.yaml"
SHORT = ["--trainer.max_epochs=5", "--trainer.enable_progress_bar=false"]
SHORT += ["--model.init_args.schedule.warm_up=2", "--model.init_args.schedule.period=1"]
SHORT += ["--data.params.train_videos=12", "--data.params.test_videos=4", "--data.batch_size=4"]  # 3 steps an epoch


class Terminate(Callback):
    """Sends SIGTERM at the end of a step, once."""

    at = 0
    by = signal.SIGTERM

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == Terminate.at:
            os.kill(os.getpid(), Terminate.by)


@pytest.fixture
def fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Trains under a name; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    ours = WTALCLI._callbacks
    monkeypatch.setattr(WTALCLI, "_callbacks", lambda *arguments: [*ours(*arguments), Terminate()])

    def run(name: str, *words: str, at: int = 0) -> int:
        Terminate.at = at
        return main(["fit", "-c", str(CONFIG), *SHORT, f"--name={name}", *words])

    return run


def weights(path: Path) -> dict[str, torch.Tensor]:
    newest = max(path.rglob("last.ckpt"), key=lambda file: file.stat().st_mtime)
    return torch.load(newest, weights_only=True)["state_dict"]


def rows(metrics: Path) -> list[tuple[str, str]]:
    """Epoch and step of each row that was logged."""
    with metrics.open(newline="") as file:
        return [(row["epoch"], row["step"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    "at", [pytest.param(2, marks=pytest.mark.slow, id="warm-up"), 8, pytest.param(12, marks=pytest.mark.slow)]
)
def test_resumed_is_as_uninterrupted_bit_for_bit(fit, at: int, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert fit("cut", "--resume", "true", at=at) == 143
    assert "Ended by SIGTERM; `--resume true` continues from" in capsys.readouterr().err
    saved = torch.load(tmp_path / "runs" / "cut" / "version_0/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == at
    assert fit("cut", "--resume", "true") == 0
    assert fit("whole") == 0
    assert [path.name for path in (tmp_path / "runs" / "cut").iterdir()] == ["version_0"]
    logged, in_one = (rows(tmp_path / "runs" / name / "version_0/metrics.csv") for name in ("cut", "whole"))
    assert logged == in_one
    found, expected = (weights(tmp_path / "runs" / name) for name in ("cut", "whole"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_job_of_slurm_is_put_back_in_the_queue(fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGUSR1, with a `scontrol` that writes down what it is asked."""
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "asked.txt"}\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    monkeypatch.setattr(Terminate, "by", signal.SIGUSR1)
    assert fit("job", "--resume", "true", at=2) == 143
    assert (tmp_path / "asked.txt").read_text() == "requeue 41\n"
    monkeypatch.setattr(Terminate, "by", signal.SIGTERM)
    assert fit("job", "--resume", "true", at=5) == 143  # it went on: the step of the second signal is not the second
    saved = torch.load(tmp_path / "runs" / "job" / "version_0/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 5
    assert (tmp_path / "asked.txt").read_text() == "requeue 41\n"
    assert not list(tmp_path.rglob("hpc_ckpt*"))
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def test_resuming_without_a_checkpoint_begins_a_new_run(fit, tmp_path: Path) -> None:
    assert fit("new", "--resume", "true", "--trainer.max_epochs=1") == 0
    assert (tmp_path / "runs" / "new" / "version_0" / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_real_sigterm_to_all_processes(tmp_path: Path, workers: int) -> None:
    command = [sys.executable, "-m", "wtal", "fit", "-c", str(CONFIG), "--trainer.max_epochs=500"]
    command.append(f"--data.num_workers={workers}")
    environment = {**os.environ, "PYTHONPATH": str(Path(wtal.__file__).parents[1])}
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=environment, start_new_session=True)
    metrics = tmp_path / "runs" / "CollaborationModule" / "version_0" / "metrics.csv"
    while not metrics.exists() and process.poll() is None:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    assert b"Traceback" not in errors
    assert b"Ended by SIGTERM" in errors
    assert (metrics.parent / "checkpoints" / "last.ckpt").is_file()

"""Both branches of a collaboration in processes of their own, through the command line."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from wtal.commands.main import main

pytestmark = pytest.mark.slow

SHORT = ["--trainer.max_epochs=6", "--trainer.enable_progress_bar=false", "--model.init_args.schedule.warm_up=2"]
FIT = ["fit", "-c", "synthetic.yaml", *SHORT, "--asynchronous=true", "--exchange.every=3", "--then_test=true"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def branches_of(run: Path) -> list[int]:
    """The processes that train the branches of a run."""
    found = subprocess.run(["pgrep", "-f", f"wtal branch .*{run.parent.name}"], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def ages(run: Path) -> list[int]:
    events = [json.loads(line) for file in run.rglob("journal.jsonl") for line in file.read_text().splitlines()]
    return [event["age"] for event in events if "age" in event and event["version"]]


def test_killed_branches_go_on_and_the_training_is_repeated_bit_for_bit(folder: Path) -> None:
    run, rng = folder / "runs" / "killed" / "version_0", random.Random(0)
    process = subprocess.Popen([sys.executable, "-m", "wtal", *FIT, "--name=killed"])
    kills, deadline = 0, time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(rng.uniform(1, 4))
        alive = branches_of(run)
        if kills < 6 and alive:
            os.kill(rng.choice(alive), signal.SIGKILL)
            kills += 1
    assert process.wait(60) == 0
    assert kills >= 2
    assert not branches_of(run)
    assert ages(run)
    assert max(ages(run)) <= 1
    assert "test/fused/mAP" in json.loads((run / "record.json").read_text())["metrics"]
    assert main(["replay", str(run)]) == 0


def test_a_killed_supervisor_ends_its_branches_and_is_resumed(folder: Path) -> None:
    run = folder / "runs" / "cut" / "version_0"
    words = [sys.executable, "-m", "wtal", *FIT, "--name=cut", "--resume=true"]
    process, deadline = subprocess.Popen(words), time.monotonic() + 200
    while not list(run.rglob("journal.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.kill()
    process.wait()
    while branches_of(run) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not branches_of(run)
    assert subprocess.run(words).returncode == 0
    assert [path.name for path in run.parent.iterdir()] == ["version_0"]
    assert main(["replay", str(run)]) == 0
    assert main(["test", "-c", "synthetic.yaml", *SHORT, f"--ckpt_path={run / 'checkpoints/last.ckpt'}"]) == 0


def test_the_pair_holds_the_weights_of_its_branches(folder: Path) -> None:
    run = folder / "runs" / "both" / "version_0"
    assert main([*FIT, "--name=both"]) == 0
    pair = weights(run)
    for name in ("cbp", "vlp"):
        alone = torch.load(next(run.glob(f"*/{name}/checkpoints/last.ckpt")), weights_only=True)["state_dict"]
        assert alone
        assert all(torch.equal(pair[f"{name}.{key}"], value) for key, value in alone.items())

"""A shipped sweep under wandb's real agent, offline: its words are those of `wtal fit`, and the numbers arrive."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from wtal.sweep.definition import read_sweep

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the sweep, its configuration cut down to two epochs of a few videos, and a command `wtal`."""
    config = yaml.safe_load((ROOT / "configs" / "synthetic.yaml").read_text())
    config["trainer"] |= {"max_epochs": 2, "enable_progress_bar": False}
    config["model"]["init_args"]["schedule"] |= {"warm_up": 1, "period": 1}
    config["data"]["init_args"] = {"params": {"train_videos": 12, "test_videos": 4}}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "synthetic.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(ROOT / "configs" / "sweeps" / "synthetic.yaml", tmp_path)
    wtal = tmp_path / "wtal"
    wtal.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wtal "$@"\n')
    wtal.chmod(wtal.stat().st_mode | stat.S_IXUSR)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_real_agent_runs_a_shipped_sweep(place):
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    env |= {"WANDB_MODE": "offline", "PATH": f"{place}{os.pathsep}{env['PATH']}", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, str(Path(__file__).with_name("offline_agent.py")), "synthetic.yaml"]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=env)
    sweep = read_sweep(Path("synthetic.yaml"))
    assert done.stdout.split()[-2:] == [str(len(sweep.grid())), "0"]
    records = [json.loads(path.read_text()) for path in Path("runs").rglob("record.json")]
    patterns = [record["config"]["model"]["init_args"]["schedule"]["pattern"] for record in records]
    assert sorted(patterns) == sorted(assignment["model.init_args.schedule.pattern"] for assignment in sweep.grid())
    assert all(0 <= record["metrics"][sweep.metric] <= 1 for record in records)
    logged = list(Path("runs/wandb").glob("offline-run-*/run-run*.wandb"))
    assert len(logged) == len(records)
    assert all(sweep.metric.encode() in path.read_bytes() for path in logged)

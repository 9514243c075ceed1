"""Sweeps on Ray: the same guarantees as on one machine."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from tests.sweep.test_command import TRAIN, log, outcomes
from wtal.commands.main import main
from wtal.errors import ConfigError
from wtal.io.ray_cluster import RaySettings
from wtal.sweep import Engine, read_sweep, run_sweep
from wtal.sweep.runner import Outcome

with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'wtal[ray]'")
WORDS = ["sweep", "sweep.yaml", "--output", "out", "--engine", "ray"]
PATIENCE_S = 300


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of three trainings in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "sleep.txt").write_text("0")
    content = {
        "method": "grid",
        "metric": {"name": "test/mAP", "goal": "maximize"},
        "command": [sys.executable, "train.py", "${args}"],
        "parameters": {"x": {"values": [1, 2, 3]}},
    }
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def until(what: object) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def processes(folder: Path) -> set[int]:
    """Other processes that began in a folder, by their ids."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").readlink() == folder and int(place.name) != os.getpid():
                found.add(int(place.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("wrong", [{"cpus": 0}, {"gpus": -1}, {"address": "ray://head:10001"}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="`ray"):
        RaySettings(**wrong)  # type: ignore[arg-type]


def test_a_missing_ray_names_the_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(WORDS) == 2
    assert "ray is not installed: run `pip install 'wtal[ray]'`." in capsys.readouterr().err


def test_another_engine_is_asked_until_it_has_an_outcome(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wtal.sweep.execution.POLL_S", 0.0)
    asked: list[float] = []

    def perform(sweep: object, assignment: dict[str, float], output: Path, retry: bool) -> Outcome | None:
        asked.append(assignment["x"])
        return None if len(asked) == 1 else Outcome(assignment, "done")  # first, another process works on it

    assert run_sweep(read_sweep(Path("sweep.yaml")), folder / "out", engine=Engine(perform)) == 0
    assert asked == [1, 1, 2, 3]


@with_ray
@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_nothing_is_repeated_or_left(folder: Path) -> None:
    (folder / "sleep.txt").write_text("3")
    process = subprocess.Popen([sys.executable, "-m", "wtal", *WORDS, "--jobs", "2"], stdout=subprocess.DEVNULL)
    until(lambda: len(log()) == 2)
    claims = {path: json.loads(path.read_text())["pids"] for path in Path("out").glob("*/claim.json")}
    worker, training = next(pids for pids in claims.values() if len(pids) == 2)
    assert worker != process.pid
    os.kill(worker, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{training}").exists() or "Z" in Path(f"/proc/{training}/stat").read_text())
    (folder / "sleep.txt").write_text("0")
    assert process.wait(PATIENCE_S) == 0
    assert outcomes() == [(1, "done"), (2, "done"), (3, "done")]
    begun = [line for line in log() if line.endswith("begun")]
    assert len(begun) == 3
    assert len([line for line in log() if line.endswith("resumed")]) == 1  # that of the killed worker alone
    until(lambda: not processes(folder))
    assert main(WORDS) == 0
    assert len(log()) == 4


@with_ray
@pytest.mark.slow
def test_a_terminated_sweep_leaves_its_runs_to_the_next_start(folder: Path) -> None:
    (folder / "sleep.txt").write_text("60")
    process = subprocess.Popen([sys.executable, "-m", "wtal", *WORDS], stdout=subprocess.DEVNULL)
    until(lambda: len(log()) == 1)
    process.terminate()
    assert process.wait(PATIENCE_S) == 143
    until(lambda: not processes(folder))
    assert outcomes() == []
    (folder / "sleep.txt").write_text("0")
    assert main(["sweep", "sweep.yaml", "--output", "out"]) == 0  # on this machine alone
    assert log() == ["1.0 0 begun", "1.0 0 resumed", "2.0 0 begun", "3.0 0 begun"]

"""Sweeps of a stand-in for a training: it writes a record, and can be slow or fail."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from wtal.commands.main import main
from wtal.sweep import runner

TRAIN = """
import argparse, json, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--seed_everything", type=int, default=0)
parser.add_argument("--trainer.default_root_dir", dest="folder", type=pathlib.Path)
parser.add_argument("--ckpt_path")
args = parser.parse_args()
if args.x != 13:
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "last.ckpt").touch()
with open("log.txt", "a") as file:  # whoever waits for this line may then kill: the checkpoint is there
    file.write(f"{args.x} {args.seed_everything} {'resumed' if args.ckpt_path else 'begun'}\\n")
if args.x == 13:
    sys.exit("thirteen is refused")
time.sleep(float(pathlib.Path("sleep.txt").read_text()))
record = {"config": {"x": args.x}, "seed": args.seed_everything, "metrics": {"test/mAP": args.x / 10}, "seconds": 1}
(args.folder / "record.json").write_text(json.dumps(record))
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "sleep.txt").write_text("0")

    def write(**changes):
        content = {
            "method": "grid",
            "metric": {"name": "test/mAP", "goal": "maximize"},
            "command": [sys.executable, "train.py", "${args}"],
            "parameters": {"x": {"values": [1, 2, 3]}},
        }
        (tmp_path / "sweep.yaml").write_text(yaml.safe_dump({**content, **changes}))

    write()
    return write


def log():
    path = Path("log.txt")
    return sorted(path.read_text().splitlines()) if path.exists() else []


def outcomes():
    found = [json.loads(path.read_text()) for path in Path("out").glob("*/outcome.json")]
    return sorted((one["assignment"]["x"], one["status"]) for one in found)


def run(*words):
    return main(["sweep", "sweep.yaml", "--output", "out", *words])


def test_runs_everything_once(sweep, capsys):
    assert run("--jobs", "2", "--seeds", "0", "1") == 0
    assert log() == [f"{x}.0 {seed} begun" for x in (1, 2, 3) for seed in (0, 1)]
    assert "6 done" in capsys.readouterr().out
    assert run("--seeds", "0", "1") == 0
    assert len(log()) == 6


def test_a_failure_is_a_row_with_the_reason_and_the_others_continue(sweep, capsys):
    sweep(parameters={"x": {"values": [13, 1]}})
    with pytest.raises(SystemExit, match="2"):
        run()
    assert outcomes() == [(1, "done"), (13, "failed")]
    assert "exit code 1: thirteen is refused" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit):
        run()
    assert len(log()) == 2
    with pytest.raises(SystemExit):
        run("--retry")
    assert log() == ["1.0 0 begun", "13.0 0 begun", "13.0 0 begun"]


def test_a_killed_sweep_continues_without_repeating(sweep, tmp_path):
    (tmp_path / "sleep.txt").write_text("0.5")
    words = [sys.executable, "-m", "wtal", "sweep", "sweep.yaml", "--output", "out"]
    process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(log()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)  # the sweep and the training of the second run
    process.wait()
    assert outcomes() == [(1, "done")]
    (tmp_path / "sleep.txt").write_text("0")
    assert run() == 0
    assert outcomes() == [(1, "done"), (2, "done"), (3, "done")]
    assert log() == ["1.0 0 begun", "2.0 0 begun", "2.0 0 resumed", "3.0 0 begun"]


@pytest.mark.parametrize("whole_group", [True, False])
def test_a_terminated_sweep_leaves_the_run_to_the_next_start(sweep, tmp_path, whole_group):
    """SIGTERM to the sweep alone, as from `kill`, and to it and its training, as from a cluster."""
    (tmp_path / "sleep.txt").write_text("20")
    words = [sys.executable, "-m", "wtal", "sweep", "sweep.yaml", "--output", "out"]
    process = subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not log() and time.monotonic() < deadline:
        time.sleep(0.05)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=15)
    assert process.returncode == 143, errors
    assert not errors
    assert outcomes() == []
    (tmp_path / "sleep.txt").write_text("0")
    assert run() == 0
    assert log() == ["1.0 0 begun", "1.0 0 resumed", "2.0 0 begun", "3.0 0 begun"]


def test_a_training_that_outlives_its_sweep_is_not_done_twice(sweep, tmp_path):
    (tmp_path / "sleep.txt").write_text("1.5")
    sweep(parameters={"x": {"values": [1]}})
    words = [sys.executable, "-m", "wtal", "sweep", "sweep.yaml", "--output", "out"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not log() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.kill()
    process.wait()
    assert run() == 0
    assert log() == ["1.0 0 begun"]
    assert outcomes() == [(1, "done")]


def test_two_sweeps_of_one_folder_share_the_work(sweep, tmp_path):
    (tmp_path / "sleep.txt").write_text("0.3")
    words = [sys.executable, "-m", "wtal", "sweep", "sweep.yaml", "--output", "out"]
    both = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert log() == ["1.0 0 begun", "2.0 0 begun", "3.0 0 begun"]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_search_ends_and_continues(sweep, method):
    sweep(method=method, run_cap=3, parameters={"x": {"min": 0.0, "max": 5.0}})
    assert run() == 0
    assert len(log()) == 3
    sweep(method=method, run_cap=5, parameters={"x": {"min": 0.0, "max": 5.0}})
    assert run() == 0
    assert len(log()) == 5


SEARCH = {"method": "bayes", "run_cap": 2, "parameters": {"x": {"min": 0.0, "max": 5.0}}}


def test_a_search_that_learns_nothing_is_an_error(sweep, capsys):
    sweep(**SEARCH, metric={"name": "val/mAP", "goal": "maximize"})
    assert run() == 2
    assert "a finished run has no metric 'val/mAP', but test/mAP: name one of these" in capsys.readouterr().err
    assert len(log()) == 1


def test_an_undefined_metric_ends_a_search_as_a_failure_does(sweep, tmp_path):
    (tmp_path / "train.py").write_text(TRAIN.replace("args.x / 10", "float('nan')"))
    sweep(**SEARCH)
    assert run() == 0
    assert len(log()) == 2


def test_a_search_in_the_opposite_direction_needs_another_folder(sweep, capsys):
    sweep(**SEARCH)
    assert run() == 0
    sweep(**SEARCH, metric={"name": "test/mAP", "goal": "minimize"})
    assert run() == 2
    assert "out holds a search that maximizes, and sweep.yaml asks for the opposite" in capsys.readouterr().err


def test_a_metric_that_no_run_has_measured_is_named(sweep, capsys):
    sweep(metric={"name": "val/mAP", "goal": "maximize"})
    assert run() == 0
    assert capsys.readouterr().out.count("not measured") == 3


def test_the_table_of_a_sweep(sweep, capsys):
    assert run("--seeds", "0", "1") == 0
    assert main(["table", "out", "--output", "table.csv", "--baseline", "x=1"]) == 0
    text = Path("table.csv").read_text().splitlines()
    assert text[0] == "variant,seeds,avg,avg sd,difference,p"
    assert sorted(text[1:])[0].startswith("x=1,2,0.1,0.0,,")
    assert main(["table", "out", "--baseline", "x=9"]) == 2
    assert main(["table", "none"]) == 2
    assert "No row is named 'x=9'" in capsys.readouterr().err


def test_the_table_of_a_comparison(tmp_path, capsys):
    lines = ["method,seed,mAP@0.5,mAP_avg,features,benchmark"]
    lines += [f"cbp,{seed},0.{seed}1,0.{seed}2,made up,thumos14-212" for seed in (3, 4)]
    lines += [f"alternation,{seed},0.{seed}2,0.{seed}{seed + 1},made up,thumos14-212" for seed in (3, 4)]
    (tmp_path / "comparison.csv").write_text("\n".join(lines))
    assert main(["table", str(tmp_path), "--baseline", "CBP alone", "--published"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "alternation 37.0 39.5 ± 7.8 2 +2.5" in text
    assert "Ju et al. (published, real features; arXiv:2212.09335) 42.0 49.4" in text


def test_a_full_disk_leaves_no_claim(sweep, monkeypatch, capsys):
    def full(child=None):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runner, "_token", full)
    assert run() == 2
    assert "claim.json: No space left on device; make room" in capsys.readouterr().err
    assert not list(Path("out").rglob("claim.json"))
    monkeypatch.undo()

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wtal.results import Identity, RunFolder
from wtal.results.run_folder import newest_checkpoint, records_below


def touch(path: Path, time: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time, time))
    return path


def test_needs_no_torch():
    code = (
        "import sys; from wtal.results import RunFolder, Record; print('torch' in sys.modules, 'pandas' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]


@pytest.mark.parametrize("inside", [".", "checkpoints/last.ckpt", "checkpoints", "predictions/cbp.json", "metrics.csv"])
def test_is_found_from_anything_in_it(tmp_path: Path, inside: str):
    run = RunFolder(tmp_path / "name" / "version_0")
    touch(run.last)
    touch(run.metrics)
    touch(run.predictions_of("cbp"))
    assert RunFolder.containing(run.path / inside) == run


def test_a_folder_without_a_run_belongs_to_none(tmp_path: Path):
    assert RunFolder.containing(touch(tmp_path / "a" / "b" / "last.ckpt")) is None


def test_every_version_is_claimed_once_and_numbers_only_grow(tmp_path: Path):
    (tmp_path / "version_9").mkdir()
    (tmp_path / "version_x").mkdir()
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: RunFolder.claim(tmp_path).path.name, range(24)))
    assert sorted(claimed) == sorted(f"version_{n}" for n in range(10, 34))


def test_the_newest_is_that_by_time_not_by_name(tmp_path: Path):
    home = tmp_path / "runs"
    old, new = RunFolder(home / "version_10"), RunFolder(home / "version_2")
    for run, time in ((old, 1), (new, 2)):
        touch(run.last, time)
        touch(run.record, time)
    assert RunFolder.below(home) == [old, new]
    assert newest_checkpoint(tmp_path) == new.last
    assert records_below(home) == [old.record, new.record]
    assert newest_checkpoint(home / "version_3") is None


def test_the_selected_checkpoint_is_the_newest_beside_the_last(tmp_path: Path):
    run = RunFolder(tmp_path)
    assert run.selected is None
    touch(run.last, 9)
    assert run.selected is None
    touch(run.checkpoints / "epoch=1.ckpt", 1)
    newest = touch(run.checkpoints / "epoch=0.ckpt", 2)
    assert run.selected == newest


def test_sources_are_the_predictions_but_the_ground_truth(tmp_path: Path):
    run = RunFolder(tmp_path)
    assert run.sources == []
    for path in (run.predictions_of("vlp"), run.predictions_of("cbp"), run.ground_truth):
        touch(path)
    assert run.sources == ["cbp", "vlp"]


def test_a_run_knows_its_name_before_version_0_2_too(tmp_path: Path):
    run = RunFolder(tmp_path)
    assert run.run_name == ""
    run.config.write_text("name: null\nmodel: {class_path: wtal.branches.CBPBranch}\n")
    assert run.run_name == "CBPBranch"
    run.config.write_text("name: old\n")
    assert run.run_name == "old"
    run.write_identity(Identity.of({"seed_everything": 3}), "new")
    assert run.run_name == "new"

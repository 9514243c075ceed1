import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wtal.data.synthetic import SyntheticParams, write_synthetic
from wtal.errors import ConfigError

SMALL = SyntheticParams(train_videos=3, test_videos=2)


def content(root: Path) -> dict[str, bytes]:
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_equal_parameters_give_equal_files(tmp_path: Path):
    write_synthetic(tmp_path / "a", SMALL)
    write_synthetic(tmp_path / "b", SMALL)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert np.load(tmp_path / "a" / "i3d" / "video_0004.npy").shape[1] == SMALL.i3d_dim


def test_other_parameters_replace_an_older_benchmark(tmp_path: Path):
    write_synthetic(tmp_path, SMALL)
    write_synthetic(tmp_path, SyntheticParams(train_videos=1, test_videos=1))
    assert len(list((tmp_path / "i3d").iterdir())) == 2


def test_a_folder_of_anything_else_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="holds other files, which the embedded benchmark would replace"):
        write_synthetic(tmp_path, SMALL)
    assert content(tmp_path) == {"thesis.tex": b"years of work"}


def _make_and_read(root: Path, barrier: Any) -> None:
    barrier.wait()
    write_synthetic(root, SyntheticParams(train_videos=4, test_videos=2))
    for kind in ("i3d", "clip"):
        assert len([np.load(path) for path in sorted((root / kind).glob("*.npy"))]) == 6


def test_processes_that_start_together_do_not_disturb_each_other(tmp_path: Path):
    """The runs of a sweep once read their videos while another run replaced them."""
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(4)
    processes = [fork.Process(target=_make_and_read, args=(tmp_path / "made", barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert [path.name for path in sorted(tmp_path.iterdir())] == [".made.lock", "made"]

from pathlib import Path

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

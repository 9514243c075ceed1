import os
from pathlib import Path

import pytest

from wtal.io.folders import files_below
from wtal.video.files import find_videos


def names(folder: Path, **options: int) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files_below(folder, **options)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "here" / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for file in ("here/b.mp4", "here/deep/a.mp4", "here/deep/deeper/c.mp4", "here/.hidden", "elsewhere/y.mp4"):
        (tmp_path / file).touch()
    return tmp_path


def test_finds_files_in_subfolders_in_order(tree: Path) -> None:
    assert names(tree / "here") == ["b.mp4", "deep/a.mp4", "deep/deeper/c.mp4"]
    assert names(tree / "here", depth=1) == ["b.mp4", "deep/a.mp4"]
    assert names(tree / "nowhere") == []


def test_follows_links_but_not_in_circles(tree: Path) -> None:
    (tree / "here" / "more").symlink_to(tree / "elsewhere")
    (tree / "elsewhere" / "back").symlink_to(tree / "here")
    (tree / "here" / "gone").symlink_to(tree / "nowhere")
    assert names(tree / "here") == ["b.mp4", "deep/a.mp4", "deep/deeper/c.mp4", "gone", "more/y.mp4"]


def test_videos_in_linked_folders(tree: Path) -> None:
    (tree / "here" / "more").symlink_to(Path(os.pardir) / "elsewhere")
    assert sorted(find_videos([tree / "here"])) == ["a", "b", "c", "y"]

"""A file is written whole or stays as it was before; an error names the file."""

import errno
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from wtal.io.files import drafted, write_text


@pytest.fixture
def full_disk() -> Iterator[None]:
    """A limit on the size of files stands in for a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_the_former_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "one")
    with drafted(path) as draft:
        draft.write_text("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("full_disk")
def test_on_a_full_disk_the_former_file_stays_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one")
    with pytest.raises(OSError, match=r"a\.txt") as caught:
        write_text(path, "longer than there is room for")
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, drafted(tmp_path / "a.txt"):
        (tmp_path / "source.txt").read_text()
    assert Path(caught.value.filename).name == "source.txt"
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def half() -> None:
        with drafted(tmp_path / "a.txt") as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert not list(tmp_path.iterdir())

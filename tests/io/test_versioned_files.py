import pytest

from wtal.io.versioned_files import VersionedFiles


def test_the_newest_version_counts_and_drafts_and_other_files_do_not(tmp_path):
    files = VersionedFiles(tmp_path, ".npz")
    assert files.latest("cbp/packets") == 0
    for version in (1, 2, 10):
        files.write("cbp/packets", version, bytes([version]))
    for name in (".000011.npz.7.tmp", "000012.txt", "last.npz"):
        (tmp_path / "cbp" / "packets" / name).write_bytes(b"x")
    assert files.latest("cbp/packets") == 10
    assert files.latest("vlp/packets") == 0
    assert files.read("cbp/packets", 10) == b"\n"


def test_another_one_of_the_same_folder_knows_what_was_written(tmp_path):
    VersionedFiles(tmp_path, ".npz").write("cbp", 1, b"one")
    again = VersionedFiles(tmp_path, ".npz")
    again.write("cbp", 1, b"one")  # a call that is repeated
    assert (again.latest("cbp"), again.read("cbp", 1)) == (1, b"one")
    assert len(list((tmp_path / "cbp").iterdir())) == 1


def test_a_missing_version_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        VersionedFiles(tmp_path, ".npz").read("cbp", 1)


def test_it_says_when_the_work_ends(tmp_path):
    files = VersionedFiles(tmp_path, ".npz")
    assert not files.is_closed()
    files.close()
    assert files.is_closed()

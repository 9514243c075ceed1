"""The bank of features: versions that are whole, resume at any time, bounded in number."""

import numpy as np
import pytest

from wtal.data import BankRows, FeatureBank, StoreWriter, open_store
from wtal.errors import CheckpointError, FeatureError
from wtal.types import TimeGrid


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "store", TimeGrid()) as store:
        for name, length in (("a", 5), ("b c", 3)):
            store.add(name, rng.standard_normal((length, 4)).astype(np.float32))
    return open_store(tmp_path / "store")


@pytest.fixture
def bank(tmp_path, source):
    made = FeatureBank(tmp_path / "bank", source, ["a", "b c"])
    made.start(0)
    return made


def at(bank, name, time, value):
    rows = bank.read(name)
    bank.write(name, time, BankRows(rows.features * 0 + value, rows.refreshed * 0 + time, rows.gradient))


def versions(bank, name):
    return sorted(int(file.stem) for file in (bank.folder / name).glob("*.npy"))


def test_it_begins_as_a_copy_that_never_changes_its_source(bank, source, tmp_path):
    before = (tmp_path / "store" / "a.npy").read_bytes()
    assert (bank.read("a").features == source["a"]).all()
    assert (bank.store["b c"] == source["b c"]).all()
    assert bank.store.length("a") == 5
    assert bank.store.dim == 4
    assert bank.store.grid("a") == source.grid("a")
    at(bank, "a", 1, 7.0)
    assert (bank.read("a").features == 7).all()
    assert (bank.store["a"] == 7).all()
    assert bank.read("a").refreshed.tolist() == [1] * 5
    assert bank.read("b c").refreshed.tolist() == [0] * 3
    assert (tmp_path / "store" / "a.npy").read_bytes() == before


def test_a_resumed_training_finds_the_rows_of_its_checkpoint(bank, source):
    at(bank, "a", 1, 1.0)
    bank.note_checkpoint(2)
    at(bank, "a", 3, 3.0)
    at(bank, "b c", 5, 5.0)
    again = FeatureBank(bank.folder, source, ["a", "b c"])
    again.start(2)
    assert (again.read("a").features == 1).all()
    assert (again.read("b c").features == source["b c"]).all()


def test_a_new_training_in_the_same_folder_begins_anew(bank, source):
    at(bank, "a", 1, 1.0)
    bank.start(0)
    assert versions(bank, "a") == [0]
    assert (bank.read("a").features == source["a"]).all()


def test_versions_are_kept_for_the_last_two_checkpoints_only(bank):
    for time in range(1, 12, 2):
        at(bank, "a", time, float(time))
        bank.note_checkpoint(time + 1)
        bank.note_checkpoint(time + 1)  # written to several files
    assert versions(bank, "a") == [7, 9, 11]  # of the checkpoint 8, which alone is surely on disk, and later ones
    bank.start(8)
    assert (bank.read("a").features == 7).all()


def test_a_checkpoint_that_is_too_old_is_refused(bank, source):
    for time in (1, 3, 5, 7):
        at(bank, "a", time, float(time))
        bank.note_checkpoint(time + 1)
    assert 0 not in versions(bank, "a")
    with pytest.raises(CheckpointError, match="no longer has the features that a had"):
        FeatureBank(bank.folder, source, ["a"]).start(1)


def test_a_half_written_file_is_no_version(bank):
    (bank.folder / "a" / ".0000000009.npy.123.tmp").write_bytes(b"half")
    assert versions(bank, "a") == [0]
    assert bank.read("a").refreshed.tolist() == [0] * 5


def test_a_video_without_rows_and_a_full_disk_are_named(bank, monkeypatch):
    with pytest.raises(FeatureError, match="no features of c"):
        bank.read("c")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wtal.data.bank.write_npy", full)
    with pytest.raises(FeatureError, match=r"the features of a cannot be written .No space left"):
        at(bank, "a", 1, 1.0)
    assert versions(bank, "a") == [0]

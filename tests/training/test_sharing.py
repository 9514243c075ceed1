"""Runs and feature stores go to the Hub and come back unchanged, whatever breaks; nothing from there runs code."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hub import FakeHub

import wtal
from wtal.commands.main import main
from wtal.data import FeatureSource
from wtal.data.manifest import Manifest
from wtal.errors import CheckpointError, ConfigError, HubError
from wtal.results.record import Record, read_record, write_record
from wtal.results.run_folder import RunFolder
from wtal.training.given_checkpoint import given_checkpoint
from wtal.training.sharing import local_path, pack, unpack
from wtal.types import TimeGrid

pytest.importorskip("safetensors", reason="needs wtal[hub]")


@pytest.fixture
def run(trained, tmp_path: Path) -> RunFolder:
    """A finished run of both branches, with a record."""
    done = trained("collaboration")
    folder = RunFolder(shutil.copytree(done.checkpoint.parent.parent, tmp_path / "run"))
    config = yaml.safe_load(folder.config.read_text())
    digest = json.loads(folder.identity.read_text())["digest"]
    metrics = {f"test/{name.removeprefix('test/')}": value for name, value in done.metrics.items()}
    write_record(folder.record, Record(metrics, config=config, identity=digest, seed=0, benchmark="made up"))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Features of two videos, as `wtal extract` writes them."""
    folder = tmp_path / "features" / "i3d"
    folder.mkdir(parents=True)
    for name, length in (("a", 3), ("b", 5)):
        np.save(folder / f"{name}.npy", np.full((length, 4), length, np.float32))
    Manifest(TimeGrid(), 4, "float32", {"a": 3, "b": 5}).write(folder)
    return folder.parent


def equal(one: Path, other: Path) -> bool:
    """Whether two runs have the same model, bit for bit."""
    first, second = wtal.load(one), wtal.load(other)
    states = first.model.state_dict(), second.model.state_dict()
    same = (first.class_names, first.epoch, first.model.floors, first.model.marks, first.model.note) == (
        second.class_names, second.epoch, second.model.floors, second.model.marks, second.model.note,
    )  # fmt: skip
    return same and states[0].keys() == states[1].keys() and all(map(torch.equal, *(s.values() for s in states)))


# Files --------------------------------------------------------------------------------------------------------------


def test_a_run_survives_its_files_bit_for_bit(run: RunFolder, tmp_path: Path):
    pack(run.path, tmp_path / "shared")
    unpack(tmp_path / "shared", tmp_path / "back")
    assert equal(run.path, tmp_path / "back")
    assert read_record(tmp_path / "back" / "record.json").metrics == read_record(run.record).metrics
    names = {path.name for path in (tmp_path / "shared").iterdir()}
    assert names == {"model.safetensors", "model.json", "config.yaml", "record.json", "identity.json", "README.md"}


def test_the_model_card_has_the_numbers_of_the_record(run: RunFolder, tmp_path: Path):
    record = pack(run.path, tmp_path / "shared", "me/run")
    card = (tmp_path / "shared" / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["library_name"] == "wtal"
    assert f"digest: {record.identity}" in card
    assert "hf://me/run" in card
    row = next(line for line in card.splitlines() if line.startswith("| fused |"))
    assert row.endswith(f"| {100 * record.metrics['test/fused/mAP']:.1f} |")


def test_settings_of_the_trainer_that_name_other_packages_stay_at_home(run: RunFolder, tmp_path: Path):
    record = read_record(run.record)
    record.config["trainer"]["callbacks"] = [{"class_path": "pytorch_lightning.callbacks.EarlyStopping"}]
    write_record(run.record, record)
    pack(run.path, tmp_path / "shared")
    shared = yaml.safe_load((tmp_path / "shared" / "config.yaml").read_text())
    assert "callbacks" not in shared["trainer"]
    assert shared["trainer"]["max_epochs"] == 3


def test_a_record_of_another_run_is_refused(run: RunFolder, tmp_path: Path):
    write_record(run.record, Record({}, identity="0123456789abcdef"))
    with pytest.raises(ConfigError, match=r"is of the run 0123456789abcdef, but .*last.ckpt of "):
        pack(run.path, tmp_path / "shared")


def test_a_folder_without_a_record_is_refused(run: RunFolder, tmp_path: Path):
    run.record.unlink()
    with pytest.raises(ConfigError, match=r"has no checkpoint with a record\.json"):
        pack(run.path, tmp_path / "shared")


def test_a_training_in_python_is_refused(run: RunFolder, tmp_path: Path):
    content = torch.load(run.last, weights_only=True)
    del content["hyper_parameters"]["_class_path"]
    torch.save(content, run.last)
    with pytest.raises(CheckpointError, match="was trained in Python"):
        pack(run.path, tmp_path / "shared")


@pytest.mark.parametrize("place", ["model.json", "config.yaml"])
def test_what_names_other_code_is_refused_before_anything_is_made(run: RunFolder, tmp_path: Path, place: str):
    shared = tmp_path / "shared"
    pack(run.path, shared)
    if place == "model.json":
        content = json.loads((shared / place).read_text())
        content["init_args"]["cbp"]["init_args"]["head"] = {"class_path": "os.system", "init_args": {"command": "true"}}
        (shared / place).write_text(json.dumps(content))
    else:
        content = yaml.safe_load((shared / place).read_text())
        content["trainer"]["callbacks"] = [{"class_path": "subprocess.Popen", "init_args": {"args": "true"}}]
        (shared / place).write_text(yaml.safe_dump(content))
    with pytest.raises(CheckpointError, match=r"names (os\.system|subprocess\.Popen), not a class of this project"):
        unpack(shared, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_damaged_weights_leave_nothing_behind(run: RunFolder, tmp_path: Path):
    shared = tmp_path / "shared"
    pack(run.path, shared)
    weights = bytearray((shared / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (shared / "model.safetensors").write_bytes(weights)
    with pytest.raises(CheckpointError, match="does not have the checksum"):
        unpack(shared, tmp_path / "back")
    content = json.loads((shared / "model.json").read_text())
    (shared / "model.safetensors").write_bytes(b"nonsense")
    content["weights_sha256"] = hashlib.sha256(b"nonsense").hexdigest()
    (shared / "model.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="is damaged"):
        unpack(shared, tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "shared"]


# The Hub ------------------------------------------------------------------------------------------------------------


def test_a_run_goes_there_and_back(run: RunFolder, hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["push", str(run.path), "me/run"]) == 0
    assert "use it as hf://me/run" in capsys.readouterr().out
    assert not [name for name in hub.files("me/run") if name.endswith((".ckpt", ".pt", ".pkl"))]
    assert main(["pull", "me/run", "--output", str(tmp_path / "back")]) == 0
    assert equal(run.path, tmp_path / "back")
    assert main(["pull", "me/run", "--output", str(tmp_path / "back")]) == 2
    assert "exists: choose another folder" in capsys.readouterr().err


def test_every_way_to_give_a_checkpoint_takes_an_address(run: RunFolder, hub: FakeHub, tmp_path: Path):
    main(["push", str(run.path), "me/run"])
    assert equal(run.path, "hf://me/run")
    file = given_checkpoint("hf://me/run", "test")
    assert file.endswith("last.ckpt")
    assert torch.load(file, weights_only=True)["class_names"]
    with pytest.raises(CheckpointError, match="without the state of their training"):
        given_checkpoint("hf://me/run", "fit")
    seen = len(hub.asked)
    assert main(["zoo", "hf://me/run", "--output", str(tmp_path / "zoo.md")]) == 0  # as a folder of a run
    assert "made up" in (tmp_path / "zoo.md").read_text()
    assert not [path for _, path, _ in hub.asked[seen:] if path.endswith(".safetensors")]  # it is in the cache


def test_without_a_connection_the_cache_serves(run: RunFolder, hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    main(["push", str(run.path), "me/run"])
    first = local_path(Path("hf://me/run"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert local_path(Path("hf://me/run")) == first


def test_an_interrupted_download_goes_on_where_it_stopped(run: RunFolder, hub: FakeHub, tmp_path: Path):
    main(["push", str(run.path), "me/run"])
    hub.cut_downloads = 2
    assert main(["pull", "me/run", "--output", str(tmp_path / "back")]) == 0
    ranges = [given for method, path, given in hub.asked if method == "GET" and path.endswith(".safetensors")]
    size = len(hub.files("me/run")["model.safetensors"])
    assert ranges == ["", f"bytes={size // 2}-", f"bytes={size // 2 + (size - size // 2) // 2}-"]
    assert equal(run.path, tmp_path / "back")


def test_a_failed_download_leaves_no_run_and_the_next_one_completes_it(
    run: RunFolder, hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    main(["push", str(run.path), "me/run"])
    hub.cut_downloads = 100
    assert main(["pull", "me/run", "--output", str(tmp_path / "back")]) == 2
    assert "run the same command again: what has arrived is kept" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()
    hub.cut_downloads = 0
    hub.asked.clear()
    assert main(["pull", "me/run", "--output", str(tmp_path / "back")]) == 0
    fetched = [path.rpartition("/")[2] for method, path, _ in hub.asked if method == "GET" and "/resolve/" in path]
    assert fetched == ["model.safetensors"]  # the other files had arrived
    assert equal(run.path, tmp_path / "back")


def test_a_failed_upload_commits_nothing_and_the_next_one_sends_the_rest(
    store: Path, hub: FakeHub, capsys: pytest.CaptureFixture[str]
):
    hub.failing_uploads = 1
    assert main(["push", str(store), "me/features"]) == 2
    assert "Nothing was committed to me/features" in capsys.readouterr().err
    assert hub.repos["datasets/me/features"] == []
    assert main(["push", str(store), "me/features"]) == 0
    assert sorted(hub.sent) == sorted(set(hub.sent)) == sorted(hub.large)  # each array arrived once
    assert set(hub.files("me/features", "datasets")) == {"i3d/a.npy", "i3d/b.npy", "i3d/manifest.json"}


@pytest.mark.parametrize("address", ["hf://datasets/me/features/i3d", "hf://me/features/i3d"])
def test_features_are_read_from_there(store: Path, hub: FakeHub, address: str):
    main(["push", str(store), "me/features"])
    source = FeatureSource(Path(address))
    assert source == FeatureSource(address)
    assert np.load(source.path / "b.npy").tolist() == [[5.0] * 4] * 5


def test_files_that_could_run_code_are_not_even_downloaded(hub: FakeHub):
    hub.put("me/evil", {"last.ckpt": b"x", "weights.pkl": b"x", "model.bin": b"x", "README.md": b"x"})
    with pytest.raises(HubError, match=r"holds neither a run of wtal .* are never downloaded"):
        wtal.load("hf://me/evil")
    assert not [path for _, path, _ in hub.asked if path.endswith((".ckpt", ".pkl", ".bin"))]


def test_a_hostile_repository_is_refused_with_one_sentence(
    run: RunFolder, hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    main(["push", str(run.path), "me/run"])
    content = json.loads(hub.files("me/run")["model.json"])
    content["class_path"] = "builtins.exec"
    hub.put("me/run", {**hub.files("me/run"), "model.json": json.dumps(content).encode()})
    assert main(["pull", "me/run", "--output", str(tmp_path / "back")]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wtal: error")]
    assert len(error) == 1  # beside the progress of the download
    assert "names builtins.exec, not a class of this project" in error[0]
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://nobody", "^hf://nobody is no address on the Hub: write hf://user/repo"),
        ("hf://me/../x", "is no address on the Hub"),
        ("hf://me/nothing", "there is no such repository or revision"),
        ("hf://me/run/config.yaml", "is a configuration, which is not taken from the Hub unread"),
    ],
)
def test_a_wrong_address_is_one_sentence(hub: FakeHub, address: str, message: str):
    with pytest.raises(HubError, match=message):
        local_path(Path(address))


def test_pull_quotes_what_was_typed(hub: FakeHub, capsys: pytest.CaptureFixture[str]):
    assert main(["pull", "nonsense"]) == 2
    assert "error: nonsense is no address on the Hub" in capsys.readouterr().err


def test_arrays_that_are_no_store_are_not_pushed(tmp_path: Path, hub: FakeHub, capsys: pytest.CaptureFixture[str]):
    np.save(tmp_path / "video.npy", np.ones((3, 2)))
    assert main(["push", str(tmp_path), "me/features"]) == 2
    assert "has arrays without a manifest: give a folder that `wtal extract` has written" in capsys.readouterr().err


def test_a_repository_of_a_stranger_is_refused(store: Path, hub: FakeHub, capsys: pytest.CaptureFixture[str]):
    assert main(["push", str(store), "stranger/features"]) == 2
    assert "your token does not allow it; run `hf auth login`" in capsys.readouterr().err


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["pull", "user/repo", "--output", str(tmp_path / "run")]) == 2
    assert "the Hub cannot be reached; look at the network" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()

"""Features and runs on a local S3 server."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from storage import Storage, s3

import wtal
from wtal.commands.main import main
from wtal.data import FeatureSource, open_features, read_manifest
from wtal.data.remote_store import open_appender
from wtal.errors import RemoteError
from wtal.io.remote import list_remote
from wtal.io.remote_cache import RemoteFolder, fetch_remote
from wtal.types import TimeGrid

__all__ = ["s3"]

TINY = str(Path(__file__).parents[1] / "nn" / "model_configs" / "tiny-clip.json")
EXTRACT = ["--random-weights", "--clip-model", TINY, "--streams", "clip", "--workers", "0"]
PATIENCE_S = 300

pytestmark = pytest.mark.slow


def rows(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(length, 64)).astype(np.float32)


def fill(address: str, lengths: dict[str, int]) -> None:
    store = open_appender(Path(address), TimeGrid(), origin={"model": "toy"})
    for seed, (name, length) in enumerate(lengths.items()):
        store.add(name, rows(length, seed))
    store.close()


def test_features_are_read_one_by_one_in_a_bounded_cache_and_from_workers(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WTAL_CACHE_GIB", str(1 / 1024))
    lengths = {f"v{number:02}": 1000 for number in range(12)}  # 3 MiB
    fill(f"{s3.bucket}/features/i3d", lengths)
    store = open_features(FeatureSource(f"{s3.bucket}/features/i3d"), list(lengths))
    assert not list((tmp_path / "cache").rglob("v*.npy"))

    class OfStore(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(lengths)

        def __getitem__(self, row: int) -> torch.Tensor:
            return torch.tensor(store[f"v{row:02}"])

    for _ in range(2):
        for seed, batch in enumerate(torch.utils.data.DataLoader(OfStore(), batch_size=None, num_workers=2)):
            np.testing.assert_array_equal(batch, rows(1000, seed))
    left = [path.stat().st_size for path in (tmp_path / "cache").rglob("v*.npy")]
    assert 0 < sum(left) <= 2**20
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_line_that_is_cut_is_tried_again_and_leaves_nothing_half(s3: Storage, tmp_path: Path) -> None:
    fill(f"{s3.bucket}/features", {"a": 4000})  # 1 MB
    folder = RemoteFolder.listed(f"{s3.bucket}/features")
    s3.cuts = 1000  # more than anybody tries
    with pytest.raises(RemoteError, match=r"^s3://bucket/features/a\.npy was not downloaded: the transfer failed"):
        folder.hold(folder.home / "a.npy")
    assert [path.name for path in folder.home.iterdir()] == [".listing.json"]
    s3.cuts = 1
    folder.hold(folder.home / "a.npy").close()
    np.testing.assert_array_equal(np.load(folder.home / "a.npy"), rows(4000))
    assert s3.cuts == 0


def test_a_process_killed_in_a_download_leaves_nothing_that_is_taken_for_whole(s3: Storage, tmp_path: Path) -> None:
    fill(f"{s3.bucket}/features", {"a": 4000})
    code = (
        "import sys, wtal.io.remote as remote, wtal.io.remote_cache as cache, os, signal, pathlib\n"
        "def half(address, file, path):\n"
        "    pathlib.Path(path).write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "cache.download_file = half\n"
        "folder = cache.RemoteFolder.listed(sys.argv[1])\n"
        "folder.hold(folder.home / 'a.npy')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, f"{s3.bucket}/features"], check=False)
    assert done.returncode == -signal.SIGKILL
    store = open_features(FeatureSource(f"{s3.bucket}/features"), ["a"])
    np.testing.assert_array_equal(store["a"], rows(4000))
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_wrong_credentials_are_one_sentence(
    s3: Storage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(f"{s3.bucket}/features", {"a": 30})
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0.0)  # from now on, nobody is known
    assert main(["data", "compare", f"{s3.bucket}/features", f"{s3.bucket}/features"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "wtal: error: s3://bucket/features cannot be read: your credentials are missing, are wrong or do not allow it; "
        "give others, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for S3."
    ]


@pytest.mark.parametrize("address", ["s3://bucket/nowhere", "s3://no-such-bucket/features"])
def test_what_is_not_there_is_one_sentence(s3: Storage, capsys: pytest.CaptureFixture[str], address: str) -> None:
    assert main(["data", "compare", address, address]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors == [f"wtal: error: {address} does not exist, or is empty: look for a mistake in the address."]


def test_a_server_that_cannot_be_reached_is_one_sentence(s3: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    __import__("s3fs").S3FileSystem.clear_instance_cache()
    with pytest.raises(RemoteError, match="the server cannot be reached; look at the network, and at AWS_ENDPOINT_URL"):
        fetch_remote("s3://bucket/features")


def test_extraction_goes_there_and_is_not_repeated(
    s3: Storage, tmp_path: Path, painted_video, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    for name, count in {"a": 70, "b": 33}.items():
        painted_video(tmp_path / "videos" / f"{name}.mp4", count)
    command = ["extract", str(tmp_path / "videos"), *EXTRACT, "--output"]
    assert main([*command, f"{s3.bucket}/features"]) == 0
    assert "2 videos written to s3://bucket/features/clip" in capsys.readouterr().out
    assert {"features/clip/a.npy", "features/clip/b.npy", "features/clip/manifest.json"} <= s3.files()
    before = list_remote(f"{s3.bucket}/features/clip")
    assert main([*command, f"{s3.bucket}/features"]) == 0
    assert "0 videos written" in capsys.readouterr().out
    after = list_remote(f"{s3.bucket}/features/clip")
    assert [after[f"{name}.npy"] for name in "ab"] == [before[f"{name}.npy"] for name in "ab"]
    assert main([*command, str(tmp_path / "here")]) == 0
    there = open_features(FeatureSource(f"{s3.bucket}/features/clip"), ["a", "b"])
    here = open_features(FeatureSource(tmp_path / "here" / "clip"), ["a", "b"])
    for name in ("a", "b"):
        np.testing.assert_array_equal(there[name], here[name])
    assert main([*command, f"{s3.bucket}/features", "--stride", "8"]) == 2
    assert "s3://bucket/features/clip was made with another grid" in capsys.readouterr().err


def test_a_killed_extraction_loses_no_finished_video(s3: Storage, tmp_path: Path, painted_video) -> None:
    (tmp_path / "videos").mkdir()
    for number in range(6):
        painted_video(tmp_path / "videos" / f"v{number}.mp4", 60 + number)
    words = [sys.executable, "-m", "wtal", "extract", str(tmp_path / "videos"), *EXTRACT]
    words += ["--output", f"{s3.bucket}/features"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while not any("/.entries/" in name for name in s3.files()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    entries = {Path(name).stem for name in s3.files() if "/.entries/" in name}
    before = list_remote(f"{s3.bucket}/features/clip")
    assert subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode == 0
    after = list_remote(f"{s3.bucket}/features/clip")
    assert all(after[f"{name}.npy"] == before[f"{name}.npy"] for name in entries)
    manifest = read_manifest(fetch_remote(f"{s3.bucket}/features/clip"))
    assert manifest is not None
    assert sorted(manifest.videos) == [f"v{number}" for number in range(6)]


def test_a_run_goes_there_and_is_used_from_there(
    s3: Storage, trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = trained("cbp")
    run = Path(shutil.copytree(done.checkpoint.parent.parent, tmp_path / "run"))
    assert main(["push", str(run), f"{s3.bucket}/runs/mine"]) == 0
    assert "use it by this address" in capsys.readouterr().out
    assert main(["push", str(run), f"{s3.bucket}/runs/mine"]) == 0
    assert "(0 files sent)" in capsys.readouterr().out  # by their checksums
    theirs, ours = wtal.load(f"{s3.bucket}/runs/mine"), wtal.load(run)
    assert all(map(torch.equal, theirs.model.state_dict().values(), ours.model.state_dict().values()))
    assert theirs.config is not None
    assert main(["pull", f"{s3.bucket}/runs/mine", "--output", str(tmp_path / "back")]) == 0
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {p.relative_to(tmp_path / "back").as_posix() for p in (tmp_path / "back").rglob("*") if p.is_file()} == names
    assert main(["table", str(run), "--output", f"{s3.bucket}/table"]) == 2
    assert "`wtal table` does not write to s3://bucket/table: give a folder" in capsys.readouterr().err

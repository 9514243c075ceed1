"""Extraction on Ray: shares, and a worker that is killed."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.sweep.test_on_ray import processes, until
from wtal.commands.main import main
from wtal.data.store import open_store
from wtal.extraction.on_ray import shares_of

with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'wtal[ray]'")
TINY = str(Path(__file__).parents[1] / "nn" / "model_configs" / "tiny-clip.json")
EXTRACT = ["--random-weights", "--clip-model", TINY, "--streams", "clip"]


def test_shares_are_alike_and_hold_every_video_once(tmp_path: Path) -> None:
    videos = {f"v{size}": tmp_path / f"v{size}" for size in range(1, 8)}
    for size, path in enumerate(videos.values(), start=1):
        path.write_bytes(bytes(size))
    shares = shares_of(videos, 3)
    assert [list(share) for share in shares] == [["v7", "v4", "v1"], ["v6", "v3"], ["v5", "v2"]]
    assert shares_of({}, 3) == []


@pytest.mark.parametrize("more", [["--streams", "mel"], ["--checkpoint", "run"], ["--ray-share", "0"]])
def test_what_ray_does_not_do_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    assert main(["extract", str(tmp_path), "--output", str(tmp_path / "out"), "--engine", "ray", *more]) == 2
    assert "ray" in capsys.readouterr().err


@with_ray
@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_finished_videos_are_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, painted_video
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    for number in range(6):
        painted_video(tmp_path / "videos" / f"v{number}.mp4", 60 + 40 * number)
    command = ["extract", "videos", *EXTRACT, "--output", "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "wtal", *command, "--engine", "ray", "--ray-share", "3", "--workers", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    clip = tmp_path / "out" / "clip"
    until(lambda: list(clip.glob("v*.npy")))
    workers = [pid for pid in processes(tmp_path) if "_in_folder" in Path(f"/proc/{pid}/cmdline").read_text()]
    before = {path.name: path.stat().st_mtime_ns for path in clip.glob("v*.npy")}
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "written to out" in printed
    after = {path.name: path.stat().st_mtime_ns for path in clip.glob("v*.npy")}
    assert len(after) == 6
    assert before.items() <= after.items()
    until(lambda: not processes(tmp_path))
    assert main(["extract", "videos", *EXTRACT, "--output", "here"]) == 0
    one, other = open_store(clip), open_store(tmp_path / "here" / "clip")
    assert {*one} == {*other}
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-6)
    began = time.monotonic()
    assert main([*command, "--engine", "ray"]) == 0  # nothing is left to do: Ray is not started
    assert time.monotonic() - began < 60
    assert {path.name: path.stat().st_mtime_ns for path in clip.glob("v*.npy")} == after

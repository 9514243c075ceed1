"""From own videos to detections, as a newcomer goes: ``init``, ``data check``, ``fit``, ``test``, ``predict``."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from wtal.commands.init import run as init
from wtal.commands.main import main
from wtal.data import CustomDataModule, FeatureSource
from wtal.data.own_videos import lacking_weights
from wtal.data.store import StoreWriter
from wtal.errors import AnnotationError, ConfigError, VideoError
from wtal.results.predictions import read_predictions
from wtal.types import TimeGrid

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "configs" / "custom.yaml"
TINY = {  # over what `init` writes: narrow features, a text tower of random weights, few epochs
    "trainer": {"max_epochs": 4, "accelerator": "cpu", "enable_model_summary": False},
    "model": {
        "init_args": {
            "schedule": {"warm_up": 2, "period": 1},
            "cbp": {"init_args": {"head": {"init_args": {"in_dim": 12, "hidden": 8}}}},
            "vlp": {
                "init_args": {
                    "head": {
                        "init_args": {
                            "text": {
                                "init_args": {
                                    "model": str(ROOT / "tests" / "nn" / "model_configs" / "tiny-clip.json"),
                                    "pretrained": "random",
                                }
                            },
                            "dim": 32,
                            "width": 8,
                            "heads": 2,
                        }
                    }
                }
            },
        }
    },
}
NAMES = ("one", "two", "three", "four", "five")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a folder of videos."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips" / "more").mkdir(parents=True)
    for name in NAMES:
        (tmp_path / "clips" / ("more" if name == "five" else "") / f"{name}.mp4").touch()
    (tmp_path / "clips" / "notes.txt").touch()
    return tmp_path


def features(folder: Path, names=NAMES) -> None:
    """What extraction writes: a store each, on grids of their own."""
    rng = np.random.default_rng(0)
    for stream, dim, grid in (("i3d", 12, TimeGrid()), ("clip", 32, TimeGrid(stride=8, window=8))):
        with StoreWriter(folder / stream, grid) as store:
            for name in names:
                store.add(name, rng.standard_normal((int(20 * 16 / grid.stride), dim)).astype(np.float32))


def test_own_videos_to_detections(place: Path, monkeypatch, capsys):
    """Every command that `init` names, but for extraction, in the folder that it wrote."""
    assert main(["init", "mine", "--videos", "clips"]) == 0
    labels = Path("mine/labels.csv")
    assert "mine/labels.csv lists 5 videos" in capsys.readouterr().out
    assert labels.read_text() == "video,label\nfour,\nfive,\none,\nthree,\ntwo,\n"
    assert main(["init", "mine", "--videos", "clips"]) == 2
    assert "mine/labels.csv has no label yet" in capsys.readouterr().err
    labels.write_text("video,label\none.mp4,run\ntwo.mp4,run;high jump\nthree,high jump\nfour,run\nfive,high jump\n")
    assert main(["init", "mine", "--videos", "clips"]) == 0
    out = capsys.readouterr().out
    assert "5 videos, 2 classes (high jump, run)" in out
    assert "wtal extract ../clips --output features" in out

    monkeypatch.chdir("mine")
    features(Path("features"))
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY))
    assert main(["data", "check", "config.yaml"]) == 0
    out = capsys.readouterr().out
    assert "A training can run." in out
    assert "have no segments: a test can localize, but not measure" in out

    both = ["-c", "config.yaml", "-c", "tiny.yaml"]
    assert main(["fit", *both]) == 0
    run = Path("runs/CollaborationModule/version_0")
    assert len((run / "metrics.csv").read_text().splitlines()) >= 4
    checkpoint = f"--ckpt_path={run}/checkpoints/last.ckpt"
    capsys.readouterr()
    with pytest.warns(UserWarning, match=r"have no segments, so the localization cannot be measured"):
        assert main(["test", *both, checkpoint, "--name=test"]) == 0
    assert "mAP@" not in capsys.readouterr().out
    assert main(["predict", *both, checkpoint, "--name=predict"]) == 0
    for name in ("test", "predict"):
        found = read_predictions(Path(f"runs/{name}/version_0/predictions/fused.json"))
        assert set(found["video_id"]) == set(NAMES)
        assert set(found["label"]) <= {"run", "high jump"}
        assert found["end_s"].max() <= 20 * 16 / 25 + 1e-9


def test_segments_are_measured_and_a_subset_is_kept_apart(place: Path, monkeypatch, capsys):
    Path("list.csv").write_text(
        "filename;class;start;end;split\r\none.mp4;run;1,5;3;train\r\n;;;;\r\ntwo.mp4;jump;;;train\r\n"
        "three.mp4;jump;0;2;train\r\nfour.mp4;run;2;4;test\r\nfour.mp4;run;2;4;test\r\nfive.mp4;jump;1;2;test\r\n",
        encoding="utf-8-sig",
    )
    init(Path("mine"), Path("clips"), Path("list.csv"))
    monkeypatch.chdir("mine")
    features(Path("features"))
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY))
    capsys.readouterr()
    assert main(["fit", "-c", "config.yaml", "-c", "tiny.yaml", "--then_test=true"]) == 0
    out = capsys.readouterr().out
    assert "custom" in out
    assert "0.5" in out
    assert len(read_predictions(Path("runs/CollaborationModule/version_0/predictions/fused.json"))) > 0


# What it writes -------------------------------------------------------------------------------------------------


def written(videos: int, rows: str = "") -> dict:
    Path("clips").mkdir(exist_ok=True)
    names = [f"v{number}" for number in range(videos)]
    for name in names:
        (Path("clips") / f"{name}.avi").touch()
    Path("labels.csv").write_text("video,label\n" + "".join(f"{name},run\n" for name in names) + rows)
    init(Path("new"), Path("clips"), Path("labels.csv"))
    return yaml.safe_load(Path("new/config.yaml").read_text())


@pytest.mark.parametrize("videos", [1, 3, 10, 11, 37, 100, 200, 900])
def test_few_videos_get_more_epochs(tmp_path, monkeypatch, videos):
    monkeypatch.chdir(tmp_path)
    config = written(videos)
    batch, schedule = config["data"]["init_args"]["batch_size"], config["model"]["init_args"]["schedule"]
    epochs = config["trainer"]["max_epochs"]
    steps = -(-videos // batch)
    assert batch == min(videos, 10)
    assert epochs == 3 * schedule["warm_up"] == 12 * schedule["period"]
    assert epochs * steps >= 375
    assert epochs == 24 or epochs * steps <= 630


def test_changes_nothing_else_of_the_template(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, template = written(200), yaml.safe_load(TEMPLATE.read_text())
    assert config["data"]["init_args"].pop("annotations") == "../labels.csv"
    assert template["data"]["init_args"].pop("annotations") == "labels.csv"
    assert config == template


@pytest.mark.parametrize("name", ["my labels.csv", "a: b #c.csv", "it's.csv", "Läufe.csv", "{x}.csv", "1.csv"])
def test_any_path_of_labels_is_valid_yaml(place: Path, name):
    Path(name).write_text("video,label\none,run\n")
    init(Path("mine"), Path("clips"), Path(name))
    config = yaml.safe_load(Path("mine/config.yaml").read_text())
    assert Path("mine", config["data"]["init_args"]["annotations"]).samefile(name)


def test_videos_may_lie_in_the_folder_itself(place: Path, capsys):
    init(Path("clips"))
    assert "wtal init clips\n" in capsys.readouterr().out
    Path("clips/labels.csv").write_text("video,label\none,run\n")
    init(Path("clips"))
    assert "wtal extract . --output features" in capsys.readouterr().out
    Path("clips").rename("videos")
    Path("mine").mkdir()
    Path("videos").rename("mine/videos")
    init(Path("mine"))
    assert Path("mine/labels.csv").read_text().count("\n") == 6


# What it says ---------------------------------------------------------------------------------------------------


def test_names_what_does_not_fit(place: Path, capsys):
    Path("own.csv").write_text("video,label\none,run\ntwo,\nsix,run\nseven,run\neight,run\nnine,run\n")
    init(Path("mine"), Path("clips"), Path("own.csv"))
    out = capsys.readouterr().out
    assert "4 videos of own.csv have no file in clips: six, seven, eight, ...." in out
    assert "3 files in clips are not in own.csv and are not used: four, five, three." in out
    assert "1 videos have no label and are taken as videos without any action: two; if they show one" in out
    assert "There is only one class: it is distinguished only from background" in out


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ("video,label\nsix,run\n", AnnotationError, r"None of the 1 videos in own.csv, such as six, is among the 5 in"),
        ("video,label\none,\n", AnnotationError, r"own.csv has no label yet"),
        ("one.mp4,run\n", AnnotationError, r"own.csv has the columns one.mp4, run: its header must name"),
        ("video,label\n", AnnotationError, r"own.csv names no video"),
        (None, AnnotationError, r"own.csv does not exist"),
    ],
)
def test_unusable_labels_are_refused(place: Path, rows, error, message):
    if rows is not None:
        Path("own.csv").write_text(rows)
    with pytest.raises(error, match=message):
        init(Path("mine"), Path("clips"), Path("own.csv"))
    assert not Path("mine").exists()


def test_overwrites_nothing(place: Path, capsys):
    Path("own.csv").write_text("video,label\none,run\n")
    init(Path("mine"), Path("clips"), Path("own.csv"))
    before = Path("mine/config.yaml").read_bytes()
    assert main(["init", "mine", "--videos", "clips", "--labels", "own.csv"]) == 2
    assert capsys.readouterr().err.startswith("wtal: error: mine/config.yaml already exists and is not overwritten")
    assert Path("mine/config.yaml").read_bytes() == before


def test_folders_without_videos(place: Path):
    with pytest.raises(VideoError, match=r"none is not a folder: give the folder of the videos in --videos"):
        init(Path("mine"), Path("none"))
    Path("empty").mkdir()
    with pytest.raises(VideoError, match=r"empty holds no video \(.mp4, "):
        init(Path("empty"))
    Path("clips/one.avi").touch()
    with pytest.raises(VideoError, match=r"clips/one.avi and clips/one.mp4 would both be the video one: rename"):
        init(Path("mine"), Path("clips"))


def test_says_which_weights_are_lacking_until_there_are_features(place: Path, capsys, monkeypatch):
    from wtal.nn.encoders.clip_model import how_to_fetch

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place / "cache"))
    i3d, clip = lacking_weights(place)
    assert "-o weights/rgb_imagenet.pt https://github.com/" in i3d
    assert "-o weights/flow_imagenet.pt https://github.com/" in i3d
    (command,) = re.findall(r"`(curl .*?)`", clip)
    assert command in str(how_to_fetch("ViT-B-16", "openai"))  # where open_clip looks
    (place / "weights").mkdir()
    (place / "weights" / "rgb_imagenet.pt").touch()
    assert "rgb_imagenet" not in next(iter(lacking_weights(place)))
    (place / "features" / "clip").mkdir(parents=True)
    assert not list(lacking_weights(place))


def test_needs_no_torch(place: Path):
    code = "main(['init', 'mine', '--videos', 'clips']); sys.exit('torch' in sys.modules)"
    words = [sys.executable, "-c", f"import sys; from wtal.commands.main import main; {code}"]
    subprocess.run(words, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


# Few videos -----------------------------------------------------------------------------------------------------


def own(rows: str, **options) -> CustomDataModule:
    Path("own.csv").write_text("video,label\n" + rows)
    features(Path("features"))
    streams = {stream: FeatureSource(Path("features") / stream) for stream in ("i3d", "clip")}
    return CustomDataModule(Path("own.csv"), **streams, **options)


def test_a_batch_may_be_larger_than_the_set(place: Path):
    data = own("one,run\ntwo,jump\n", batch_size=10)
    data.setup("fit")
    (batch,) = data.train_dataloader()
    assert sorted(batch.video.tolist()) == [0, 1]
    assert batch.streams["i3d"].shape == (2, 20, 12)
    assert batch.streams["clip"].shape == (2, 20, 32)


def test_too_few_videos_to_hold_any_out_are_refused(place: Path):
    data = own("one,run\ntwo,jump\nthree,run\n", held_out=0.1)
    with pytest.raises(ConfigError, match=r"`data.held_out` 0.1 of 3 training videos leaves none to validate on"):
        data.setup("fit")
    data = own("one,run\ntwo,jump\nthree,run\n", held_out=0.5)
    data.setup("fit")
    assert (len(data.videos("train")), len(data.videos("val"))) == (2, 1)


# Points ---------------------------------------------------------------------------------------------------------


def labels_of(branch: dict) -> dict:
    return branch["init_args"]["labels"]


def test_points_alone_are_enough(place: Path, monkeypatch, capsys):
    """Labels come from the points, and a training learns from both."""
    Path("points.csv").write_text(
        "video,label,time\none,run,1\none,high jump,7\ntwo,High Jump,2\nthree,run,3\nfour,run,3\nfive,high jump,4\n"
    )
    assert main(["init", "mine", "--videos", "clips", "--points", "points.csv"]) == 0
    assert "6 points in 5 of 5 videos." in capsys.readouterr().out
    assert "one,run;high jump\n" in Path("mine/labels.csv").read_text()
    config = yaml.safe_load(Path("mine/config.yaml").read_text())
    for branch in ("cbp", "vlp"):
        expected = {"class_path": "wtal.collaboration.PointLabels", "init_args": {"path": "../points.csv"}}
        assert labels_of(config["model"]["init_args"][branch]) == expected
    monkeypatch.chdir("mine")
    features(Path("features"))
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY))
    assert main(["data", "check", "config.yaml"]) == 0
    assert main(["fit", "-c", "config.yaml", "-c", "tiny.yaml", "--then_test=true"]) == 0
    about = json.loads(Path("runs/CollaborationModule/version_0/about.json").read_text())
    assert "point-supervised" in about["benchmark"]


def test_the_configuration_with_points_differs_by_what_points_yaml_says(place: Path):
    Path("labels.csv").write_text("video,label\none,run\ntwo,jump\n")
    Path("points.csv").write_text("video,label,time\none,run,1\ntwo,jump,2\n")
    init(Path("plain"), Path("clips"), Path("labels.csv"))
    init(Path("clicked"), Path("clips"), Path("labels.csv"), Path("points.csv"))
    plain, clicked = (yaml.safe_load(Path(name, "config.yaml").read_text()) for name in ("plain", "clicked"))
    overlay = yaml.safe_load((ROOT / "configs" / "points.yaml").read_text())["model"]["init_args"]
    for branch in ("cbp", "vlp"):
        given = plain["model"]["init_args"][branch]["init_args"]
        given["distillation"] |= overlay[branch]["init_args"]["distillation"]
        given["labels"] = overlay[branch]["init_args"]["labels"]
        given["labels"]["init_args"]["path"] = "../points.csv"
    assert clicked == plain


def test_points_of_some_classes_are_not_complete(place: Path, capsys):
    Path("labels.csv").write_text("video,label\none,run;jump\ntwo,jump\n")
    Path("points.csv").write_text("video,label,time\none,run,1\n")
    init(Path("mine"), Path("clips"), Path("labels.csv"), Path("points.csv"))
    assert "such as one, so the points are not taken as complete" in capsys.readouterr().out
    config = yaml.safe_load(Path("mine/config.yaml").read_text())
    assert labels_of(config["model"]["init_args"]["cbp"])["init_args"]["complete"] is False


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("six,run,1\n", "points.csv has no point in a video of labels.csv, such as one"),
        ("one,swim,1\n", "points.csv, line 2: labels.csv has no class 'swim'; correct it"),
        ("one,run,soon\n", "line 2: the time 'soon' is not a number"),
    ],
)
def test_wrong_points_of_own_videos_are_refused_in_one_sentence(place: Path, rows, message):
    Path("labels.csv").write_text("video,label\none,run\n")
    Path("points.csv").write_text("video,label,time\n" + rows)
    with pytest.raises(AnnotationError, match=message):
        init(Path("mine"), Path("clips"), Path("labels.csv"), Path("points.csv"))
    assert not Path("mine/config.yaml").exists()

"""``wtal extract``, ``wtal fit`` and ``wtal detect`` with a video model, which reads several frames of a snippet."""

from pathlib import Path

import pytest
import torch
import yaml
from families import make_transformers

from wtal.commands.main import main
from wtal.data.manifest import read_manifest
from wtal.data.store import open_store
from wtal.nn.encoders import open_frame_tower
from wtal.nn.encoders.frame_tower import encode_images
from wtal.video.decode import FrameReader

pytest.importorskip("transformers", reason="needs `wtal[transformers]`")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_transformers(tmp_path_factory.mktemp("models") / "tiny-xclip", "xclip")


@pytest.fixture
def videos(tmp_path: Path, painted_video) -> Path:
    (tmp_path / "videos").mkdir()
    for name, count in {"a": 50, "b": 40}.items():
        painted_video(tmp_path / "videos" / f"{name}.mp4", count)
    return tmp_path / "videos"


def test_a_snippet_is_several_frames_around_its_middle(videos: Path, model: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    command = ["extract", str(videos), "--output", str(out), "--streams", "clip", "--clip-model", model]
    assert main([*command, "--frames-per-snippet", "8"]) == 2
    assert "reads 4 frames of a snippet, not 8" in capsys.readouterr().err
    assert main(command) == 0
    manifest = read_manifest(out / "clip")
    assert manifest is not None
    assert manifest.origin == {"clip": "transformers:tiny-xclip (main)", "frames together": 4, "colours": "rgb"}
    assert manifest.networks == {"clip_model": model, "clip_weights": "openai"}
    tower = open_frame_tower(model, "main")
    seen = list(FrameReader(videos / "a.mp4", short_side=None))
    prepare = tower.preparation()
    snippets = [[seen[16 * i + place] for place in (2, 6, 10, 14)] for i in range(3)]
    images = torch.stack([torch.stack([prepare(frame) for frame in snippet]) for snippet in snippets])
    with torch.no_grad():
        expected = encode_images(tower, images)
    torch.testing.assert_close(torch.tensor(open_store(out / "clip")["a"]), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_detection_without_training_and_with_learned_prompts(videos: Path, model: str, tmp_path: Path, capsys) -> None:
    out, features = tmp_path / "out", tmp_path / "features"
    command = ["detect", str(videos), "--features", str(features), "--page", "false", "--output"]
    labels = ["--labels", "high jump", "clean and jerk"]
    assert main([*command, str(out), *labels, "--clip-model", model]) == 0
    assert "mean nothing" not in (out / "about.json").read_text()
    assert main([*command, str(tmp_path / "again"), *labels]) == 0  # as the features that are there
    printed = capsys.readouterr()
    assert "those of 2 videos are in" in printed.out
    assert f"clip_model {model}" in printed.err

    (tmp_path / "labels.csv").write_text("video,label\na,high jump\nb,clean and jerk\n")
    prompts = {"model": model, "prefix": 4, "postfix": 200, "fit": "auto"}
    text = {"class_path": "wtal.nn.text.PromptedText", "init_args": prompts}
    head = {"dim": 24, "width": 8, "heads": 2, "text": text}
    settings = {
        "trainer": {"max_epochs": 1, "default_root_dir": str(tmp_path / "run"), "accelerator": "cpu"},
        "model": {
            "class_path": "wtal.branches.VLPBranch",
            "init_args": {"head": {"class_path": "wtal.nn.heads.AnchoredTextHead", "init_args": head}},
        },
        "data": {
            "class_path": "wtal.data.CustomDataModule",
            "init_args": {"annotations": str(tmp_path / "labels.csv"), "clip": {"path": str(features)}},
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    assert main(["fit", "-c", str(tmp_path / "config.yaml")]) == 0
    assert "cosines mean little" not in capsys.readouterr().err
    assert main([*command, str(tmp_path / "trained"), "--checkpoint", str(tmp_path / "run")]) == 0
    assert "2 + 70 vectors" in (tmp_path / "trained" / "about.json").read_text()

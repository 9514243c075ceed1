"""``wtal detect``: videos in, timelines out."""

import json
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import webvtt
import yaml
from pympi import Elan

import wtal
from wtal.commands.main import main
from wtal.data.manifest import read_manifest
from wtal.results.predictions import read_predictions
from wtal.results.scores import read_scores

TINY = str(Path(__file__).parents[1] / "nn" / "model_configs" / "tiny-clip.json")
QUICK = ["--random-weights", "--flow", "dis", "--workers", "1"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos, of 3 and 2 snippets."""
    folder = tmp_path_factory.mktemp("videos")
    for name, count in {"first": 50, "second": 40}.items():
        with av.open(str(folder / f"{name}.mp4"), "w") as file:
            stream = file.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 256, 240, "yuv420p"
            for n in range(count):
                pixels = np.random.default_rng(n // 10).integers(0, 256, (240, 256, 3)).astype(np.uint8)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            file.mux(stream.encode(None))
    return folder


@pytest.fixture(scope="module")
def checkpoint(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both branches, trained for one epoch on the videos' own features."""
    home = tmp_path_factory.mktemp("run")
    assert main(["extract", str(videos), "--output", str(home / "features"), "--clip-model", TINY, *QUICK]) == 0
    (home / "labels.csv").write_text("video,label\nfirst,open a door\nsecond,pour tea\n")
    prompts = {"model": TINY, "pretrained": "random", "prefix": 2, "postfix": 2}
    text = {"class_path": "wtal.nn.text.PromptedText", "init_args": prompts}
    heads = {
        "cbp": {"class_path": "wtal.nn.heads.AttentionMILHead", "init_args": {"hidden": 8}},
        "vlp": {"class_path": "wtal.nn.heads.TextHead", "init_args": {"dim": 32, "width": 8, "heads": 2, "text": text}},
    }
    model = {
        name: {"class_path": f"wtal.branches.{name.upper()}Branch", "init_args": {"head": head}}
        for name, head in heads.items()
    }
    model["localizer"] = {"attention_weight": 1.0}  # after one epoch no class is probable
    features = {"path": str(home / "features")}
    data = {"annotations": str(home / "labels.csv"), "i3d": features, "clip": features}
    config = home / "config.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "trainer": {"max_epochs": 1, "default_root_dir": str(home), "accelerator": "cpu"},
                "model": {"class_path": "wtal.collaboration.CollaborationModule", "init_args": model},
                "data": {"class_path": "wtal.data.CustomDataModule", "init_args": data},
            }
        )
    )
    assert main(["fit", "-c", str(config)]) == 0
    return home


def test_a_checkpoint_on_new_videos(videos: Path, checkpoint: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert (
        main(["detect", str(videos / "first.mp4"), "--checkpoint", str(checkpoint), "--output", str(out), *QUICK]) == 0
    )
    assert "another" not in capsys.readouterr().err
    manifests = [read_manifest(out / "features" / kind) for kind in ("i3d", "clip")]
    assert [m and m.videos for m in manifests] == [{"first": 3}, {"first": 3}]
    assert manifests[1] is not None
    assert manifests[1].origin["clip"] == "tiny-clip (random weights)"  # the model of the checkpoint's texts
    table = read_predictions(out / "detections.json")
    assert set(table["video_id"]) == {"first"}
    assert set(table["label"]) <= {"open a door", "pour tea"}
    assert table["end_s"].max() <= 2.0
    assert {"cbp.json", "vlp.json", "fused.json"} <= {file.name for file in (out / "predictions").iterdir()}

    pd.testing.assert_frame_equal(table, read_predictions(out / "predictions" / "fused.json"))
    run = wtal.load(checkpoint)  # the same model on the features of its training, which are the same
    by_hand = wtal.localize(wtal.predict(run, run.data, "train", ["first"]))
    by_hand = by_hand[by_hand["source"] == "fused"].reset_index(drop=True)[list(table)]
    pd.testing.assert_frame_equal(table, by_hand, atol=1e-4)


def test_what_is_written_can_be_read_by_others(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["detect", str(videos), "--labels", "open a door", "pour tea", "--output", str(out), *QUICK]
    assert main([*command, "--clip-model", TINY]) == 0
    found = json.loads((out / "detections.json").read_text())["results"]
    assert found.keys() == {"first", "second"}
    assert sum(map(len, found.values())) == len(read_predictions(out / "detections.csv"))
    for name in found:
        assert all(cue.text.startswith(("open a door", "pour tea")) for cue in webvtt.read(out / f"{name}.vtt"))
        tiers = Elan.Eaf(str(out / f"{name}.eaf")).get_tier_names()
        assert {tier.partition(" (")[0] for tier in tiers} <= {"open a door", "pour tea", "default"}
    written = [file for file in out.iterdir() if file.suffix in (".vtt", ".eaf", ".csv", ".json")]
    assert len(written) == 7  # two of each for the videos, two of all, and about.json
    assert all("which mean nothing" in file.read_text() for file in written)
    page = (out / "page" / "index.html").read_text()
    assert "first.mp4" in page
    assert "mean nothing" in page
    assert not (out / "features" / "i3d").exists()  # nothing looks at it


def test_features_are_kept(videos: Path, tmp_path: Path, capsys) -> None:
    store = tmp_path / "features"
    command = ["detect", str(videos), "--features", str(store), "--clip-model", TINY, *QUICK, "--page", "false"]
    assert main([*command, "--labels", "a", "b", "--output", str(tmp_path / "one")]) == 0
    assert main([*command, "--labels", "c", "--output", str(tmp_path / "two")]) == 0
    assert f"those of 2 videos are in {store}." in capsys.readouterr().out
    assert not (tmp_path / "two" / "page").exists()
    assert set(read_predictions(tmp_path / "two" / "detections.json")["label"]) <= {"c"}


def test_a_bad_video_does_not_stop_the_others(videos: Path, tmp_path: Path, capsys) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    out = tmp_path / "out"
    command = ["detect", str(videos / "first.mp4"), str(bad), "--labels", "a", "--output", str(out), *QUICK]
    assert main([*command, "--clip-model", TINY]) == 2
    assert "1 of 2 videos cannot be read: bad." in capsys.readouterr().err
    assert (out / "first.vtt").is_file()


@pytest.mark.parametrize("words", [[], ["--labels", "a", "--checkpoint", "x.ckpt"]])
def test_either_a_checkpoint_or_labels(videos: Path, tmp_path: Path, capsys, words: list[str]) -> None:
    assert main(["detect", str(videos), "--output", str(tmp_path), *words]) == 2
    assert "Give either `--checkpoint` or `--labels`" in capsys.readouterr().err


def test_a_model_that_looks_ahead_cannot_watch_a_stream(videos: Path, checkpoint: Path, tmp_path: Path, capsys) -> None:
    words = ["detect", "--live", str(videos / "first.mp4"), "--checkpoint", str(checkpoint), "--output", str(tmp_path)]
    assert main([*words, *QUICK]) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("wtal: error: The AttentionMILHead of 'cbp' looks at what comes after a snippet")
    assert "profiles/causal.yaml" in sentence
    assert not list(tmp_path.iterdir())


def test_features_unlike_those_of_the_training_are_warned_about(videos: Path, checkpoint: Path, tmp_path: Path) -> None:
    command = ["detect", str(videos / "first.mp4"), "--checkpoint", str(checkpoint), "--output", str(tmp_path), *QUICK]
    with pytest.warns(UserWarning, match="The i3d features of the training have another grid"):
        assert main([*command, "--stride", "8"]) == 0


def test_nothing_that_a_manifest_knows_is_asked_for(videos: Path, checkpoint: Path, tmp_path: Path, capsys) -> None:
    """The features were made with random weights and another flow than the default."""
    out, store = tmp_path / "out", checkpoint / "features"
    command = ["detect", "--checkpoint", str(checkpoint), "--features", str(store), "--output", str(out)]
    assert main([*command, str(videos / "first.mp4"), "--page", "false", "--minimum", "0"]) == 0
    printed = capsys.readouterr()
    assert "As existing features were made: flow dis" in printed.err
    count = len(webvtt.read(out / "first.vtt").captions)
    assert f"{count} action{'s' * (count != 1)} found in 1 of 1 video -> {out}" in printed.out
    about = json.loads((out / "about.json").read_text())
    assert "last.ckpt" in about["checkpoint"]
    assert about["features"] == "i3d and clip of random weights, which mean nothing"


def test_a_second_film_replaces_nothing(videos: Path, checkpoint: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    command = ["detect", "--features", str(checkpoint / "features"), "--output", str(out), "--page", "false"]
    trained = ["--checkpoint", str(checkpoint)]
    assert main([*command, *trained, str(videos / "first.mp4")]) == 0
    (out / "first.vtt").write_text("corrected by hand")
    assert main([*command, *trained, str(videos / "second.mp4")]) == 0
    both = tmp_path / "both"
    assert main([*command, *trained, str(videos), "--output", str(both)]) == 0
    for name in ("detections.json", "predictions/fused.json", "predictions/cbp.json"):
        at_once, one_by_one = (read_predictions(folder / name) for folder in (both, out))
        pd.testing.assert_frame_equal(at_once, one_by_one)
    scores = [read_scores(folder / "scores" / "fused.npz") for folder in (both, out)]
    assert scores[0].grids.video_ids == scores[1].grids.video_ids == ["first", "second"]
    np.testing.assert_array_equal(scores[0].probability, scores[1].probability)
    assert (out / "first.vtt").read_text() == "corrected by hand"

    capsys.readouterr()
    assert main([*command, "--labels", "a", "--clip-model", TINY, "--random-weights", str(videos / "first.mp4")]) == 2
    assert "holds what another model" in capsys.readouterr().err


def test_features_of_a_namesake_are_refused(checkpoint: Path, tmp_path: Path, painted_video, capsys) -> None:
    other = painted_video(tmp_path / "first.mp4", 25 * 12)
    command = ["detect", str(other), "--checkpoint", str(checkpoint), "--features", str(checkpoint / "features")]
    assert main([*command, "--output", str(tmp_path / "out")]) == 2
    assert "has features of 1.9 s for first, but" in (message := capsys.readouterr().err)
    assert "lasts 12.0 s: if it is another film of that name, rename it" in message


def test_a_film_without_any_action_gets_no_marks(videos: Path, checkpoint: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    command = ["detect", str(videos), "--checkpoint", str(checkpoint), "--features", str(checkpoint / "features")]
    assert main([*command, "--output", str(out), "--minimum", "99"]) == 0
    assert "no action found in 2 of 2 videos: first, second." in capsys.readouterr().out
    note = "features of random weights, which mean nothing; no action found"
    assert (out / "first.vtt").read_text() == f"WEBVTT\n\nNOTE {note}\n"
    assert "no action found" in (out / "first.eaf").read_text()
    assert not Elan.Eaf(str(out / "first.eaf")).get_annotation_data_for_tier("default")
    assert len(read_predictions(out / "detections.json"))  # a table holds all, for measuring


def test_a_student_on_new_videos(videos: Path, checkpoint: Path, tmp_path: Path, capsys) -> None:
    assert main(["distill", str(checkpoint), "--output", str(tmp_path / "labels")]) == 0
    small = "--model.init_args.head.init_args.width=8 --model.init_args.head.init_args.levels=2 --trainer.max_epochs=1"
    fit = ["fit", "-c", str(tmp_path / "labels" / "student.yaml"), "--trainer.default_root_dir", str(tmp_path / "run")]
    assert main([*fit, *small.split(), "--trainer.accelerator", "cpu"]) == 0
    out, store = tmp_path / "out", checkpoint / "features"
    command = ["detect", str(videos), "--checkpoint", str(tmp_path / "run"), "--features", str(store)]
    assert main([*command, "--output", str(out), "--minimum", "0"]) == 0
    table = read_predictions(out / "detections.json")
    assert set(table["video_id"]) == {"first", "second"}
    run = wtal.load(tmp_path / "run")
    by_hand = wtal.localize(wtal.predict(run, run.data, "train"))[list(table)]
    columns = ["video_id", "score", "start_s", "end_s", "label"]
    ours, theirs = (part.sort_values(columns).reset_index(drop=True) for part in (table, by_hand))
    pd.testing.assert_frame_equal(ours, theirs, atol=1e-4)
    assert (out / "page" / "index.html").is_file()
    assert (out / "first.vtt").is_file()
    assert "found in 2 of 2 videos" in capsys.readouterr().out


def test_an_exported_model_finds_the_same(videos: Path, checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs wtal[onnx]")
    pytest.importorskip("onnxruntime", reason="needs wtal[onnx]")
    model, film = str(tmp_path / "model.onnx"), str(videos / "first.mp4")
    assert main(["export-model", str(checkpoint), "--output", model]) == 0
    found = {}
    for kind, given in {"checkpoint": str(checkpoint), "model": model}.items():
        out = tmp_path / kind
        words = ["detect", film, f"--{kind}", given, "--output", str(out), "--features", str(tmp_path / "features")]
        assert main([*words, "--page", "false", *QUICK]) == 0
        found[kind] = read_scores(out / "scores" / "fused.npz")
    for name in ("probability", "actionness", "video"):
        ours, theirs = (getattr(scores, name) for scores in found.values())
        np.testing.assert_allclose(ours, theirs, atol=2e-3)  # they are kept in half precision
    about = json.loads((tmp_path / "model" / "about.json").read_text())
    assert about["checkpoint"] == model
    assert main(["detect", film, "--checkpoint", str(checkpoint), "--model", model, "--output", str(tmp_path)]) == 2

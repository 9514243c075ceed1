"""``wtal fit -c thumos14/collaboration.yaml``, the first training on real features, on a machine without a network."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from wtal.commands.main import main
from wtal.data import FeatureSource
from wtal.data.store import StoreWriter
from wtal.training.text_weights import _differ
from wtal.types import TimeGrid

TINY_CLIP = Path(__file__).parents[1] / "nn" / "model_configs" / "tiny-clip.json"
SHORT = (
    "--trainer.max_epochs 3 --model.schedule.warm_up 1 --model.schedule.period 1 --trainer.enable_model_summary false"
)


@pytest.fixture
def thumos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few videos with the names and the layout that the configuration expects, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    random, database = np.random.default_rng(0), {}
    for stream, dim in (("i3d", 2048), ("clip", 32)):
        folder = tmp_path / "data" / "thumos14" / stream
        folder.mkdir(parents=True)
        for number in range(6):
            np.save(folder / f"video_validation_{number:07d}.npy", random.random((30, dim), dtype=np.float32))
    for number in range(6):
        label = ("Diving", "HighJump")[number % 2]
        database[f"video_validation_{number:07d}"] = {
            "subset": "validation",
            "duration": 30 * 16 / 25,
            "annotations": [{"segment": [2.0, 5.0], "label": label}],
        }
    Path("gt.json").write_text(json.dumps({"database": database}))
    Path("mine.yaml").write_text(
        "data: {init_args: {annotations: gt.json, i3d: {path: data/thumos14/i3d}, clip: {path: data/thumos14/clip}}}\n"
    )
    return tmp_path


def tiny_weights(file: Path) -> str:
    """Options for a text tower of width 32 with weights of its own."""
    import open_clip

    open_clip.add_model_config(TINY_CLIP)
    torch.manual_seed(1)
    torch.save(open_clip.create_model("tiny-clip").state_dict(), file)
    return f"--model.vlp.head.text.model {TINY_CLIP} --model.vlp.head.text.pretrained {file} --model.vlp.head.dim 32"


def fit(options: str) -> int:
    return main(["fit", "-c", "thumos14/collaboration.yaml", "-c", "mine.yaml", *shlex.split(f"{options} {SHORT}")])


def test_trains_with_learned_prompts(thumos: Path):
    assert fit(tiny_weights(thumos / "tiny.pt")) == 0
    checkpoint = torch.load("runs/CollaborationModule/version_0/checkpoints/last.ckpt")
    (context,) = [value for name, value in checkpoint["state_dict"].items() if name == "vlp.head.text.context"]
    assert context.shape == (1, 16 + 16, 32)
    assert not [name for name in checkpoint["state_dict"] if "token_embedding" in name]  # the tower is frozen


def test_without_weights_it_gives_the_commands(thumos: Path, capsys):
    assert fit("") == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == (
        "wtal: error: The weights 'openai' of ViT-B-16 cannot be downloaded: run `curl -L --create-dirs -o "
        "weights/ViT-B-16-openai.safetensors https://huggingface.co/timm/vit_base_patch16_clip_224.openai/resolve/main/"
        "open_clip_model.safetensors` where there is a network, then add `--model.vlp.head.text.pretrained="
        "weights/ViT-B-16-openai.safetensors --model.vlp.head.text.model=ViT-B-16-quickgelu`."
    )
    assert not Path("runs").exists()


def check(*words: str) -> int:
    try:
        return main(["data", "check", "thumos14/collaboration.yaml", "--also", "mine.yaml", *words])
    except SystemExit as stop:
        return int(str(stop.code))


def test_data_check_says_what_the_texts_still_lack(thumos: Path, capsys):
    assert check() == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "weights" in line]
    assert line.startswith("Note: The weights 'openai' of ViT-B-16 are not on this machine: `wtal fit` downloads them;")
    assert "curl -L" in line
    assert "--model.vlp.head.text.pretrained=weights/ViT-B-16-openai.safetensors" in line
    Path("texts.yaml").write_text(
        "model: {init_args: {vlp: {init_args: {head: {init_args: {text: {class_path: wtal.nn.text.FileText}}}}}}}\n"
    )
    assert check("texts.yaml") == 0
    assert "weights" not in capsys.readouterr().out


def test_data_check_says_how_to_make_clip_features_that_are_lacking(thumos: Path, capsys):
    Path("without.yaml").write_text("data: {init_args: {clip: {path: nowhere}}}\n")
    assert check("without.yaml") == 2
    assert "`wtal extract VIDEOS --streams clip --output features` makes them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("made_by", "given", "differ"),
    [
        ("transformers:a/b-16", ("transformers:a/b-16", "openai"), False),  # the default of the option
        ("transformers:b-16", ("transformers:models/b-16", "main"), False),  # of a folder
        ("transformers:a/b-16", ("transformers:a/b-16", "v2"), True),
        ("transformers:a/b-16", ("transformers:a/b-32", "main"), True),
        ("transformers:a/b-16", ("ViT-B-16", "openai"), True),
    ],
)
def test_models_of_transformers_are_told_apart(made_by: str, given: tuple[str, str], differ: bool):
    assert _differ((made_by, "main"), given) == differ


@pytest.mark.parametrize(
    ("made_by", "said"),
    [
        ("tiny-clip (tiny.pt) (sha256 0123)", False),
        ("ViT-L-14 (openai)", True),
        ("tiny-clip (random weights)", True),
        ("", False),
    ],
)
def test_features_of_another_clip_are_named(thumos: Path, made_by: str, said: bool, capsys):
    source = FeatureSource(Path("data/thumos14/clip"))
    with StoreWriter(Path("store"), TimeGrid(), origin={"clip": made_by} if made_by else {}) as store:
        for file in sorted(source.path.iterdir()):
            store.add(file.stem, np.load(file))
    options = tiny_weights(thumos / "tiny.pt") + " --data.clip.path store"
    sentence = "The CLIP features were made by"
    if said:
        with pytest.warns(UserWarning, match=sentence):
            assert fit(options) == 0
    else:
        assert fit(options) == 0
        assert sentence not in capsys.readouterr().err

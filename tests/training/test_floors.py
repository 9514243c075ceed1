"""A training learns which scores mean an action, and its checkpoint keeps them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import wtal
from wtal.branches.floors import learn_floors
from wtal.commands.main import main
from wtal.errors import CheckpointError


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen training videos with one of two actions, and test videos of which two show none."""
    home, rng = tmp_path_factory.mktemp("floors"), np.random.default_rng(0)
    (home / "features").mkdir()
    signs = {"jump": rng.normal(size=16), "wave": rng.normal(size=16)}
    rows = ["video,label,subset"]
    for number in range(24):
        label = ("jump", "wave", "")[number % 3] if number >= 18 else ("jump", "wave")[number % 2]
        features = rng.normal(size=(60, 16)).astype(np.float32)
        start = int(rng.integers(5, 40))
        if label:
            features[start : start + 12] += 2 * signs[label]
        np.save(home / "features" / f"{label or 'none'}{number}.npy", features)
        rows.append(f"{label or 'none'}{number},{label},{'test' if number >= 18 else 'train'}")
    (home / "labels.csv").write_text("\n".join(rows))
    (home / "config.yaml").write_text(
        "model:\n"
        "  class_path: wtal.branches.CBPBranch\n"
        "  init_args:\n"
        "    head: {class_path: wtal.nn.heads.AttentionMILHead, init_args: {in_dim: 16, hidden: 16}}\n"
        "    optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.003}}\n"
        "data:\n"
        "  class_path: wtal.data.CustomDataModule\n"
        f"  init_args: {{annotations: {home}/labels.csv, i3d: {{path: {home}/features}}, batch_size: 4,\n"
        "    held_out: 0.1}\n"
        f"trainer: {{max_epochs: 10, accelerator: cpu, enable_progress_bar: false, default_root_dir: {home}/runs,\n"
        "  callbacks: [{class_path: ModelCheckpoint, init_args: {monitor: val/video_mAP, mode: max}}]}\n"
    )
    assert main(["fit", "-c", str(home / "config.yaml"), "--name", "demo", "--then_test", "true"]) == 0
    return home / "runs" / "demo" / "version_0"


def test_the_checkpoints_keep_what_was_learned(home: Path) -> None:
    run = wtal.load(home / "checkpoints" / "last.ckpt")
    assert run.model.floors["cbp"].keys() == {"jump", "wave"}
    assert run.model.floors == learn_floors(run.model, run.data)
    (chosen,) = [file for file in (home / "checkpoints").glob("*.ckpt") if file.name != "last.ckpt"]
    best = wtal.load(chosen)
    assert best.model.floors == learn_floors(best.model, best.data)  # of its own weights
    assert json.loads((home / "about.json").read_text())["floors"] == best.model.floors  # tested last


def test_videos_without_action_get_no_subtitles(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    predictions = str(home / "predictions" / "cbp.json")
    assert main(["export", predictions, "--output", str(tmp_path), "--formats", "vtt"]) == 0
    assert "no action found in 2 of 6 videos: none20, none23." in capsys.readouterr().out
    assert "-->" not in (tmp_path / "none20.vtt").read_text()
    assert all("-->" in (tmp_path / f"{name}.vtt").read_text() for name in ("jump18", "wave19", "jump21", "wave22"))
    assert main(["export", predictions, "--output", str(tmp_path), "--formats", "vtt", "--minimum", "0"]) == 0
    assert "-->" in (tmp_path / "none20.vtt").read_text()


def test_a_resumed_training_learns_them_again(home: Path, tmp_path: Path) -> None:
    config = str(home.parents[2] / "config.yaml")
    more = ["--trainer.default_root_dir", str(tmp_path), "--trainer.max_epochs"]
    assert main(["fit", "-c", config, *more, "4"]) == 0
    (file,) = tmp_path.rglob("last.ckpt")
    before = wtal.load(file)
    assert main(["fit", "-c", config, *more, "10", "--resume"]) == 0
    after, whole = wtal.load(file), wtal.load(home / "checkpoints" / "last.ckpt")
    assert after.model.floors == whole.model.floors
    assert after.model.floors != before.model.floors
    for name, value in whole.model.state_dict().items():
        assert torch.equal(after.model.state_dict()[name], value)


def test_an_older_checkpoint_has_none_and_a_damaged_one_is_refused(home: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(home / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["floors"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    assert wtal.load(tmp_path / "old.ckpt").model.floors == {}
    torch.save({**checkpoint, "floors": {"cbp": {"jump": "high"}}}, tmp_path / "damaged.ckpt")
    with pytest.raises(CheckpointError, match="its lowest scores are unusable"):
        wtal.load(tmp_path / "damaged.ckpt")

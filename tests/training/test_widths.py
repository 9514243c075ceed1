from pathlib import Path

import numpy as np
import pytest

from wtal.io.shipped import shipped_configs
from wtal.training.checkpoint import load
from wtal.training.cli import WTALCLI

CONFIG = str(shipped_configs()["thumos14/cbp.yaml"])
HEADS = ["AttentionMILHead", "ACMHead", "BaSNetHead", "CO2Head", "DELUHead", "UMHead"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    lines = ["video,label,start,end,subset"]
    for number in range(4):
        for stream, width in (("i3d", 1024), ("clip", 32)):
            (tmp_path / stream).mkdir(exist_ok=True)
            rows = np.random.default_rng(number).normal(size=(20 + number, width)).astype(np.float32)
            np.save(tmp_path / stream / f"v{number}.npy", rows)
        lines.append(f"v{number},{'run' if number % 2 else 'jump'},1,2,{'test' if number > 2 else 'train'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def made(own: Path, *options: str) -> WTALCLI:
    data = ["--data", "CustomDataModule", f"--data.annotations={own}/labels.csv", f"--data.i3d.path={own}/i3d"]
    data.append(f"--data.clip.path={own}/clip")
    return WTALCLI(["--config", CONFIG, *data, *options], run=False)


@pytest.mark.parametrize("head", HEADS)
def test_rgb_alone_needs_no_option(own: Path, head: str) -> None:
    cli = made(own, f"--model.init_args.head=wtal.nn.heads.{head}")
    batch = next(iter(cli.datamodule.train_dataloader()))
    assert cli.model.head.norm.mean.shape == (1024,)
    assert cli.model(batch).cas.shape[2] == 2


def test_both_streams_side_by_side(own: Path) -> None:
    assert made(own, "--model.init_args.clip=true").model.head.norm.mean.shape == (1056,)


def test_a_given_width_is_kept(own: Path) -> None:
    cli = made(own, "--model.init_args.head.init_args.in_dim=512")
    assert cli.model.head.norm.mean.shape == (512,)


def test_features_that_cannot_be_opened_change_nothing(own: Path) -> None:
    cli = made(own, f"--data.i3d.path={own}/nowhere")
    assert cli.model.head.norm.mean.shape == (2048,)


def test_the_width_is_stated_and_kept_with_the_run(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated: list[str] = []
    monkeypatch.setattr("wtal.training.cli.rank_zero_info", stated.append)
    options = ["--config", CONFIG, "--trainer.precision=32-true", f"--trainer.default_root_dir={own}/runs"]
    options += ["--data=CustomDataModule", f"--data.annotations={own}/labels.csv", f"--data.i3d.path={own}/i3d"]
    WTALCLI(["fit", *options, "--trainer.max_epochs=1", "--trainer.enable_model_summary=false", "--name=rgb"])
    assert stated == [
        "`in_dim` of AttentionMILHead is 1024, the width of the i3d features, instead of its default 2048."
    ]
    run = load(own / "runs" / "rgb")
    assert run.model.head.norm.mean.shape == (1024,)
    assert "in_dim: 1024" in (own / "runs" / "rgb" / "version_0" / "config.yaml").read_text()

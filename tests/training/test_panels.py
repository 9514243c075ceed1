from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wtal.errors import ConfigError
from wtal.training import panels
from wtal.training.cli import WTALCLI
from wtal.training.panels import LogPanels

MODEL = """
model:
  class_path: wtal.collaboration.CollaborationModule
  init_args:
    schedule: {warm_up: 1, pattern: FB, from_vlp: both}
    cbp:
      class_path: wtal.branches.CBPBranch
      init_args: {head: {class_path: wtal.nn.heads.AttentionMILHead, init_args: {in_dim: 64, hidden: 16}}}
    vlp:
      class_path: wtal.branches.VLPBranch
      init_args:
        head:
          class_path: wtal.nn.heads.TextHead
          init_args:
            text: {class_path: wtal.nn.text.FileText, init_args: {path: data/text/text.npy}}
            dim: 48
            width: 16
            heads: 2
data:
  class_path: wtal.data.SyntheticDataModule
  init_args: {root: data, params: {train_videos: 12, test_videos: 4}}
trainer: {max_epochs: 4, accelerator: cpu, enable_progress_bar: false, enable_model_summary: false}
"""


def train(logger: str, *options: str) -> WTALCLI:
    """Train in the working directory, with panels every second epoch."""
    Path("config.yaml").write_text(MODEL)
    cli = WTALCLI(["--config=config.yaml", f"--logger={logger}", *options], run=False)
    (callback,) = (c for c in cli.trainer.callbacks if isinstance(c, LogPanels))
    callback.every_n_epochs, callback.videos = 2, 3
    cli.trainer.fit(cli.model, cli.datamodule)
    return cli


@pytest.fixture
def fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Trains in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return train


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> WTALCLI:
    """A training with TensorBoard."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("panels"))
        cli = train("tensorboard")
        yield cli  # its files are named from here


def events(cli: WTALCLI) -> EventAccumulator:
    assert isinstance(cli.trainer.logger, TensorBoardLogger)
    found = EventAccumulator(cli.trainer.logger.log_dir, size_guidance={"images": 0, "histograms": 0})
    found.Reload()
    return found


def test_tensorboard_gets_timelines_and_histograms(shown):
    cli = shown
    found = events(cli)
    tags = found.Tags()
    assert sorted(tags["images"]) == [f"timelines/{place}" for place in range(3)]
    images = found.Images("timelines/1")
    assert [image.step for image in images] == [4, 8]  # after 2 epochs of 2 steps, and after 4
    assert images[0].encoded_image_string.startswith(b"\x89PNG")
    assert images[0].encoded_image_string != images[1].encoded_image_string
    students = [f"pseudo_labels/{s}/{kind}_by_video" for s in ("cbp", "vlp") for kind in ("background", "foreground")]
    assert sorted(tags["histograms"]) == students
    values = found.Histograms("pseudo_labels/cbp/foreground_by_video")[-1].histogram_value
    buffer = cli.trainer.fit_loop.buffers["cbp"]
    lengths = cli.datamodule.train_lengths
    shares = [float((part == 1).float().mean()) for part in buffer.label.split(lengths)]
    assert values.num == 12
    assert values.sum == pytest.approx(sum(shares), rel=1e-5)
    assert "train/cbp/loss" in tags["scalars"]  # the curves


def test_held_out_videos_are_shown_with_the_segments_that_may_be_seen(fit, monkeypatch):
    drawn: list[dict[str, np.ndarray]] = []
    draw = panels.LogPanels._timelines
    monkeypatch.setattr(LogPanels, "_timelines", lambda *args: drawn.append(draw(*args)) or drawn[-1])
    cli = fit("tensorboard", "--data.held_out=0.4", "--data.validate_on=segments", "--trainer.max_epochs=2")
    held_out = [video.video_id for video in cli.datamodule.videos("val")]
    assert set(drawn[0]) <= set(held_out)
    heights = [image.shape[0] for image in drawn[0].values()]
    drawn.clear()
    fit("tensorboard", "--data.held_out=0.4", "--trainer.max_epochs=2")
    assert max(image.shape[0] for image in drawn[0].values()) < min(heights)  # without the row of the ground truth


def test_for_a_logger_that_cannot_show_them_nothing_is_computed_and_the_training_is_the_same(shown, fit, monkeypatch):
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(LogPanels, "_timelines", fail)
    without = fit("csv")
    assert isinstance(without.trainer.logger, CSVLogger)
    pairs = zip(shown.model.state_dict().items(), without.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for (_, a), b in pairs)


def test_zero_switches_it_off_and_the_rest_is_refused(tmp_path: Path):
    assert LogPanels(0).every_n_epochs == 0
    for wrong in ({"every_n_epochs": -1}, {"videos": 0}):
        with pytest.raises(ConfigError, match="LogPanels needs"):
            LogPanels(**wrong)


@pytest.mark.slow
def test_wandb_offline_gets_images_a_table_and_histograms(fit, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", "staging")
    logged: list[dict[str, object]] = []
    monkeypatch.setattr(panels, "_log", spy(panels._log, logged))
    cli = fit("wandb")
    assert isinstance(cli.trainer.logger, WandbLogger)
    cli.trainer.logger.experiment.finish()
    (media,) = Path("runs/wandb").glob("offline-run-*/files/media")
    assert len(list(media.glob("images/timelines/*.png"))) == 2 * 3
    (table,) = media.glob("table/timelines/table_*.table.json")
    assert '"columns":["epoch","video","timeline"]' in table.read_text()
    assert len(logged) == 2


def spy(function, calls):
    def wrapped(logger, images, shares, trainer):
        calls.append(shares)
        assert all(np.all((values >= 0) & (values <= 1)) for values in shares.values())
        return function(logger, images, shares, trainer)

    return wrapped

"""Example timelines and pseudo-labels, logged to TensorBoard and wandb beside the curves of a training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from wtal.branches.localization import LocalizationModule
from wtal.branches.scoring import score_videos
from wtal.data.datamodule import SnippetDataModule, Split
from wtal.errors import ConfigError
from wtal.nn.modes import evaluating

if TYPE_CHECKING:
    from wtal.collaboration.buffer import PseudoLabelBuffer

__all__ = ["LogPanels"]

Image = NDArray[np.uint8]
_BINS = np.linspace(0, 1, 21)


class LogPanels(Callback):
    """Logs timelines of a few videos as images, and the distribution of pseudo-labels over videos as histograms.

    The videos are held-out ones, with their segments if validation may see them, or else training videos. Only
    TensorBoard and wandb can show images: with other loggers nothing is computed.

    Args:
        every_n_epochs: Interval in epochs; the last epoch is always shown. 0 switches the callback off.
        videos: Number of videos, evenly spread over the split.

    Raises:
        ConfigError: If the interval is negative or there is no video.
    """

    def __init__(self, every_n_epochs: int = 10, videos: int = 4) -> None:
        if every_n_epochs < 0 or videos < 1:
            raise ConfigError(
                f"LogPanels needs every_n_epochs >= 0 and videos >= 1, got {every_n_epochs} and {videos}."
            )
        self.every_n_epochs, self.videos = every_n_epochs, videos

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw and log, on one process."""
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger | WandbLogger)]
        if not (loggers and self._is_due(trainer) and trainer.is_global_zero):
            return
        data = getattr(trainer, "datamodule", None)
        if isinstance(data, SnippetDataModule) and isinstance(pl_module, LocalizationModule):
            buffers = _filled(getattr(trainer.fit_loop, "buffers", {}))
            images, shares = self._timelines(pl_module, data, buffers), _shares(buffers)
            for logger in loggers:
                _log(logger, images, shares, trainer)

    def _is_due(self, trainer: Trainer) -> bool:
        epoch = trainer.current_epoch + 1
        return self.every_n_epochs > 0 and (epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs)

    def _timelines(
        self, module: LocalizationModule, data: SnippetDataModule, buffers: Mapping[str, "PseudoLabelBuffer"]
    ) -> dict[str, Image]:
        from wtal.report.figures import panel_of, qualitative_figure, rendered  # a training needs no matplotlib

        split: Split = "val" if data.held_out else "train"
        known = [video.video_id for video in data.videos(split)]
        places = np.linspace(0, len(known) - 1, min(self.videos, len(known))).round().astype(int).tolist()
        with evaluating(module):
            scores = score_videos(module, data, split, [known[place] for place in places])
        truth, labels = data.named_segments(split), data.split(split).table["labels"]
        images = {}
        for place, (name, one) in zip(places, scores.items(), strict=True):
            taught = {s: _of_video(buffer, place) for s, buffer in buffers.items()} if split == "train" else None
            panel = panel_of(one, truth=truth, label=labels[name][0], taught=taught)
            images[name] = rendered(qualitative_figure([panel]))
        return images


def _filled(buffers: Mapping[str, "PseudoLabelBuffer"]) -> dict[str, "PseudoLabelBuffer"]:
    """The buffers that hold labels."""
    return {student: buffer for student, buffer in buffers.items() if (buffer.label >= 0).any()}


def _of_video(buffer: "PseudoLabelBuffer", row: int) -> NDArray[np.int8]:
    begin, end = buffer.offsets[row : row + 2].tolist()
    return np.asarray(buffer.label[begin:end].cpu())


def _shares(buffers: Mapping[str, "PseudoLabelBuffer"]) -> dict[str, NDArray[np.float64]]:
    """By student and kind of label: the share of each training video that has it, ``(N,)``."""
    shares = {}
    for student, buffer in buffers.items():
        label, starts = buffer.label.cpu().numpy(), buffer.offsets.cpu().numpy()
        for kind, value in {"foreground": 1, "background": 0}.items():
            counts = np.add.reduceat(label == value, starts[:-1], dtype=float)
            shares[f"pseudo_labels/{student}/{kind}_by_video"] = counts / np.diff(starts)
    return shares


def _log(
    logger: Logger, images: Mapping[str, Image], shares: Mapping[str, NDArray[np.float64]], trainer: Trainer
) -> None:
    step, epoch = trainer.global_step, trainer.current_epoch
    if isinstance(logger, TensorBoardLogger):
        for place, image in enumerate(images.values()):  # the name of a video may be a path
            logger.experiment.add_image(f"timelines/{place}", image, step, dataformats="HWC")
        for name, values in shares.items():
            logger.experiment.add_histogram(name, values, step, bins=_BINS)
    elif isinstance(logger, WandbLogger):
        import wandb

        content: dict[str, Any] = {
            f"timelines/{place}": wandb.Image(image, caption=name) for place, (name, image) in enumerate(images.items())
        }
        for name, values in shares.items():
            content[name] = wandb.Histogram(np_histogram=np.histogram(values, _BINS))
        if epoch + 1 == trainer.max_epochs:  # once, because every table becomes a file on the server
            rows = np.array([[epoch, name, wandb.Image(image)] for name, image in images.items()], dtype=object)
            content["timelines/table"] = wandb.Table(["epoch", "video", "timeline"], rows)
        logger.experiment.log({**content, "epoch": epoch, "trainer/global_step": step})

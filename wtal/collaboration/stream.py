"""Follows a stream of videos while a branch or a pair is trained."""

from dataclasses import asdict
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from wtal.branches.branch import Branch
from wtal.branches.classes import Renewed
from wtal.collaboration.asynchronous.supervision import AsynchronousLoop
from wtal.collaboration.loop import CollaborationLoop, load_again
from wtal.collaboration.module import CollaborationModule
from wtal.collaboration.optimizer import BranchOptimizer
from wtal.collaboration.prequential import Prequential, Scores, tested
from wtal.data.contract import data_of
from wtal.data.resumable import derive_seed
from wtal.data.stream import Arrivals, StreamDataModule
from wtal.errors import ConfigError
from wtal.nn.class_rows import carry_over_moments
from wtal.results.run_folder import RunFolder
from wtal.results.stream import CameVideo, StreamEpoch, StreamRecord

__all__ = ["FollowStream"]

Learner = Branch | CollaborationModule


class FollowStream(Callback):
    """Between two epochs, takes the videos that have come into the training; does nothing without a stream.

    First the model learns of new classes: a classifier gets rows for them, while a text branch knows them by name. Then
    each new video that has segments is tested, and only then trained on. Pseudo-labels of the videos that stay are
    kept, and new ones have none before the next turn of their teacher. Until then they teach by their labels alone.

    The command line adds this callback by itself.

    Args:
        fading: Factor of the faded mean, see :func:`~wtal.metrics.faded_mean`.
        again: Largest number of videos that are tested again, to see what the model forgets.
        seed: Seed of new weights, and of the choice of these videos.
    """

    def __init__(self, fading: float = 0.95, again: int = 20, seed: int = 0) -> None:
        self.seed, self.record = seed, StreamRecord()
        self.prequential = Prequential(fading, again, seed)

    # The hooks of a training ----------------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what cannot follow a stream.

        Raises:
            ConfigError: If there are several processes, a model of another kind, or an encoder that is trained.
        """
        if stage != "fit" or not _is_stream(trainer):
            return
        if trainer.world_size > 1:
            raise ConfigError("Videos that keep coming are followed by one process: set `trainer.devices` to 1.")
        if not isinstance(pl_module, Learner):
            raise ConfigError(
                f"{type(pl_module).__name__} cannot follow videos that keep coming: train a branch or a pair."
            )
        if isinstance(trainer.fit_loop, AsynchronousLoop):
            raise ConfigError("`--asynchronous` needs all videos from the start: leave it out for a stream.")
        if any(branch.encoded is not None and branch.encoded.is_trained for branch in _branches(pl_module)):
            raise ConfigError("An encoder cannot be trained on videos that keep coming: leave `encoder` out.")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what is there at the start; look again where a finished training is continued."""
        if not _is_stream(trainer):
            return
        data = _stream(trainer)
        if not self.record.videos:
            self._note(data, list(data.came), {})
        if trainer.global_step:  # the checkpoint has other videos than those that are there now
            self._prepare_labels(_learner(pl_module), data)
        self._follow(trainer, _learner(pl_module), trainer.current_epoch)
        self._write(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look for new videos, unless this was the last epoch."""
        epoch, last = trainer.current_epoch + 1, trainer.max_epochs
        if _is_stream(trainer) and not trainer.should_stop and not (last is not None and 0 <= last <= epoch):
            self._follow(trainer, _learner(pl_module), epoch)
            self._write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test what is still known of earlier videos."""
        if _is_stream(trainer) and self.prequential.courses:
            data = _stream(trainer)
            self._test_again(trainer, _learner(pl_module), data)
            self._add_epoch(data, trainer.current_epoch, 0, [])
            self._write(trainer)

    # Following ------------------------------------------------------------------------------------------------------

    def _follow(self, trainer: Trainer, module: Learner, epoch: int) -> None:
        """Take in the videos that have come before an epoch."""
        data = _stream(trainer)
        if data.looked >= epoch:
            return
        former = list(module.class_names)
        arrivals = data.look(epoch)
        if not arrivals.changes_training:
            return
        renewed = self._learn_of_classes(trainer, module, data, former, epoch) if arrivals.class_names else {}
        scores = self._test(trainer, module, data, arrivals)
        rows = data.take(arrivals)
        if isinstance(trainer.fit_loop, CollaborationLoop):
            trainer.fit_loop.take_videos(rows, renewed)
        self._prepare_labels(module, data)
        load_again(trainer)
        self._note(data, arrivals.videos, scores)

    def _learn_of_classes(
        self,
        trainer: Trainer,
        module: Learner,
        data: StreamDataModule,
        former: list[str],
        epoch: int,
    ) -> Renewed:
        """Let the model know the new classes, and measure what heads must know about the features."""
        renewed = module.know_classes(data.class_names, derive_seed(self.seed, epoch, len(data.class_names)))
        optimizers = [
            one
            for optimizer in trainer.optimizers
            for one in (optimizer.optimizers.values() if isinstance(optimizer, BranchOptimizer) else [optimizer])
        ]
        carry_over_moments(optimizers, renewed, len(former), len(data.class_names) - len(former))
        for branch in _branches(module):
            branch.head.prepare(data.training_rows(branch.streams))
        return renewed

    def _prepare_labels(self, module: Learner, data: StreamDataModule) -> None:
        for branch in _branches(module):
            if branch.labels is not None:
                branch.labels.prepare(data)

    # Testing --------------------------------------------------------------------------------------------------------

    def _test(
        self,
        trainer: Trainer,
        module: Learner,
        data: StreamDataModule,
        arrivals: Arrivals,
    ) -> dict[str, Scores]:
        """Test new videos, and earlier ones again."""
        scores = tested(trainer, module, data, arrivals.videos)
        self._test_again(trainer, module, data)
        self.prequential.add(scores, {name: data.annotations.videos["labels"][name] for name in scores})
        return scores

    def _test_again(self, trainer: Trainer, module: Learner, data: StreamDataModule) -> None:
        self.prequential.add_again(tested(trainer, module, data, list(self.prequential.courses)))

    # The record -----------------------------------------------------------------------------------------------------

    def _note(self, data: StreamDataModule, video_ids: list[str], scores: dict[str, Scores]) -> None:
        came = {name: data.came[name] for name in video_ids}
        self.record.videos += [CameVideo(*came[name][:1], name, came[name][1], scores.get(name, {})) for name in came]
        self._add_epoch(data, data.looked, len(video_ids), list(scores.values()))

    def _add_epoch(self, data: StreamDataModule, epoch: int, came: int, new: list[Scores]) -> None:
        measures = self.prequential.measures(new)
        self.record.epochs.append(
            StreamEpoch(epoch, came, len(data.came), len(data.trained_on), len(data.class_names), measures)
        )

    def _write(self, trainer: Trainer) -> None:
        if not getattr(trainer, "fast_dev_run", False) and trainer.loggers:
            self.record.write(RunFolder.of(trainer).stream)

    def state_dict(self) -> dict[str, Any]:
        """The record and the scores so far; nothing without a stream."""
        if not self.record.videos:
            return {}
        return {
            "videos": [[v.epoch, v.video_id, list(v.labels), v.scores] for v in self.record.videos],
            "epochs": [asdict(one) for one in self.record.epochs],
            "scores": self.prequential.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        if state_dict:
            videos = [
                CameVideo(epoch, name, tuple(labels), scores) for epoch, name, labels, scores in state_dict["videos"]
            ]
            self.record = StreamRecord(videos, [StreamEpoch(**one) for one in state_dict["epochs"]])
            self.prequential.load_state_dict(state_dict["scores"])


def _is_stream(trainer: Trainer) -> bool:
    return isinstance(getattr(trainer, "datamodule", None), StreamDataModule)


def _stream(trainer: Trainer) -> StreamDataModule:
    data = data_of(trainer)
    assert isinstance(data, StreamDataModule)
    return data


def _learner(module: LightningModule) -> Learner:
    assert isinstance(module, Learner)
    return module


def _branches(module: Learner) -> list[Branch]:
    return [module] if isinstance(module, Branch) else list(module.branches.values())

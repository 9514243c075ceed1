"""The one thing that an ordinary training of a branch needs in order to teach, and learn from, another."""

import time
from collections.abc import Callable, Sequence

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from wtal.branches.branch import Branch
from wtal.branches.labels import LabelSource
from wtal.collaboration.asynchronous.exchange import Exchange, ExchangeSettings
from wtal.collaboration.asynchronous.packets import LabelPacket
from wtal.collaboration.asynchronous.teaching import Teacher
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.pseudo_labels import overridden
from wtal.collaboration.schedule import Lesson
from wtal.data.contract import VideoData, data_of
from wtal.errors import PredictionError
from wtal.results.journal import Given, Journal, Taken
from wtal.types import PseudoLabels, SnippetBatch, SnippetScores

__all__ = ["ExchangeCallback"]

_POLL_S = 0.02


class _PacketLabels(LabelSource):
    """The labels of the packet in use, below those of the branch's own source if that overrides, as points do."""

    def __init__(self, data: VideoData, device: torch.device, own: LabelSource | None) -> None:
        self.buffer = PseudoLabelBuffer(data.train_lengths).to(device)
        self.above = own if own is not None and own.overrides else None

    def use(self, packet: LabelPacket, teacher: str) -> None:
        """Change to another packet.

        Raises:
            PredictionError: If it labels other videos.
        """
        if len(packet.label) != len(self.buffer.label):
            raise PredictionError(
                f"Packet {packet.version} of {teacher} labels {len(packet.label)} snippets, but the training videos "
                f"here have {len(self.buffer.label)}: both branches must train on the same videos."
            )
        device = self.buffer.label.device
        self.buffer.label = torch.from_numpy(packet.label).to(device)
        self.buffer.class_index = torch.from_numpy(packet.class_index).to(device)
        self.version = packet.version

    def labels(self, batch: SnippetBatch) -> PseudoLabels:
        """Labels of the snippets of a batch."""
        return self.buffer.labels(batch)

    def completed(self, batch: SnippetBatch, scores: Callable[[], SnippetScores]) -> PseudoLabels:
        """The labels of a batch, with those above them."""
        labels = self.labels(batch)
        return labels if self.above is None else overridden(labels, self.above.completed(batch, scores))


class ExchangeCallback(Callback):
    """Publishes a branch's labels every so many steps, and lets it learn from the newest ones of the other branch.

    The labels of a packet take the place of the branch's own source of labels in the epochs that have a lesson, unless
    that source overrides the labels of a teacher: then it stands above them.

    Args:
        exchange: Where the packets are.
        settings: How often packets are published, and how old they may be.
        lessons: For each epoch of the branch the lesson that it takes; None for none.
        teacher: Makes the branch's own labels.
        warm_up: Number of epochs after which the first packet is published.
        journal: Journal of what happens.
        follow: Journal of a former training that is repeated; None in a first training.
    """

    def __init__(
        self,
        exchange: Exchange,
        settings: ExchangeSettings,
        lessons: Sequence[Lesson | None],
        teacher: Teacher,
        warm_up: int,
        journal: Journal,
        follow: Journal | None = None,
    ) -> None:
        self.exchange, self.settings, self.lessons, self.teacher = exchange, settings, list(lessons), teacher
        self.warm_up, self.journal, self.follow = warm_up, journal, follow
        self._packets: dict[tuple[str, int], LabelPacket] = {}

    @property
    def _name(self) -> str:
        return self.teacher.lesson.teacher

    @property
    def _other(self) -> str:
        return self.teacher.lesson.student

    # The hooks of a training ----------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take up the journal at the step of the checkpoint; publish if there is no warm-up."""
        assert isinstance(pl_module, Branch)
        self.journal.rewind(trainer.global_step)
        self._own = pl_module.labels
        self._source = _PacketLabels(data_of(trainer), pl_module.device, self._own)
        self._in_use: Taken | None = None
        steps = -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)
        self._every, self._first = self.settings.every or steps, self.warm_up * steps
        if trainer.global_step == self._first == 0 and not self.journal.given():
            self._publish(trainer, pl_module, is_final=False)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Choose the labels of the step.

        Raises:
            SystemExit: If SIGTERM ends the training while it waits for a packet. No checkpoint is written then, as the
                batch has been loaded and not used.
        """
        lesson, step = self.lessons[trainer.current_epoch], trainer.global_step
        if lesson is None:
            pl_module.labels = self._own  # type: ignore[assignment]
            return
        taken = self._choose(trainer, step) if self.follow is None else _at(self.follow, step)
        if self._in_use is None or (taken.version, taken.age) != (self._in_use.version, self._in_use.age):
            self.journal.add(taken)
        self._in_use = taken
        pl_module.labels = self._source if taken.version else self._source.above  # type: ignore[assignment]
        if taken.version and taken.version != self._source.version:
            self._source.use(self._packet(self._other, taken.version), self._other)
        self._source.weight = self.settings.decay**taken.age

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Publish after every so many steps from the end of the warm-up on."""
        assert isinstance(pl_module, Branch)
        step, given = trainer.global_step, self.journal.given()
        is_new = not given or given[-1].step < step  # several batches may make one step
        if is_new and step >= max(self._first, 1) and (step - self._first) % self._every == 0:
            self._publish(trainer, pl_module, is_final=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the branch its own source of labels back."""
        pl_module.labels = self._own  # type: ignore[assignment]

    def finish(self, trainer: Trainer, branch: Branch) -> None:
        """Publish the final labels, once, also if the training was interrupted after its last step.

        Args:
            trainer: The trainer, after its fit.
            branch: The trained branch.
        """
        given = self.journal.given()
        branch.to(trainer.strategy.root_device)  # which Lightning has left
        if not given or not self._packet(self._name, given[-1].version).is_final:
            self._publish(trainer, branch, is_final=True)

    # Learning -------------------------------------------------------------------------------------------------------

    def _choose(self, trainer: Trainer, step: int) -> Taken:
        """The newest packet of the teacher within the bound; waits for one, or goes on without."""
        while True:
            version = self.exchange.latest(self._other)
            age = self._age(version, step) if version else 0
            if version and age <= self.settings.bound:
                return Taken(step, version, age, time.time())
            if self.settings.beyond == "go_on":
                return Taken(step, 0, 0, time.time())
            if trainer.received_sigterm:
                raise SystemExit(143)
            time.sleep(_POLL_S)

    def _age(self, version: int, step: int) -> int:
        packet = self._packet(self._other, version)
        return 0 if packet.is_final else max(0, step - packet.step) // self._every

    def _packet(self, teacher: str, version: int) -> LabelPacket:
        """A packet; only the newest that was read of each branch is kept in memory."""
        if (teacher, version) not in self._packets:
            self._packets = {key: packet for key, packet in self._packets.items() if key[0] != teacher}
            self._packets[teacher, version] = self.exchange.read(teacher, version)
        return self._packets[teacher, version]

    # Teaching -------------------------------------------------------------------------------------------------------

    def _publish(self, trainer: Trainer, branch: Branch, is_final: bool) -> None:
        if self.follow is not None:
            self._compare(trainer, branch, is_final)
            return
        other = self.exchange.latest(self._other) if self.teacher.lesson.agreed else 0
        packet = self._made(trainer, branch, self.exchange.latest(self._name) + 1, is_final, other)
        self.exchange.publish(self._name, packet)
        self.journal.add(Given(packet.step, packet.version, other, packet.digest, time.time()))

    def _compare(self, trainer: Trainer, branch: Branch, is_final: bool) -> None:
        """Make the packet that a former training published at this step, and compare.

        Raises:
            PredictionError: If it is another.
        """
        assert self.follow is not None
        done = len(self.journal.given())
        former = self.follow.given()[done] if done < len(self.follow.given()) else None
        step = trainer.global_step
        if former is None or former.step != step:
            raise PredictionError(f"{self.follow.path} has no packet of {self._name} at step {step}: it is incomplete.")
        packet = self._made(trainer, branch, former.version, is_final, former.fused_with)
        if packet.digest != former.digest:
            raise PredictionError(
                f"At step {step} the labels of {self._name} are others than in the run: replay it with the versions "
                "of the packages, the data and the number of threads that it was trained with."
            )
        self.journal.add(former)

    def _made(self, trainer: Trainer, branch: Branch, version: int, is_final: bool, other: int) -> LabelPacket:
        fused_with = self._packet(self._other, other) if other else None
        return self.teacher.packet(trainer, branch, version, is_final, fused_with)


def _at(journal: Journal, step: int) -> Taken:
    """The packet that a former training used in a step.

    Raises:
        PredictionError: If its journal does not say.
    """
    before = [taken for taken in journal.taken() if taken.step <= step]
    if not before:
        raise PredictionError(f"{journal.path} does not say which packet step {step} used: it is incomplete.")
    return before[-1]

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from streams import Stream

from wtal.branches import CBPBranch, VLPBranch
from wtal.collaboration import CollaborationModule, FollowStream, Schedule
from wtal.data import StreamDataModule
from wtal.errors import CheckpointError, ConfigError
from wtal.nn.heads import AnchoredTextHead, AttentionMILHead
from wtal.nn.text import FileText
from wtal.results import StreamRecord
from wtal.training.seeding import SeedSteps

PLAN = {0: "abcd", 1: "e", 2: "fg", 3: "h"}  # videos that come while an epoch is trained
LABELS = {**dict.fromkeys("ace", "archery"), **dict.fromkeys("bdf", "bowling"), **dict.fromkeys("gh", "curling")}


class Deliver(Callback):
    """Lets videos come in the course of a training, and notes what FollowStream has made of it."""

    def __init__(self, stream: Stream, plan: dict[int, str] = PLAN) -> None:
        self.stream, self.plan, self.epochs = stream, plan, []
        if not (stream.folder / "i3d").exists():
            self.bring(0)

    def bring(self, epoch: int) -> None:
        for name in self.plan.get(epoch, ""):
            self.stream.deliver(name, LABELS[name])

    def on_train_epoch_start(self, trainer, module):
        rows = trainer.fit_loop.buffers["vlp"].offsets.diff().tolist() if hasattr(trainer.fit_loop, "buffers") else []
        names = [video.video_id for video in trainer.datamodule.videos("train")]
        self.epochs.append(("".join(names), len(module.class_names), trainer.num_training_batches, len(rows)))

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if batch_idx == 0:
            self.bring(trainer.current_epoch + 1)
            trainer.save_checkpoint(self.stream.folder / f"within_{trainer.current_epoch}.ckpt")


def pair(data: StreamDataModule) -> CollaborationModule:
    seed_everything(7, verbose=False)
    shared = {"average": 0.9, "optimizer": partial(torch.optim.AdamW, lr=0.01)}
    text = partial(FileText, path=data.files.annotations.parent / "text" / "text.npy")
    head = partial(AnchoredTextHead, text=text, dim=12, width=8, heads=2)
    return CollaborationModule(
        data.class_names,
        partial(CBPBranch, head=partial(AttentionMILHead, in_dim=12, hidden=8), **shared),
        partial(VLPBranch, head=head, **shared),
        Schedule(warm_up=1, pattern="BF", from_cbp="both", from_vlp="both"),
    )


def trainer(folder: Path, epochs: int, *callbacks: Callback, **options: object) -> Trainer:
    return Trainer(
        default_root_dir=folder,
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=CSVLogger(folder, "run", 0),
        log_every_n_steps=1,
        callbacks=[SeedSteps(), *callbacks, FollowStream(again=3)],
        **{"enable_checkpointing": False, **options},
    )


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A training of five epochs, uninterrupted."""
    folder = tmp_path_factory.mktemp("followed")
    stream = Stream(folder / "stream")
    deliver = Deliver(stream)
    data = stream.data(memory=6)
    every = ModelCheckpoint(folder / "stream", "end_{epoch}", save_top_k=-1, auto_insert_metric_name=False)
    module, fit = pair(data), trainer(folder, 5, deliver, every, enable_checkpointing=True)
    fit.fit(module, datamodule=data)
    return SimpleNamespace(folder=folder, module=module, data=data, deliver=deliver, trainer=fit)


def test_videos_classes_batches_and_buffers_grow_between_epochs(followed):
    assert followed.deliver.epochs[:3] == [
        ("abcd", 2, 1, 4),
        ("abcde", 2, 2, 5),
        (followed.deliver.epochs[2][0], 3, 2, 6),
    ]
    assert [len(names) for names, *_ in followed.deliver.epochs] == [4, 5, 6, 6, 6]
    assert followed.data.class_names == followed.module.class_names == followed.module.cbp.class_names
    assert followed.module.class_names == ["archery", "bowling", "curling"]
    assert followed.module.cbp.head.classifier.weight.shape[0] == 4
    assert {*followed.data.memory.held} == {*followed.data.trained_on}
    assert followed.data.memory.held.keys() >= {"g", "h"}  # the rarest class
    assert len(followed.trainer.fit_loop.buffers["cbp"].label) == 6 * 30


def test_all_parameters_are_those_that_the_optimizer_steps(followed):
    stepped = {id(p) for group in followed.trainer.optimizers[0].param_groups for p in group["params"]}
    assert {id(p) for p in followed.module.parameters() if p.requires_grad} == stepped
    assert {id(p) for o in followed.trainer.optimizers[0].optimizers.values() for p in o.state} <= stepped


def test_each_video_is_tested_before_it_is_learned_from(followed):
    record = StreamRecord.read(followed.folder / "run" / "version_0" / "stream")
    assert [video.epoch for video in record.videos] == [0, 0, 0, 0, 1, 2, 2, 3]
    assert "".join(video.video_id for video in record.videos) == "abcdefgh"
    assert [set(video.scores) for video in record.videos] == [set()] * 4 + [{"cbp", "vlp", "fused"}] * 4
    assert record.sources == ["cbp", "vlp", "fused"]
    assert [(one.epoch, one.came, one.seen, one.trained_on, one.classes) for one in record.epochs] == [
        (0, 4, 4, 4, 2),
        (1, 1, 5, 5, 2),
        (2, 2, 7, 6, 3),
        (3, 1, 8, 6, 3),
        (5, 0, 8, 6, 3),  # what is known at the end
    ]
    assert "fused/forgetting" not in record.epochs[1].measures
    assert {"fused/mAP", "fused/faded", "fused/forgetting"} <= set(record.epochs[2].measures)
    assert record.epochs[1].measures["fused/mAP"] == record.videos[4].scores["fused"]


def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(followed, tmp_path):
    stream = Stream(tmp_path / "stream")
    first = Deliver(stream)
    data = stream.data(memory=6)
    fit = trainer(tmp_path, 3, first)
    fit.fit(pair(data), datamodule=data)
    fit.save_checkpoint(tmp_path / "third.ckpt")
    again = stream.data(memory=6)  # knows a class and videos that the checkpoint does not
    module, deliver = pair(again), Deliver(stream)
    fit = trainer(tmp_path, 5, deliver)
    fit.fit(module, datamodule=again, ckpt_path=tmp_path / "third.ckpt")
    assert first.epochs + deliver.epochs == followed.deliver.epochs
    assert same(weights(module), weights(followed.module))
    assert again.state_dict() == followed.data.state_dict()
    buffers, others = fit.fit_loop.buffers, followed.trainer.fit_loop.buffers
    assert all(torch.equal(buffers[name].label, others[name].label) for name in buffers)
    ran = [(tmp_path if one else followed.folder) / "run" / "version_0" / "stream" for one in (True, False)]
    assert StreamRecord.read(ran[0]).videos == StreamRecord.read(ran[1]).videos


@pytest.mark.slow
@pytest.mark.parametrize(("saved", "epochs"), [("within_2", "abcdefgh"), ("end_1", "abcdefg"), ("end_3", "abcdefgh")])
def test_it_is_resumed_from_anywhere(followed, tmp_path, saved, epochs):
    stream = Stream(tmp_path / "stream")
    for name in epochs:
        stream.deliver(name, LABELS[name])
    data, deliver = stream.data(memory=6), Deliver(stream)
    deliver.plan = {} if "h" in epochs else {3: "h"}
    module = pair(data)
    trainer(tmp_path, 5, deliver).fit(module, datamodule=data, ckpt_path=followed.folder / "stream" / f"{saved}.ckpt")
    assert same(weights(module), weights(followed.module))
    assert data.state_dict() == followed.data.state_dict()


def test_segments_teach_nothing(followed, tmp_path, monkeypatch):
    monkeypatch.setattr(Stream, "label", lambda self, name, label: _add(self.table, f"{name},,,{label}\n"))
    stream = Stream(tmp_path / "stream")
    deliver = Deliver(stream)
    data = stream.data(memory=6)
    module = pair(data)
    trainer(tmp_path, 5, deliver).fit(module, datamodule=data)
    assert same(weights(module), weights(followed.module))
    assert not StreamRecord.read(tmp_path / "run" / "version_0" / "stream").sources


def _add(table: Path, text: str) -> None:
    with table.open("a") as file:
        file.write(text)


def test_a_checkpoint_is_tested_with_the_order_of_its_classes(followed, tmp_path):
    checkpoint = tmp_path / "whole.ckpt"
    followed.trainer.save_checkpoint(checkpoint)
    stream = followed.deliver.stream
    text = stream.table.read_text()
    stream.table.write_text("video,start,end,label\n" + "".join(sorted(text.splitlines(True)[1:], reverse=True)))
    data = stream.data(memory=6, class_names=["curling", "bowling", "archery"])
    module = pair(data)
    (other,) = trainer(tmp_path, 1).test(module, data, str(checkpoint), verbose=False)
    (here,) = followed.trainer.test(followed.module, followed.data, verbose=False)
    stream.table.write_text(text)
    assert module.class_names == data.class_names == ["archery", "bowling", "curling"]
    assert other == pytest.approx(here)
    few = Stream(tmp_path / "few")
    few.deliver("a", "archery")
    few.deliver("b", "bowling")
    data = few.data()
    with pytest.raises(CheckpointError, match="knows 3 classes, the data 2"):
        trainer(tmp_path, 1).test(pair(data), data, str(checkpoint), verbose=False)


def test_a_branch_alone_follows_too(tmp_path):
    stream = Stream(tmp_path / "stream")
    deliver, data = Deliver(stream, {0: "ab", 1: "g"}), stream.data()
    module = pair(data).cbp
    trainer(tmp_path, 3, deliver).fit(module, datamodule=data)
    assert [len(names) for names, *_ in deliver.epochs] == [2, 3, 3]
    assert module.head.classifier.weight.shape[0] == 4


def test_what_cannot_follow_a_stream_is_refused(tmp_path):
    stream = Stream(tmp_path / "stream")
    stream.deliver("a", "archery")
    data = stream.data()
    alone = SimpleNamespace(datamodule=data, world_size=1, fit_loop=None)
    with pytest.raises(ConfigError, match="followed by one process"):
        FollowStream().setup(SimpleNamespace(datamodule=data, world_size=2), None, "fit")
    with pytest.raises(ConfigError, match="Linear cannot follow videos that keep coming"):
        FollowStream().setup(alone, torch.nn.Linear(1, 1), "fit")
    FollowStream().setup(alone, pair(data), "fit")

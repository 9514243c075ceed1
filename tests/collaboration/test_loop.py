import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint

from wtal.collaboration import CollaborationModule, Schedule
from wtal.collaboration.loop import CollaborationLoop
from wtal.errors import CheckpointError


def state(branch):
    return {name: value.clone() for name, value in branch.state_dict().items()}


def changed(before, after):
    return any(not torch.equal(before[name], after[name]) for name in before)


class Watch(Callback):
    """Records the step, changes, learning rates, labels and refreshes of each epoch."""

    def __init__(self):
        self.epochs = []

    def on_train_epoch_start(self, trainer, module):
        self.before = {name: state(branch) for name, branch in module.branches.items()}

    def on_train_epoch_end(self, trainer, module):
        moved = {name for name, branch in module.branches.items() if changed(self.before[name], state(branch))}
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        labels = {name: buffer.shares()["ignored"] < 1 for name, buffer in trainer.fit_loop.buffers.items()}
        self.epochs.append((module.step_name[0], moved, rates, labels, trainer.fit_loop.turn_progress.refreshes))


def test_only_the_students_change_and_not_one_bit_of_the_others(pair):
    data, watch = pair.data(), Watch()
    pair.trainer(5, watch).fit(pair.model(data, Schedule(warm_up=1, pattern="BFJ")), data)
    assert [(letter, moved) for letter, moved, *_ in watch.epochs] == [
        ("w", {"cbp", "vlp"}),
        ("B", {"vlp"}),
        ("F", {"cbp"}),
        ("J", {"cbp", "vlp"}),
        ("B", {"vlp"}),
    ]


def test_learning_rates_move_with_the_students(pair):
    data, watch = pair.data(), Watch()
    pair.trainer(4, watch).fit(pair.model(data, Schedule(warm_up=1, pattern="BF")), data)
    rates = [[round(rate, 6) for rate in rates] for _, _, rates, *_ in watch.epochs]  # after each epoch
    assert rates == [[0.009, 0.009], [0.009, 0.0081], [0.0081, 0.0081], [0.0081, 0.00729]]


def test_labels_are_refreshed_at_each_turn_and_kept_within_it(pair):
    data, watch = pair.data(), Watch()
    pair.trainer(6, watch).fit(pair.model(data, Schedule(warm_up=1, pattern="BF", period=2)), data)
    assert [refreshes for *_, refreshes in watch.epochs] == [0, 1, 1, 2, 2, 3]
    assert watch.epochs[0][3] == {"cbp": False, "vlp": False}
    assert watch.epochs[1][3] == {"cbp": False, "vlp": True}
    assert watch.epochs[3][3] == {"cbp": True, "vlp": True}


def test_without_a_lesson_cbp_in_a_pair_is_cbp_alone_bit_for_bit(pair):
    data = pair.data()
    together, alone = pair.model(data, Schedule(pattern="W")), pair.model(data, Schedule()).cbp
    pair.trainer(3, gradient_clip_val=0.5).fit(together, data)
    pair.trainer(3, gradient_clip_val=0.5).fit(alone, data)
    assert not changed(state(together.cbp), state(alone))


def everything(trainer, module):
    """All state of a run: weights, averages, optimizers, schedulers, pseudo-labels."""
    loop = trainer.fit_loop
    return [
        module.state_dict(),
        trainer.optimizers[0].state_dict(),
        {name: buffer.state_dict() for name, buffer in loop.buffers.items()},
        trainer.lr_scheduler_configs[0].scheduler.state_dict(),
        {"turn": loop.turn_progress.turn, "steps": trainer.global_step},
    ]


def assert_same(a, b):
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


IN_TURN = Schedule(warm_up=1, pattern="BF", period=1)


@pytest.fixture(scope="module")
def whole(pair_of_all):
    """All state after an uninterrupted run, and the folder of its checkpoints after each step."""
    folder, data = pair_of_all.folder / "ckpt", pair_of_all.data()
    save = ModelCheckpoint(folder, every_n_train_steps=1, save_top_k=-1, filename="{step}")
    trainer, module = pair_of_all.trainer(6, save, enable_checkpointing=True), pair_of_all.model(data, IN_TURN)
    trainer.fit(module, data)
    return everything(trainer, module), folder


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [2, 4, 6, 9, 12])  # 3 steps per epoch: inside and at the end of warm-up, B and F
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(pair, whole, stop, workers):
    if workers and stop not in (4, 6):
        pytest.skip("workers change nothing else")
    expected, folder = whole
    data = pair.data(num_workers=workers)
    resumed, module = pair.trainer(6), pair.model(data, IN_TURN)
    for parameter in module.parameters():  # nothing may come from anywhere but the checkpoint
        torch.nn.init.zeros_(parameter)
    resumed.fit(module, data, ckpt_path=folder / f"step={stop}.ckpt")
    assert_same(everything(resumed, module), expected)


def test_installing_twice_changes_only_the_schedule(pair):
    trainer = pair.trainer(1)
    first = CollaborationLoop.install(trainer, Schedule())
    second = CollaborationLoop.install(trainer, Schedule(pattern="B"))
    assert first is second is trainer.fit_loop
    assert first.schedule.pattern == "B"


def test_a_checkpoint_of_another_training_set_is_refused_for_training(pair, tmp_path):
    data = pair.data()
    trainer = pair.trainer(2)
    trainer.fit(pair.model(data, Schedule(warm_up=1)), data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    other = pair.data(held_out=0.3)
    with pytest.raises(CheckpointError, match="training videos"):
        pair.trainer(3).fit(pair.model(other, Schedule(warm_up=1)), other, ckpt_path=tmp_path / "a.ckpt")


def test_a_checkpoint_of_other_classes_is_refused_in_one_sentence(pair, tmp_path):
    data = pair.data()
    trainer, module = pair.trainer(1), pair.model(data, Schedule())
    trainer.fit(module, data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    other = pair.model(data, Schedule())
    other.class_names = other.class_names[:-1]
    with pytest.raises(CheckpointError, match="6 classes, the data 5"):
        pair.trainer(1).test(other, data, ckpt_path=tmp_path / "a.ckpt")


def test_checkpoints_load_with_weights_only(pair, tmp_path):
    data = pair.data()
    trainer, module = pair.trainer(2), pair.model(data, Schedule(warm_up=1))
    trainer.fit(module, data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert saved["class_names"] == data.class_names
    assert isinstance(module, CollaborationModule)


def test_every_source_is_measured(pair):
    data = pair.data()
    trainer, module = pair.trainer(1), pair.model(data, Schedule())
    trainer.fit(module, data)
    (metrics,) = trainer.test(module, data, verbose=False)
    for source in ("cbp", "vlp", "fused"):
        assert 0 <= metrics[f"test/{source}/mAP@0.1:0.7"] <= 1
        assert 0 <= metrics[f"test/{source}/false_positive_rate"] <= 1

"""Lightning's options with both branches: each works as in any Lightning module, or is refused before training."""

from argparse import Namespace
from functools import partial

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import (
    BatchSizeFinder,
    EarlyStopping,
    LearningRateFinder,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from pytorch_lightning.cli import ReduceLROnPlateau
from pytorch_lightning.strategies import DDPStrategy

from wtal.branches import CBPBranch
from wtal.collaboration import Schedule
from wtal.collaboration.loop import CollaborationLoop
from wtal.errors import ConfigError
from wtal.nn.heads import AttentionMILHead

ONE_EACH = Schedule(warm_up=1, pattern="FB", period=1)


class Rows(Callback):
    """The videos of each training batch."""

    def __init__(self) -> None:
        self.epochs: list[list[list[int]]] = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.epochs.append([])

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.epochs[-1].append(batch.video.tolist())


@pytest.mark.parametrize("algorithm", ["value", "norm"])
def test_gradients_are_clipped_where_one_branch_has_none(pair, algorithm):
    data = pair.data()
    trainer = pair.trainer(3, gradient_clip_val=0.5, gradient_clip_algorithm=algorithm)
    trainer.fit(pair.model(data, ONE_EACH), data)
    assert trainer.current_epoch == 3


@pytest.mark.parametrize(("share", "expected"), [(2, [[0, 1, 2, 3], [4, 5, 6, 7]]), (0.4, [[0, 1, 2, 3]])])
def test_overfit_batches_repeats_the_same_batches(pair, share, expected):
    data, seen = pair.data(), Rows()
    pair.trainer(3, seen, overfit_batches=share).fit(pair.model(data, ONE_EACH), data)
    assert seen.epochs == [expected] * 3


def test_overfit_batches_repeats_the_same_crops(pair):
    data = pair.data()
    data.trainer = pair.trainer(1, overfit_batches=1)
    first, second = next(iter(data.train_dataloader())), next(iter(data.train_dataloader()))
    assert torch.equal(first.grid_index, second.grid_index)
    assert (first.grid_index[:, 0] > 0).any()  # crops, not the beginnings


@pytest.mark.parametrize(
    "options",
    [
        {"fast_dev_run": True},
        {"fast_dev_run": 2},
        {"limit_train_batches": 1, "accumulate_grad_batches": 2},
        {"precision": "bf16-mixed", "detect_anomaly": True, "profiler": "simple", "deterministic": "warn"},
        {"max_steps": 2, "min_epochs": 1, "inference_mode": False, "reload_dataloaders_every_n_epochs": 1},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_that_just_work(pair, options):
    data = pair.data()
    pair.trainer(3, **options).fit(pair.model(data, ONE_EACH), data)


def plateau(pair, monitor: str, **options: object):
    """A pair whose branches halve their rates each time a metric has not become larger by 10."""
    model = pair.model(pair.data(**options), ONE_EACH)
    waits = partial(ReduceLROnPlateau, monitor=monitor, mode="max", factor=0.5, patience=0, threshold=10)
    for branch in model.branches.values():
        branch.lr_scheduler = waits
    return model


def rates(trainer) -> list[float]:
    return [o.param_groups[0]["lr"] for o in trainer.optimizers[0].optimizers.values()]


@pytest.mark.parametrize("every", [1, 2])
def test_a_branch_that_waits_for_a_plateau_lowers_its_own_rate_in_its_own_epochs(pair, every):
    """Epochs: both, CBP alone, VLP alone, CBP alone. The first one sets the mark, and later ones do not reach it."""
    model = plateau(pair, "val/fused/video_mAP")
    trainer = pair.trainer(4, check_val_every_n_epoch=every)
    trainer.fit(model, pair.data(held_out=0.3))
    both = {1: [0.01 / 4, 0.01 / 2], 2: [0.01 / 2, 0.01]}  # 2: validated after the second and the fourth epoch alone
    assert rates(trainer) == pytest.approx(both[every])


def test_a_plateau_of_the_training_loss_needs_no_held_out_videos(pair):
    trainer = pair.trainer(4)
    trainer.fit(plateau(pair, "train/cbp/loss"), pair.data())
    assert rates(trainer) == pytest.approx([0.01 / 4, 0.01 / 2])


def test_a_branch_alone_waits_for_a_plateau(pair):
    data = pair.data(held_out=0.3)
    waits = partial(ReduceLROnPlateau, monitor="val/video_mAP", mode="max", factor=0.5, patience=0, threshold=10)
    branch = CBPBranch(data.class_names, partial(AttentionMILHead, in_dim=16, hidden=8), lr_scheduler=waits)
    trainer = pair.trainer(3)
    trainer.fit(branch, data)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.001 / 4)


def test_the_state_of_schedulers_is_restored(pair, tmp_path):
    data = pair.data(held_out=0.3)
    options = {"enable_checkpointing": True}
    whole = pair.trainer(4)
    whole.fit(plateau(pair, "val/fused/video_mAP"), data)
    saved = ModelCheckpoint(tmp_path, "two", save_on_train_epoch_end=True)
    pair.trainer(2, saved, **options).fit(plateau(pair, "val/fused/video_mAP"), pair.data(held_out=0.3))
    resumed = pair.trainer(4)
    resumed.fit(plateau(pair, "val/fused/video_mAP"), pair.data(held_out=0.3), ckpt_path=tmp_path / "two.ckpt")
    assert rates(resumed) == pytest.approx(rates(whole))


def test_callbacks_of_learning_rates_see_both_branches(pair):
    data, monitor = pair.data(), LearningRateMonitor()
    trainer = pair.trainer(2, monitor, logger=True)
    trainer.fit(pair.model(data, ONE_EACH), data)
    assert len(monitor.lrs) == 2


@pytest.mark.parametrize(
    ("callbacks", "options", "message"),
    [
        ([LearningRateFinder()], {}, "LearningRateFinder cannot set the learning rate.*`optimizer.init_args.lr`"),
        ([BatchSizeFinder()], {}, "BatchSizeFinder would train with another batch size.*`data.batch_size`"),
        ([StochasticWeightAveraging(0.01)], {}, "StochasticWeightAveraging would average weights.*`average`"),
        ([EarlyStopping("val/fused/mAP")], {}, "val/fused/mAP is measured on held-out videos.*`data.held_out`"),
        (
            [EarlyStopping("val_loss")],
            {},
            "No metric is called val_loss: training has train/cbp/loss or train/vlp/loss",
        ),
        ([], {"limit_train_batches": 0}, "`trainer.limit_train_batches` is 0"),
        ([], {"precision": "bf16-true"}, "bf16-true is too coarse for the losses; use bf16-mixed"),
    ],
)
def test_what_would_train_something_else_is_refused(pair, callbacks, options, message):
    data = pair.data()
    with pytest.raises(ConfigError, match=message):
        pair.trainer(2, *callbacks, **options).fit(pair.model(data, ONE_EACH), data)


def test_a_strategy_that_cannot_freeze_a_branch_is_refused(pair):
    trainer = pair.trainer(1)
    with pytest.raises(ConfigError, match=r"DDPStrategy with these options.*ddp or auto"):
        CollaborationLoop.install(
            Namespace(strategy=DDPStrategy(static_graph=True), fit_loop=trainer.fit_loop), ONE_EACH
        )
    for strategy in (DDPStrategy(), DDPStrategy(find_unused_parameters=False)):
        CollaborationLoop.install(Namespace(strategy=strategy, fit_loop=trainer.fit_loop), ONE_EACH)
        assert strategy._ddp_kwargs["find_unused_parameters"]


def test_a_metric_that_is_not_measured_is_refused_with_those_that_are(pair):
    data = pair.data(held_out=0.3)
    trainer = pair.trainer(2, EarlyStopping("val/mAP"))
    with pytest.raises(ConfigError, match=r"no val/mAP: .* val/fused/video_mAP; .*`data.validate_on` .* val/fused/mAP"):
        trainer.fit(pair.model(data, ONE_EACH), data)
    with pytest.raises(ConfigError, match="no val/mAP"):
        pair.trainer(2).fit(plateau(pair, "val/mAP"), pair.data(held_out=0.3))


def test_torchs_own_plateau_names_no_metric(pair):
    data = pair.data()
    model = pair.model(data, ONE_EACH)
    model.cbp.lr_scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau
    with pytest.raises(ConfigError, match=r"pytorch_lightning\.cli\.ReduceLROnPlateau with `monitor`"):
        pair.trainer(1).fit(model, data)


def test_weights_are_averaged_by_lightning_where_the_branches_keep_no_average(pair):
    data = pair.data()
    model = pair.model(data, ONE_EACH)
    model.cbp.average = model.vlp.average = None
    trainer = pair.trainer(4, StochasticWeightAveraging(0.01, swa_epoch_start=2))
    trainer.fit(model, data)
    assert trainer.current_epoch == 4


@pytest.mark.parametrize("monitor", ["train/loss", "train/fused/loss", "loss", "mAP", "train_loss"])
def test_a_loss_of_another_name_is_refused_before_training(pair, monitor):
    data, trainer = pair.data(), pair.trainer(2, EarlyStopping(monitor))
    with pytest.raises(ConfigError, match=f"No metric is called {monitor}: training has train/cbp/loss or train/vlp/"):
        trainer.fit(pair.model(data, ONE_EACH), data)
    assert trainer.global_step == 0

"""A collaboration that ends before its first lesson is a late fusion, and says so."""

import warnings

import pytest
from pytorch_lightning import Callback

import wtal
from wtal.collaboration import Schedule
from wtal.results.record import Record
from wtal.results.runs_table import collect
from wtal.views import WARM_UP_ONLY

TAUGHT = Schedule(warm_up=2, pattern="BF")


class StopAfter(Callback):
    """Ends the training as EarlyStopping and a time limit do."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_end(self, trainer, module):
        trainer.should_stop = trainer.current_epoch == self.epoch


def sentences(record):
    return [str(one.message) for one in record if "within the warm-up" in str(one.message)]


@pytest.mark.parametrize(
    ("epochs", "options", "reason"),
    [
        (2, {}, "max_epochs 2 ends the training within the warm-up (schedule.warm_up 2): no branch teaches the other"),
        (9, {"max_steps": 4}, "Training ended in epoch 2 within the warm-up"),  # three batches make an epoch
        (9, {"stop": StopAfter(0)}, "Training ended in epoch 1 within the warm-up"),
    ],
)
def test_one_line_says_that_training_ended_within_the_warm_up(pair, epochs, options, reason):
    data, model = pair.data(), pair.model(pair.data(), TAUGHT)
    stop = [options.pop("stop")] if "stop" in options else []
    with pytest.warns(UserWarning, match="within the warm-up") as record:
        pair.trainer(epochs, *stop, **options).fit(model, data)
    assert len(sentences(record)) == 1
    assert sentences(record)[0].startswith(reason)
    assert model.is_warm_up_only
    assert model.note.startswith(WARM_UP_ONLY)


@pytest.mark.parametrize(("schedule", "epochs"), [(TAUGHT, 3), (Schedule(warm_up=1, pattern="W"), 1)])
def test_nothing_is_said_of_a_lesson_or_where_none_is_wanted(pair, schedule, epochs):
    data, model = pair.data(), pair.model(pair.data(), schedule)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        pair.trainer(epochs).fit(model, data)
    assert sentences(record) == []
    assert WARM_UP_ONLY not in model.note


@pytest.mark.filterwarnings("ignore:max_epochs")
@pytest.mark.parametrize(("epochs", "is_warm_up_only"), [(2, True), (3, False)])
def test_a_checkpoint_knows_whether_a_branch_was_taught(pair, epochs, is_warm_up_only):
    data = pair.data()
    trainer = pair.trainer(epochs)
    trainer.fit(pair.model(data, TAUGHT), data)
    trainer.save_checkpoint(pair.folder / "last.ckpt")
    again = pair.model(data, TAUGHT)
    assert not again.is_warm_up_only  # nothing is known yet
    assert wtal.load(pair.folder / "last.ckpt", again).model.is_warm_up_only == is_warm_up_only
    longer = pair.model(data, TAUGHT)
    pair.trainer(3).fit(longer, data, ckpt_path=pair.folder / "last.ckpt")
    assert not longer.is_warm_up_only


def test_the_first_lesson_may_come_late():
    assert Schedule(warm_up=2, pattern="WWB", period=2).first_lesson == 6
    assert not Schedule(pattern="WW").teaches


def test_a_table_of_runs_names_it(tmp_path):
    whole = Record({"test/fused/mAP": 0.5}, config={"a": 1}, seed=0)
    ended = Record({"test/fused/mAP": 0.4}, config={"a": 1}, seed=0, weights=f"{WARM_UP_ONLY}; prompts")
    names = [row.variant for row in collect([(tmp_path / "a", whole), (tmp_path / "b", ended)])]
    assert names == ["run", "run, warm-up only"]

import io
import re
import time

import pytest
from pytorch_lightning import Trainer
from rich.console import Console

from wtal.training.progress import FitProgress


def fit(toy, terminal: bool, **options) -> str:
    from toy import ToyData, ToyModel

    data, out = ToyData(), io.StringIO()
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[FitProgress(Console(file=out, force_terminal=terminal, width=120))],
        **options,
    )
    trainer.fit(ToyModel(data.class_names), data)
    trainer.test(trainer.lightning_module, data, verbose=False)
    return out.getvalue()


def test_one_line_per_epoch_names_the_step_and_what_it_logged(toy):
    lines = fit(toy, terminal=False, max_epochs=3).splitlines()
    shape = r"epoch {}/3  {}  0:00:0\d left  val/quality [-.\de]+  {}/mil [.\de-]+"
    assert len(lines) == 3
    assert re.fullmatch(shape.format(1, "warm-up", "cbp"), lines[0])
    assert re.fullmatch(shape.format(2, "B: CBP teaches VLP", "vlp"), lines[1])  # not the stale loss of cbp
    assert re.fullmatch(shape.format(3, "B: CBP teaches VLP", "vlp"), lines[2])


def test_a_terminal_gets_a_bar_and_is_given_back(toy, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")  # a dumb one has no cursor to hide
    out = fit(toy, terminal=True, max_epochs=2)
    assert "epoch 2/2  B: CBP teaches VLP" in out
    assert "━" in out
    assert "vlp/mil" in out
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") == 2  # the cursor hidden and shown, in fit and in test


def test_only_the_first_process_writes(toy):
    progress = FitProgress()
    progress.disable()
    from toy import ToyData, ToyModel

    data = ToyData()
    out = io.StringIO()
    progress._console = Console(file=out)
    Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=1, callbacks=[progress]).fit(
        ToyModel(data.class_names), data
    )
    assert out.getvalue() == ""


@pytest.mark.parametrize(("options", "left"), [({"max_epochs": 4}, "0:01:30"), ({"max_steps": 4}, "0:00:10")])
def test_time_left_is_that_of_the_whole_fit(options, left, toy, monkeypatch: pytest.MonkeyPatch):
    """Three batches an epoch, ten seconds each by the clock below: nine batches are left after the first epoch."""
    from toy import ToyModel

    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    step = ToyModel.training_step

    def slow_step(self, batch, batch_idx):
        clock[0] += 10
        return step(self, batch, batch_idx)

    monkeypatch.setattr(ToyModel, "training_step", slow_step)
    assert f"  {left} left" in fit(toy, terminal=False, **options).splitlines()[0]

"""Training in bfloat16 behaves like training in single precision."""

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback

from wtal.collaboration import Schedule

EPOCHS = 8


class Losses(Callback):
    def __init__(self):
        self.epochs = []

    def on_train_epoch_end(self, trainer, module):
        found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.endswith("/loss")}
        self.epochs.append([found.get(f"train/{branch}/loss", np.nan) for branch in ("cbp", "vlp")])


def losses(pair, precision, accelerator="cpu"):
    watch, data = Losses(), pair.data()
    model = pair.model(data, Schedule(warm_up=4, pattern="BF"))
    pair.trainer(EPOCHS, watch, precision=precision, accelerator=accelerator).fit(model, data)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    return np.array(watch.epochs)


@pytest.mark.slow
def test_bfloat16_has_nearly_the_losses_of_single_precision(pair):
    exact, coarse = losses(pair, "32-true"), losses(pair, "bf16-mixed")
    np.testing.assert_allclose(coarse, exact, rtol=0.1)
    assert (exact[3] < exact[0]).all()  # it learns, and so does the other
    assert (coarse[3] < coarse[0]).all()


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="half precision needs a GPU, whose gradients are scaled")
def test_half_precision_has_nearly_the_losses_of_single_precision(pair):
    np.testing.assert_allclose(losses(pair, "16-mixed", "gpu"), losses(pair, "32-true", "gpu"), rtol=0.05)

"""Each head of a published CBP method learns, teaches and resumes inside the collaboration."""

from functools import partial

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from wtal.collaboration import Schedule
from wtal.nn.heads import ACMHead, BaSNetHead, CO2Head, DELUHead, UMHead

HEADS = {
    "basnet": partial(BaSNetHead, in_dim=16, hidden=8, filter_dim=8),
    "co2": partial(CO2Head, in_dim=16, hidden=8, attention_dim=8),
    "um": partial(UMHead, in_dim=16, hidden=8),
    "delu": partial(DELUHead, in_dim=16, hidden=8, attention_dim=8, steps=9),
    "acm": partial(ACMHead, in_dim=16, hidden=8),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_pair_with_the_head_learns_and_resumes_bit_for_bit(pair, name):
    schedule = Schedule(warm_up=1, pattern="FB", period=1)
    data = pair.data()
    save = ModelCheckpoint(pair.folder / "ckpt", every_n_train_steps=1, save_top_k=-1, filename="{step}")
    module = pair.model(data, schedule, HEADS[name])
    start = {key: value.clone() for key, value in module.state_dict().items()}
    pair.trainer(3, save, enable_checkpointing=True).fit(module, data)
    whole = module.state_dict()
    assert all(torch.isfinite(value).all() for value in whole.values())
    assert any(not torch.equal(whole[key], start[key]) for key in whole if key.startswith("cbp.head"))
    for stop in (2, 5):  # 3 steps per epoch: inside warm-up, inside F, when VLP teaches CBP
        again = pair.model(data, schedule, HEADS[name])
        pair.trainer(3).fit(again, pair.data(), ckpt_path=pair.folder / "ckpt" / f"step={stop}.ckpt")
        for key, value in again.state_dict().items():
            assert torch.equal(value, whole[key]), key

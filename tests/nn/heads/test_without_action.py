"""Every head learns from a video without any action that there is only background."""

import numpy as np
import pytest
import torch

from tests.nn.heads.test_numerics import LEARNED, batch_of, branch  # noqa: F401
from wtal.nn.heads.um import magnitude_loss


@pytest.mark.parametrize("name", LEARNED)
def test_actions_are_forgotten_where_there_are_none(branch, name):  # noqa: F811
    """Steps on two videos of which only one has a label teach each of them what it shows."""
    torch.manual_seed(0)
    module = branch(name)
    head, batch = module.head.train(), batch_of(length=16, labels=0)
    for part in head.modules():  # dropout would only make the few steps noisier
        if "ropout" in type(part).__name__:
            part.p = 0.0
    batch.labels[0, 1] = 1
    features = batch.streams[module.streams[0]]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.003)
    for _ in range(150):
        terms = head.losses(head(features, batch.mask), batch.mask, batch.labels)
        loss = torch.stack(list(terms.values())).sum()
        assert torch.isfinite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    module.eval()
    with torch.no_grad():
        video = module.scores(batch).video
    assert video[0].argmax() == 1
    assert video[0, 1] > 2 * video[1].max()


def test_pseudo_actions_must_become_short_where_there_is_no_action():
    action, background = torch.tensor([[0.6, 0.0], [0.6, 0.0]]), torch.tensor([[0.0, 0.1], [0.0, 0.1]])
    loss = magnitude_loss(action, background, torch.tensor([True, False]))
    assert loss.item() == pytest.approx(np.mean([0.5**2, 0.6**2]))

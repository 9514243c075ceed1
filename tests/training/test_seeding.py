import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wtal.training.seeding import SeedSteps


def draw(epoch: int, batch: int, rank: int = 0) -> tuple[float, float, float]:
    SeedSteps().on_train_batch_start(SimpleNamespace(global_rank=rank, current_epoch=epoch), None, None, batch)
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_draws_depend_on_the_place_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    first = draw(1, 2)
    torch.rand(100)
    assert draw(1, 2) == first
    places = [(1, 2, 0), (2, 1, 0), (1, 3, 0), (1, 2, 1)]
    assert len({draw(*place)[2] for place in places}) == len(places)
    monkeypatch.setenv("PL_GLOBAL_SEED", "4")
    assert draw(1, 2) != first


def test_without_a_seed_nothing_is_done(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    assert draw(0, 0) != draw(0, 0)

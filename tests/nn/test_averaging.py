import pytest
import torch
from torch import nn

from wtal.nn.averaging import WeightAverage


def test_the_average_follows_the_weights_and_forgets_faster_at_first():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = WeightAverage(network, decay=0.5)
    nn.init.ones_(network.weight)
    average.update(network)  # keeps (1 + 1) / (10 + 1) of nothing
    assert average(network, torch.ones(1, 1)).item() == pytest.approx(1 - 2 / 11)
    average.update(network)  # keeps 3 / 12 of what is missing
    assert average(network, torch.ones(1, 1)).item() == pytest.approx(1 - 2 / 11 * 3 / 12)


def test_the_network_keeps_its_own_weights():
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = [p.clone() for p in network.parameters()]
    average = WeightAverage(network, decay=0.9)
    average(network, torch.ones(1, 2))
    assert all(torch.equal(p, b) for p, b in zip(network.parameters(), before, strict=True))


def test_the_average_is_saved_and_not_trained():
    network = nn.Linear(2, 1)
    average = WeightAverage(network, decay=0.9)
    assert not list(average.parameters())
    assert set(average.state_dict()) == {"steps", "weight", "bias"}


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_out_of_range_is_refused(decay: float):
    with pytest.raises(ValueError, match="decay"):
        WeightAverage(nn.Linear(1, 1), decay)

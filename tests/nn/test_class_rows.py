from functools import partial

import pytest
import torch
from torch import nn

from wtal.branches import CBPBranch
from wtal.errors import ConfigError
from wtal.nn.class_rows import carry_over, carry_over_moments, with_former_rows
from wtal.nn.heads import ACMHead, AttentionMILHead, BaSNetHead, CO2Head, DELUHead, UMHead
from wtal.types import SnippetBatch

NAMES = ["run", "jump", "dive"]


@pytest.mark.parametrize(
    ("fresh", "former", "expected"),
    [
        ((5,), (3,), [0, 1, 2, -1, -1]),  # a row for each class
        ((6,), (4,), [0, 1, 2, -1, -1, 3]),  # and the background
        ((12,), (10,), [*range(10), -1, -1]),  # inputs before the classes
        ((3,), (3,), [0, 1, 2]),
    ],
)
def test_rows_of_former_classes_stay(fresh, former, expected):
    made = with_former_rows(torch.full(fresh, -1.0), torch.arange(float(former[0])), count=3, more=2)
    assert made.tolist() == expected
    wide = with_former_rows(torch.full((7, *fresh), -1.0), torch.arange(float(former[0])).expand(7, -1), 3, 2)
    assert wide.tolist() == [expected] * 7


@pytest.mark.parametrize(("fresh", "former"), [((5, 5), (3, 3)), ((6,), (3,)), ((5, 1), (3,))])
def test_other_changes_are_refused(fresh, former):
    with pytest.raises(ConfigError, match="cannot learn of new classes"):
        with_former_rows(torch.zeros(fresh), torch.zeros(former), count=3, more=2)


def test_networks_of_other_weights_are_refused():
    with pytest.raises(ConfigError, match="changes its weights with its classes"):
        carry_over(nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 2), 2, 1)


def test_an_optimizer_goes_on_as_if_the_new_rows_had_always_had_no_gradient():
    small, large = nn.Linear(4, 3), nn.Linear(4, 4)
    carry_over(large, small, 3, 1)
    first, new = large.weight.detach().clone(), nn.Linear(4, 4)
    optimizer, other = torch.optim.Adam(small.parameters(), 0.1), torch.optim.Adam(large.parameters(), 0.1)
    for seed in range(3):
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        if seed == 2:
            carry_over(new, small, 3, 1)
            renewed = dict(zip(small.parameters(), new.parameters(), strict=True))
            carry_over_moments([optimizer], renewed, 3, 1)
            with torch.no_grad():
                new.weight[3], new.bias[3] = large.weight[3], large.bias[3]
        for network, stepped in ((new if seed == 2 else small, optimizer), (large, other)):
            stepped.zero_grad()
            network(x)[:, :3].square().sum().backward()
            stepped.step()
    assert torch.allclose(new.weight, large.weight)
    assert torch.equal(new.weight[3], first[3])
    assert {id(p) for p in optimizer.state} == {id(p) for p in new.parameters()}


@pytest.mark.parametrize("head", [ACMHead, AttentionMILHead, BaSNetHead, CO2Head, DELUHead, UMHead])
def test_a_branch_that_learns_of_classes_sees_the_former_ones_as_before(head):
    torch.manual_seed(0)
    branch = CBPBranch(NAMES, partial(head, in_dim=8, hidden=8), average=0.5)
    branch.after_step()
    batch = SnippetBatch(
        {"i3d": torch.randn(2, 9, 8)},
        torch.ones(2, 9, dtype=torch.bool),
        torch.arange(9).expand(2, 9),
        torch.zeros(2, 3),
        torch.arange(2),
    )
    for mode in (False, True):  # by the average of the weights, and by the weights
        branch.train(mode)
        torch.manual_seed(1)
        before = branch(batch)
        names, state = branch.class_names, torch.get_rng_state()
        renewed = branch.know_classes([*names, f"new {mode}"])
        assert torch.equal(torch.get_rng_state(), state)
        assert set(renewed.values()) == set(branch.head.parameters())
        torch.manual_seed(1)
        after = branch(batch)
        assert after.cas.shape[2] == len(names) + 1
        torch.testing.assert_close(after.cas[..., : len(names)], before.cas)
        torch.testing.assert_close(after.attention, before.attention)
        if head is not UMHead:  # its background depends on all classes
            torch.testing.assert_close(after.background, before.background)


def test_classes_in_another_order_begin_anew():
    branch = CBPBranch(NAMES, partial(AttentionMILHead, in_dim=8, hidden=8))
    assert branch.know_classes(["jump", "run"]) == {}
    assert branch.head.classifier.weight.shape[0] == 3
    assert branch.class_names == branch.hparams["class_names"] == ["jump", "run"]

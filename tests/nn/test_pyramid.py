import pytest
import torch

from wtal.nn import PyramidHead

NAMES = ["run", "jump", "dive"]


def head(**options) -> PyramidHead:
    torch.manual_seed(0)
    return PyramidHead(NAMES, in_dim=6, width=8, levels=3, bins=4, **options).eval()


OPTIONS = [
    {},
    {"boundaries": "distribution"},
    {"uncertainty": "laplace"},
    {"boundaries": "distribution", "uncertainty": "gaussian"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_padding_changes_nothing(options):
    net, features = head(**options), torch.randn(1, 11, 6)
    alone = net(features, torch.ones(1, 11, dtype=torch.bool))
    padded = torch.cat([features, torch.full((1, 7, 6), 9.0)], dim=1)
    batched = net(padded, torch.arange(18)[None] < 11)
    real = batched.mask[0]
    assert real.sum() == len(alone.centre) == 11 + 6 + 3
    torch.testing.assert_close(batched.logits[:, real], alone.logits)
    torch.testing.assert_close(batched.bounds[:, real], alone.bounds)
    torch.testing.assert_close(batched.curve[:, :11], alone.curve)
    if alone.log_spread is not None:
        torch.testing.assert_close(batched.log_spread[:, real], alone.log_spread)


@pytest.mark.parametrize("options", OPTIONS)
def test_bounds_enclose_their_place_and_every_weight_learns(options):
    net = head(**options)
    out = net(torch.randn(2, 9, 6), torch.ones(2, 9, dtype=torch.bool))
    assert (out.bounds[..., 0] <= out.centre).all()
    assert (out.bounds[..., 1] >= out.centre).all()
    spread = 0 if out.log_spread is None else out.log_spread.sum()
    (out.logits.sum() + (out.bounds * torch.randn_like(out.bounds)).sum() + spread).backward()
    unused = [name for name, weight in net.named_parameters() if weight.grad is None]
    assert unused == ([] if options.get("boundaries", "distance") == "distance" else ["scales"])


def test_a_distribution_that_is_sure_of_one_place_gives_its_distance():
    net = head(boundaries="distribution")
    raw = torch.zeros(1, 9, 2 + 2 * 5)
    raw[0, 2, 0] = raw[0, 7, 1] = 50.0  # evidence of a start at place 2, of an end at 7
    distance = net._expected(raw, torch.ones(1, 9, dtype=torch.bool))
    assert distance[0, 5].tolist() == pytest.approx([3, 2])


def test_a_single_snippet_has_a_prediction_at_every_level():
    out = head()(torch.randn(1, 1, 6), torch.ones(1, 1, dtype=torch.bool))
    assert out.stride.tolist() == [1, 2, 4]
    assert out.centre.tolist() == [0.5, 0.5, 0.5]

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wtal.nn.temporal import (
    AttentionLayer,
    MaskedConv,
    TemporalConv,
    TemporalTransformer,
    attend_to_all_pairs,
    attend_to_blocks,
    moving_average,
)


def mask_of(lengths, total):
    return torch.arange(total) < torch.tensor(lengths)[:, None]


def test_a_convolution_by_hand():
    conv = MaskedConv(1, 1)
    conv.weight.data[:] = torch.tensor([1.0, 10, 100])
    conv.bias.data[:] = 0
    x = torch.tensor([[[1.0], [2], [3], [9], [9]]])
    assert conv(x, mask_of([3], 5))[0, :3, 0].tolist() == [210, 321, 32]


LAYERS = {
    "convolution": lambda: TemporalConv(6, 8),
    "transformer": lambda: TemporalTransformer(6, 8, heads=2),
    "deep": lambda: TemporalTransformer(6, 8, depth=2, heads=4),
    "without layers": lambda: TemporalTransformer(6, 8, depth=0),
    "causal convolution": lambda: TemporalConv(6, 8, causal=True),
    "causal and deep": lambda: TemporalTransformer(6, 8, depth=2, heads=2, past=3),
    "causal, itself alone": lambda: TemporalTransformer(6, 8, heads=2, past=0),
}


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    extra=st.integers(0, 7),
    rubbish=st.sampled_from([0.0, 1e4, -1e4]),
)
def test_a_batch_is_each_video_alone(name, lengths, extra, rubbish):
    torch.manual_seed(0)
    layer = LAYERS[name]().eval()
    mask = mask_of(lengths, max(lengths) + extra)
    x = torch.randn(*mask.shape, 6).masked_fill(~mask[..., None], rubbish)
    out = layer(x, mask)
    for row, length, together in zip(x, lengths, out, strict=True):
        alone = layer(row[None, :length], torch.ones(1, length, dtype=torch.bool))[0]
        torch.testing.assert_close(together[:length], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_no_gradient_comes_from_padding(name):
    layer = LAYERS[name]().eval()
    mask = mask_of([4, 7], 7)
    x = torch.randn(2, 7, 6, requires_grad=True)
    layer(x, mask)[mask].square().sum().backward()
    assert x.grad.isfinite().all()
    assert not x.grad[0, 4:].any()
    assert x.grad[mask].any(dim=1).all()


def test_a_layer_equals_pytorchs_own():
    torch.manual_seed(0)
    mine = AttentionLayer(16, 4, 0.1).eval()
    torchs = nn.TransformerEncoderLayer(16, 4, 32, 0.1, "gelu", batch_first=True, norm_first=True).eval()
    torchs.load_state_dict(mine.state_dict())
    mask = mask_of([9, 5], 9)
    x = torch.randn(2, 9, 16)
    torch.testing.assert_close(mine(x, mask)[mask], torchs(x, src_key_padding_mask=~mask)[mask], rtol=0, atol=1e-6)


def test_attention_reaches_all_of_a_video_and_convolution_its_neighbours():
    mask = torch.ones(1, 30, dtype=torch.bool)
    for depth, reached in ((0, 5), (1, 30)):
        x = torch.randn(1, 30, 6, requires_grad=True)
        TemporalTransformer(6, 8, depth=depth, heads=2).eval()(x, mask)[0, 15].sum().backward()
        assert int(x.grad[0].any(dim=1).sum()) == reached


def test_output_shifts_with_the_video():
    layer = TemporalTransformer(6, 8, depth=0).eval()
    x, mask = torch.randn(1, 20, 6), torch.ones(1, 20, dtype=torch.bool)
    torch.testing.assert_close(layer(x[:, 5:], mask[:, 5:])[0, 2:], layer(x, mask)[0, 7:], rtol=1e-4, atol=1e-6)


def test_dropout_is_off_only_in_evaluation():
    layer = TemporalTransformer(6, 8, heads=2)
    x, mask = torch.randn(1, 9, 6), torch.ones(1, 9, dtype=torch.bool)
    assert not torch.equal(layer(x, mask), layer(x, mask))
    layer.eval()
    assert torch.equal(layer(x, mask), layer(x, mask))


def test_twenty_thousand_snippets_need_no_square(monkeypatch):
    """An entry for each pair of snippets would be 400 million."""
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            out = function(*args, **(kwargs or {}))
            sizes = [t.numel() for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, torch.Tensor)]
            largest = max([largest, *sizes])
            return out

    layer = TemporalTransformer(4, 8, heads=1).eval()
    with torch.no_grad(), Watch():
        out = layer(torch.randn(1, 20_000, 4), mask_of([19_000], 20_000))
    assert out[0, :19_000].isfinite().all()
    assert largest == 20_000 * 24


def test_autocast_to_bfloat16():
    layer = TemporalTransformer(6, 16, heads=2).eval()
    x, mask = torch.randn(2, 9, 6), mask_of([9, 4], 9)
    exact = layer(x, mask)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = layer(x, mask)
    torch.testing.assert_close(coarse[mask].float(), exact[mask], rtol=0, atol=0.1)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_gathered_taps_are_the_convolution_of_weighted_snippets(kernel_size):
    conv, x = MaskedConv(4, 3, kernel_size), torch.randn(2, 9, 4)
    weight, mask = torch.rand(2, 9), torch.arange(9) < torch.tensor([9, 2])[:, None]
    taps = conv.taps(x, mask)
    torch.testing.assert_close(conv.gather(taps), conv(x, mask))
    torch.testing.assert_close(conv.gather(taps * weight[..., None, None]), conv(x * weight[..., None], mask))


def test_a_causal_convolution_by_hand():
    conv = MaskedConv(1, 1, causal=True)
    conv.weight.data[:] = torch.tensor([1.0, 10, 100])
    conv.bias.data[:] = 0
    x, mask = torch.tensor([[[1.0], [2], [3], [9], [9]]]), mask_of([3], 5)
    assert conv(x, mask)[0, :3, 0].tolist() == [100, 210, 321]
    assert conv.gather(conv.taps(x, mask))[0, :3, 0].tolist() == [100, 210, 321]
    assert (conv.past, MaskedConv(1, 1).past, MaskedConv(1, 1, 1).past) == (2, None, 0)


def test_a_causal_average_by_hand():
    values = torch.tensor([[[1.0], [2.0], [6.0], [9.0]]])
    assert moving_average(values, mask_of([3], 4), 3, causal=True)[0, :3, 0].tolist() == [1, 1.5, 3]


def reached_from(layer, place, length=40):
    """First and last snippet that an output depends on."""
    x = torch.randn(1, length, 6, requires_grad=True)
    layer.eval()(x, torch.ones(1, length, dtype=torch.bool))[0, place].sum().backward()
    seen = x.grad[0].any(dim=1).nonzero().squeeze(1)
    return int(seen[0]), int(seen[-1])


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_causal_transformer_sees_exactly_as_far_back_as_it_says(depth):
    layer = TemporalTransformer(6, 8, depth=depth, heads=2, past=5)
    assert layer.past == 4 + 5 * depth
    assert reached_from(layer, 30) == (30 - layer.past, 30)
    assert TemporalTransformer(6, 8).past is None


@pytest.mark.parametrize(("length", "past"), [(1, 4), (4, 4), (5, 4), (23, 4), (23, 0), (23, 60)])
def test_attention_in_blocks_is_attention_to_all_pairs(length, past):
    torch.manual_seed(1)
    query, key, value = torch.randn(3, 2, 2, length, 4)
    mask = mask_of([length, max(1, length - 3)], length)
    blocks, pairs = (attend(query, key, value, mask, past) for attend in (attend_to_blocks, attend_to_all_pairs))
    torch.testing.assert_close(blocks, pairs, rtol=1e-5, atol=1e-6)


def test_a_layer_that_looks_back_over_everything_is_a_causal_layer_of_pytorch():
    torch.manual_seed(0)
    mine = AttentionLayer(16, 4, 0.1, past=20).eval()
    torchs = nn.TransformerEncoderLayer(16, 4, 32, 0.1, "gelu", batch_first=True, norm_first=True).eval()
    torchs.load_state_dict(mine.state_dict())
    x = torch.randn(2, 9, 16)
    ahead = torch.ones(9, 9, dtype=torch.bool).triu(1)
    expected = torchs(x, src_mask=ahead)
    torch.testing.assert_close(mine(x, mask_of([9, 9], 9)), expected, rtol=0, atol=1e-6)

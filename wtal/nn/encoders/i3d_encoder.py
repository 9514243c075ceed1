"""I3D as an encoder of snippets: frames, optical flow, or both side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wtal.errors import ConfigError
from wtal.nn.encoders.i3d import CHANNELS, I3D, Mixed, Stream, load_i3d
from wtal.nn.encoders.snippet_encoder import SnippetEncoder
from wtal.types import Pixels, TimeGrid
from wtal.video.crops import Crops, crop, to_clip
from wtal.video.film import Look
from wtal.video.flow_methods import FlowMethod
from wtal.video.snippets import Cut

__all__ = ["I3DEncoder", "encode_crops"]

_CROPS = {"center": "center", "ten": "ten, averaged"}


def encode_crops(network: I3D, frames: Tensor, stream: Stream, crops: Crops = "center") -> Tensor:
    """Features of snippets, averaged over crops.

    Args:
        network: The network of the stream.
        frames: Images of 8 bits, ``(N, T, H, W, C)``.
        stream: Whether they are frames or flow.
        crops: What is seen of a frame.

    Returns:
        Features, ``(N, 1024)`` float32.
    """
    views = crop(frames, crops, flow=stream == "flow").unbind(dim=1)
    return torch.stack([network(to_clip(one)).float() for one in views]).mean(dim=0)


class I3DEncoder(SnippetEncoder):
    """I3D of frames, of flow, or of both side by side, as ``wtal extract`` makes its features.

    Args:
        streams: ``rgb``, ``flow`` or both.
        rgb_weights: Weights for frames.
        flow_weights: Weights for flow.
        random_weights: Whether to use random weights.
        flow: Method of optical flow.
        crops: What is seen of a frame.
        fps: Frames per second.
        stride: Frames between neighbouring snippets.
        window: Frames in a snippet.

    Raises:
        CheckpointError: As :func:`~wtal.nn.encoders.i3d.load_i3d` does.
        ConfigError: If no stream is chosen.
    """

    def __init__(
        self,
        streams: Sequence[Stream] = ("rgb", "flow"),
        rgb_weights: Path = Path("weights/rgb_imagenet.pt"),
        flow_weights: Path = Path("weights/flow_imagenet.pt"),
        random_weights: bool = False,
        flow: FlowMethod = "tvl1",
        crops: Crops = "center",
        fps: float = 25.0,
        stride: int = 16,
        window: int = 16,
    ) -> None:
        super().__init__()
        if not streams or set(streams) - CHANNELS.keys():
            raise ConfigError(f"The streams of I3D are `rgb` and `flow`, not {list(streams)}.")
        files: dict[Stream, Path] = {"rgb": rgb_weights, "flow": flow_weights}
        loaded = {
            stream: load_i3d(None if random_weights else Path(file), stream, random_weights)
            for stream, file in files.items()
            if stream in streams
        }
        self.networks = nn.ModuleDict({str(stream): one.model for stream, one in loaded.items()})
        self._origin: dict[str, Any] = {str(stream): one.origin for stream, one in loaded.items()}
        self._origin |= {"optical flow": flow} if "flow" in loaded else {}
        self.crops, self.crop, self.dim = crops, _CROPS[crops], 1024 * len(loaded)
        self.look = Look(Cut(TimeGrid(fps, stride, window), flow), frozenset(loaded))

    @property
    def origin(self) -> dict[str, Any]:
        """As in the manifest of a store that ``wtal extract`` writes."""
        return dict(self._origin)

    @property
    def blocks(self) -> list[tuple[nn.Module, int]]:
        """The Inception blocks of each network."""
        found = [part for part in self.networks.modules() if isinstance(part, Mixed)]
        return [(part, sum(_outputs(unit) for unit in (part.b0, part.b1b, part.b2b, part.b3b))) for part in found]

    def forward(self, pixels: Pixels) -> Tensor:
        """Features of snippets, ``(N, 1024)`` for each stream, frames before flow."""
        seen: dict[Stream, Tensor | None] = {"rgb": pixels.rgb, "flow": pixels.flow}
        rows = [
            encode_crops(network, frames, stream, self.crops)
            for stream, frames in seen.items()
            if stream in self.networks and frames is not None and isinstance(network := self.networks[stream], I3D)
        ]
        return torch.cat(rows, dim=1)


def _outputs(unit: nn.Module) -> int:
    convolution = unit.conv3d
    assert isinstance(convolution, nn.Conv3d)
    return convolution.out_channels

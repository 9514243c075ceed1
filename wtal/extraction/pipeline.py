"""From videos to feature stores."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wtal.errors import ConfigError, VideoError
from wtal.io.fingerprint import checksum
from wtal.io.text import counted
from wtal.video.flow_methods import FlowMethod

if TYPE_CHECKING:
    from wtal.data.remote_store import Appender
    from wtal.extraction.writing import Outcome, WriteFeatures
    from wtal.nn.encoders.frame_tower import FrameTower
    from wtal.nn.encoders.i3d import I3D
    from wtal.types import TimeGrid
    from wtal.video.snippets import Job

__all__ = [
    "CROPS",
    "Extraction",
    "Layout",
    "Networks",
    "Running",
    "Stream",
    "extract_features",
    "load_networks",
    "store_folders",
]

I3DStream = Literal["rgb", "flow"]
Stream = Literal["rgb", "flow", "clip"]
Layout = Literal["store", "two_stream", "joint"]

_FOLDERS: dict[Layout, dict[tuple[Stream, ...], str]] = {
    "store": {("rgb", "flow"): "i3d", ("clip",): "clip"},
    "two_stream": {("rgb",): "rgb", ("flow",): "flow", ("clip",): "clip"},
    "joint": {("rgb", "flow"): "", ("clip",): "clip"},
}
_NOTICEABLE_S = 0.2  # by which a picture may begin late without a word
CROPS = {"center": "center", "ten": "ten, averaged"}


@dataclass(frozen=True)
class Extraction:
    """How features are made; all of it becomes part of their store's manifest.

    Args:
        streams: Streams to extract, I3D's ``rgb`` and ``flow``, and ``clip``.
        rgb_weights: I3D's weights for frames.
        flow_weights: I3D's weights for optical flow.
        clip_model: Name of a vision-language model, see :func:`~wtal.nn.encoders.open_frame_tower`.
        clip_weights: Tag of its weights, path of a file, or revision of its repository.
        random_weights: Whether to use random weights.
        flow: Method of optical flow.
        crops: What I3D sees of a frame.
        bgr: Whether to swap red and blue for CLIP.
        fps: Frames per second.
        stride: Frames between neighbouring snippets.
        window: Frames in a snippet.
        images: Number of frames of a snippet that CLIP sees.
        frames_per_snippet: Number of frames around the middle of a snippet that a video model reads together; None for
            the model's own.
    """

    streams: Sequence[Stream] = ("rgb", "flow", "clip")
    rgb_weights: Path = Path("weights/rgb_imagenet.pt")
    flow_weights: Path = Path("weights/flow_imagenet.pt")
    clip_model: str = "ViT-B-16"
    clip_weights: str = "openai"
    random_weights: bool = False
    flow: FlowMethod = "tvl1"
    crops: Literal["center", "ten"] = "center"
    bgr: bool = False
    fps: float = 25.0
    stride: int = 16
    window: int = 16
    images: int = 1
    frames_per_snippet: int | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: If a number is out of range, or there is no stream.
        """
        for name in ("fps", "stride", "window", "images", "frames_per_snippet"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < 1e6:
                raise ConfigError(f"`{name}` is {getattr(self, name)}: give a number above 0.")
        if self.window < 9:
            raise ConfigError(f"`window` is {self.window}: I3D needs at least 9 frames.")
        if not self.streams:
            raise ConfigError("No stream is chosen: name `rgb`, `flow`, `clip` or several.")

    @property
    def grid(self) -> "TimeGrid":
        """Where the snippets lie in time."""
        from wtal.types import TimeGrid

        return TimeGrid(self.fps, self.stride, self.window)


@dataclass(frozen=True)
class Running:
    """How the work is spread.

    Args:
        batch_size: Number of snippets in a batch.
        workers: Number of processes that decode; None for a number that suits the machine.
        precision: Precision, as Lightning names it; None for bfloat16 on a GPU.
        devices: GPUs, as Lightning names them.
        nodes: Number of machines.
        strategy: Strategy, as Lightning names it.
        cores: CPU cores to use; None for all of the machine.
    """

    batch_size: int = 8
    workers: int | None = None
    precision: str | None = None
    devices: str = "auto"
    nodes: int = 1
    strategy: str = "auto"
    cores: int | None = None

    @property
    def core_count(self) -> int:
        """Number of CPU cores to use."""
        return self.cores or os.cpu_count() or 1


def extract_features(
    videos: Mapping[str, Path], output: Path, making: Extraction, running: Running, layout: Layout = "store"
) -> "Outcome":
    """Make the features of videos that have none yet.

    Args:
        videos: Video files by name.
        output: Folder of the features, or its address, such as ``s3://bucket/features``.
        making: How the features are made.
        running: How the work is spread.
        layout: Layout of the folder.

    Returns:
        The outcome for the videos; in one of several processes, for its share of them.

    Raises:
        ConfigError: If weights do not exist or a setting is wrong.
        CheckpointError: If a file of weights holds something else.
        FeatureError: If features cannot be written, or existing ones were made in another way.
    """
    from wtal.extraction.writing import WriteFeatures

    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    networks = load_networks(making)
    stores = _open_stores(output, making, layout, networks)
    jobs = _jobs(videos, stores)
    writer = WriteFeatures(stores)
    first = not jobs or _compute(jobs, making, running, networks, writer)
    for store in stores.values():
        store.close()
    if first:
        _report(writer.outcome, stores, len(videos) - len(jobs), making)
    return writer.outcome


def _jobs(videos: Mapping[str, Path], stores: "Mapping[tuple[Stream, ...], Appender]") -> "list[Job]":
    """The missing features, those of the largest files first, so that processes get similar shares."""
    from wtal.video.snippets import Job

    jobs = []
    for name, path in sorted(videos.items(), key=lambda item: -item[1].stat().st_size):
        missing = frozenset(stream for streams, store in stores.items() if name not in store for stream in streams)
        if missing:
            jobs.append(Job(name, path, missing))
    return jobs


def _compute(
    jobs: "Sequence[Job]", making: Extraction, running: Running, networks: "Networks", writer: "WriteFeatures"
) -> bool:
    """Compute and write the features, and return whether this is the first of the processes."""
    import torch
    from pytorch_lightning import Trainer

    from wtal.extraction.module import Extractor
    from wtal.extraction.writing import ShowProgress
    from wtal.video.snippets import Cut

    trainer = Trainer(
        devices=running.devices,
        num_nodes=running.nodes,
        strategy=running.strategy,
        precision=running.precision or ("bf16-mixed" if torch.cuda.is_available() else "32-true"),  # type: ignore[arg-type]
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[writer, ShowProgress(_seconds([job.path for job in jobs]))],
    )
    workers = _workers(trainer.num_devices, running.core_count) if running.workers is None else running.workers
    if making.flow == "tvl1" and trainer.is_global_zero:
        _say_how_long([job.path for job in jobs if "flow" in job.streams], making, max(1, workers) * trainer.world_size)
    if not torch.cuda.is_available():  # leave the workers their share of the cores
        torch.set_num_threads(max(1, running.core_count - workers))
    module = Extractor(
        jobs,
        Cut(making.grid, making.flow, networks.together or making.images),
        networks.i3d,
        networks.clip,
        making.crops,
        making.bgr,
        running.batch_size,
        workers,
    )
    trainer.predict(module, return_predictions=False)
    return trainer.is_global_zero


def _say_how_long(paths: "Sequence[Path]", making: Extraction, processes: int) -> None:
    """Print how long the optical flow will take, measured on a few frames."""
    from rich.console import Console

    from wtal.extraction.estimate import remark_on_flow

    remark = remark_on_flow(paths, _seconds(paths), making.fps, min(processes, len(paths)))
    if remark:
        Console(stderr=True).print(remark, soft_wrap=True, highlight=False, markup=False)


def _report(
    outcome: "Outcome", stores: "Mapping[tuple[Stream, ...], Appender]", present: int, making: Extraction
) -> None:
    """Print how many videos were written and where."""
    from rich.console import Console

    folders = ", ".join(str(store.folder) for store in stores.values())
    there = f"; {present} already had them" if present else ""
    text = f"{counted(len(outcome.written), 'video')} written to {folders}{there}."
    Console().print(text, soft_wrap=True, highlight=False, markup=False)
    late = {name: offset_s for name, offset_s in outcome.offset_s.items() if offset_s >= _NOTICEABLE_S}
    if late:
        text = ", ".join(f"{name} at {offset_s:.2f} s" for name, offset_s in sorted(late.items()))
        text = f"The picture begins after the sound: {text}. All times are those that a player shows."
        Console(stderr=True).print(text, soft_wrap=True, highlight=False, markup=False)
    if making.random_weights:
        Console(stderr=True).print("These features come from random weights and mean nothing.", highlight=False)


def _workers(devices: int, cores: int) -> int:
    """Number of processes that decode: half of the cores, or with GPUs each device's share of all of them."""
    import torch

    return max(1, cores // devices if torch.cuda.is_available() else cores // 2)


class Networks(NamedTuple):
    """The networks of an extraction."""

    i3d: "dict[I3DStream, I3D]"
    clip: "FrameTower | None"
    origins: dict[str, str]  # of each stream's weights

    @property
    def together(self) -> int:
        """Number of frames of a snippet that a video model reads together; 0 without one."""
        return self.clip.together if self.clip else 0

    def seen(self, making: Extraction) -> dict[str, int]:
        """The frames of a snippet that the image or video tower sees, for the manifest."""
        return {"frames together": self.together} if self.together else {"frames a snippet": making.images}


def load_networks(making: Extraction) -> Networks:
    """Load the networks of the streams that are to be made.

    Raises:
        ConfigError: If weights do not exist.
        CheckpointError: If a file of weights holds something else.
    """
    from wtal.nn.encoders.i3d import load_i3d
    from wtal.nn.encoders.open_tower import open_frame_tower

    files: dict[I3DStream, Path] = {"rgb": making.rgb_weights, "flow": making.flow_weights}
    loaded = {
        stream: load_i3d(None if making.random_weights else file, stream, making.random_weights)
        for stream, file in files.items()
        if stream in making.streams
    }
    origins = {str(stream): one.origin for stream, one in loaded.items()}
    clip = None
    if "clip" in making.streams:
        weights = "random" if making.random_weights else making.clip_weights
        clip = open_frame_tower(making.clip_model, weights, making.images, making.frames_per_snippet)
        own_file = not making.random_weights and Path(making.clip_weights).is_file()
        origins["clip"] = clip.note + (f" (sha256 {checksum(Path(making.clip_weights))})" if own_file else "")
    return Networks({stream: one.model for stream, one in loaded.items()}, clip, origins)


def store_folders(making: Extraction, layout: Layout) -> dict[tuple[Stream, ...], str]:
    """Folders of the stores, by the streams that each holds side by side."""
    chosen = {
        tuple(stream for stream in together if stream in making.streams): folder
        for together, folder in _FOLDERS[layout].items()
    }
    return {streams: folder for streams, folder in chosen.items() if streams}


def _open_stores(
    output: Path, making: Extraction, layout: Layout, networks: Networks
) -> "dict[tuple[Stream, ...], Appender]":
    """The stores of the chosen streams."""
    from wtal.data.remote_store import open_appender

    stores = {}
    for streams, folder in store_folders(making, layout).items():
        origin: dict[str, Any] = {stream: networks.origins[stream] for stream in streams}
        if "flow" in streams:
            origin["optical flow"] = making.flow
        if "clip" in streams:
            origin |= networks.seen(making) | {"colours": "bgr" if making.bgr else "rgb"}
        stores[streams] = open_appender(
            output / folder,
            making.grid,
            origin=origin,
            crop=CROPS[making.crops] if "clip" not in streams else "as open_clip",
            notes="random weights: the features mean nothing" if making.random_weights else "",
            networks=_places(making, streams),
        )
    return stores


def _places(making: Extraction, streams: "Sequence[Stream]") -> dict[str, str]:
    """Where the networks of some streams were found."""
    names = {"rgb": ["rgb_weights"], "flow": ["flow_weights"], "clip": ["clip_model", "clip_weights"]}
    places = {name: str(getattr(making, name)) for stream in streams for name in names[stream]}
    if making.random_weights:
        places = {name: place for name, place in places.items() if name == "clip_model"}
    return {name: str(Path(place).resolve()) if Path(place).is_file() else place for name, place in places.items()}


def _seconds(paths: Iterable[Path]) -> float:
    """Total duration of the videos whose files can be read."""
    from wtal.video.decode import probe

    total_s = 0.0
    for path in paths:
        with suppress(VideoError):  # reported when its turn comes
            info = probe(path)
            total_s += max(0.0, info.duration_s - info.start_s)
    return total_s

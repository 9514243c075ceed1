"""What a video costs at each step of a large collection, and from that the plan of one of any size.

CPU seconds of one thread: extraction by stage, for a minute of video; adding a video to a store, and opening a store,
of several sizes. The plan multiplies; nothing in it is measured at its size. `--videos` and `--minutes` are those of
your collection.
"""

import tempfile
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from extraction import moving_noise
from timing import Table, options, spend

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.data.appending import StoreAppender
from wtal.data.manifest import Manifest
from wtal.data.store import open_store
from wtal.nn.encoders.clip_image import ImageTower, Preprocess
from wtal.nn.encoders.i3d import load_i3d
from wtal.types import TimeGrid
from wtal.video.crops import crop, to_clip
from wtal.video.decode import FrameReader
from wtal.video.flow import flow_stream

GRID = TimeGrid()  # 25 frames a second, a snippet every 16
SNIPPETS = 60 * GRID.fps / GRID.stride  # of a minute
WIDTHS = {"i3d": 2048, "clip": 512}
FRAMES = 160  # of the video that are measured
STORES = (1000, 10_000, 50_000)


@torch.no_grad()
def stages(video: Path) -> dict[str, float]:
    """CPU seconds of each stage of extraction for a minute of video."""
    frames = np.stack(list(islice(FrameReader(video), FRAMES)))
    minutes = len(frames) / GRID.fps / 60
    windows = torch.from_numpy(frames[: len(frames) // 16 * 16]).unflatten(0, (-1, 16))
    tower = ImageTower("ViT-B-16", "random")
    prepare = Preprocess(tower.settings)
    images = torch.stack([prepare(frame) for frame in frames[8::16]])
    networks = {name: load_i3d(None, name, random=True).model for name in ("rgb", "flow")}

    def i3d(name: str) -> None:
        for batch in crop(windows[..., : {"rgb": 3, "flow": 2}[name]]).squeeze(1).split(8):
            networks[name](to_clip(batch))

    few = frames[:5]  # TV-L1 takes long, and about as long for each pair
    pairs = (len(frames) - 1) / (len(few) - 1)
    ways = {
        "decoding": (lambda: list(islice(FrameReader(video), FRAMES)), 1),
        "flow, TV-L1": (lambda: list(flow_stream(iter(few), "tvl1")), pairs),
        "flow, DIS": (lambda: list(flow_stream(iter(frames), "dis")), 1),
        "I3D, frames": (lambda: i3d("rgb"), 1),
        "I3D, flow": (lambda: i3d("flow"), 1),
        "CLIP ViT-B/16, images prepared": (lambda: [prepare(frame) for frame in frames[8::16]] and tower(images), 1),
    }
    table, cost = Table("a minute of video", "CPU seconds"), {}
    for name, (way, times) in ways.items():
        cost[name] = spend(way).cpu_s * times / minutes
        table.row(name, cost[name])
    return cost


def stores(sizes: tuple[int, ...]) -> None:
    """What a store costs by the number of its videos: its manifest does not depend on how long they are."""
    table = Table("videos in a store", "adding one, CPU ms", "opening it, CPU s", "manifest, MB")
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            videos = {f"video_{number:07}": 188 for number in range(size)}
            Manifest(GRID, 8, "float32", videos, origin={"model": "none"}).write(folder)
            store = StoreAppender(folder, GRID, origin={"model": "none"})
            rows = np.zeros((188, 8), np.float32)
            adding = min(spend(partial(store.add, f"new_{n}", rows)).cpu_s for n in range(3))
            opening = spend(partial(open_store, folder)).cpu_s
            table.row(f"{size:,}", 1000 * adding, opening, (folder / "manifest.json").stat().st_size / 1e6)


def plan(cost: dict[str, float], videos: int, minutes: float, flow: str) -> None:
    """Core hours and terabytes of a collection, all by multiplication."""
    total = videos * minutes
    table = Table(f"{videos:,} videos of {minutes:g} minutes, computed", "")
    left_out = {"flow, TV-L1", "flow, DIS"} - {f"flow, {flow}"}
    for name, seconds in cost.items():
        if name not in left_out:
            table.row(f"{name}, core hours", total * seconds / 3600)
    for name, width in WIDTHS.items():
        table.row(f"{name} features in float32, TB", total * SNIPPETS * width * 4 / 1e12)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--video", type=Path, help="a video of your own; otherwise one of moving noise is made")
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=2.0, help="mean length of a video")
    parser.add_argument("--flow", choices=["TV-L1", "DIS"], default="DIS")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        video = args.video or Path(scratch, "noise.mp4")
        if not args.video:
            moving_noise(video, 32 if args.quick else 250)
        cost = stages(video)
    stores(STORES[:1] if args.quick else STORES)
    plan(cost, args.videos, args.minutes, args.flow)


if __name__ == "__main__":
    main()

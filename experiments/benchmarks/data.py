"""Start-up, memory and waiting of the data: THUMOS14 in W-TALC's layout, read in three ways, with or without workers.

Give a folder with `Thumos14reduced-Annotations` and `Thumos14reduced-I3D-JOINTFeatures.npy`; without one, 100 made-up
videos are written in that layout. The plain way is that of the published code: `np.load` of the whole pickle. Each row
of start-up is measured in a process of its own, after the imports; memory is that added by it. The page cache is warm.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from made_up import thumos_lengths
from timing import Table, apart, forget_peak, held_gib, options, peak_gib, spend

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.data.dataset import SnippetDataset, SnippetFeatures
from wtal.data.features import FeatureSource, open_features
from wtal.data.resumable import EpochSampler
from wtal.nn.heads import AttentionMILHead

FILE, NAMES = "Thumos14reduced-I3D-JOINTFeatures.npy", "Thumos14reduced-Annotations"


def write_joint(folder: Path, videos: int) -> None:
    """Features in W-TALC's layout: one pickle of an array of arrays, with the names in another file."""
    random = np.random.default_rng(0)
    rows = np.empty(videos, dtype=object)
    for row, length in enumerate(thumos_lengths(videos)):
        rows[row] = random.standard_normal((length, 2048), dtype=np.float32)
    (folder / NAMES).mkdir()
    np.save(folder / FILE, rows, allow_pickle=True)
    np.save(folder / NAMES / "videoname.npy", np.array([f"video_{row:07d}".encode() for row in range(videos)]))


def names_of(folder: Path) -> list[str]:
    return [name.decode() for name in np.load(folder / NAMES / "videoname.npy").tolist()]


def opened(folder: Path, store: Path) -> SnippetFeatures:
    source = FeatureSource(folder / FILE, layout="wtalc", names=folder / NAMES, store=store)
    return SnippetFeatures({"i3d": open_features(source, names_of(folder))})


def start_up(way: str, folder: Path, store: Path) -> tuple[float, float, float, float]:
    """CPU seconds, and GiB: resident, the part of it not mapped from files, and the peak."""
    before, private = held_gib(), held_gib("RssAnon")
    forget_peak()
    kept: list[object] = []

    def run() -> None:
        if way == "plain":
            kept.append(np.load(folder / FILE, allow_pickle=True))
            return
        features = opened(folder, store)
        for name in names_of(folder):
            features.length(name)
        if way == "cached":
            features.keep(names_of(folder))
        kept.append(features)

    cpu = spend(run).cpu_s
    return cpu, held_gib() - before, held_gib("RssAnon") - private, peak_gib() - before


def waiting(folder: Path, store: Path, workers: int, cached: bool, steps: int) -> tuple[float, float, float, float]:
    """Seconds of a training step, and of it waiting for the batch: wall seconds, then this process's CPU seconds."""
    features, names = opened(folder, store), names_of(folder)
    if cached:
        features.keep(names)
    labels = np.eye(20, dtype=np.float32)[np.arange(len(names)) % 20]
    dataset = SnippetDataset(features, names, labels, 320)
    loader = torch.utils.data.DataLoader(
        dataset, 10, sampler=EpochSampler(dataset), num_workers=workers, collate_fn=dataset.collate
    )
    head = AttentionMILHead([str(label) for label in range(20)])
    optimizer = torch.optim.AdamW(head.parameters())
    for batch in loader:  # one epoch first, so that the pages are in memory, as for most of a training
        batch.streams["i3d"].sum()
    rows, batches = [], iter(loader)
    for _ in range(min(steps, len(loader))):
        begin = time.perf_counter(), time.process_time()
        batch = next(batches)
        got = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            out = head(batch.streams["i3d"], batch.mask)
            loss = torch.stack(list(head.losses(out, batch.mask, batch.labels).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done = time.perf_counter(), time.process_time()
        rows.append((done[0] - begin[0], got[0] - begin[0], done[1] - begin[1], got[1] - begin[1]))
    return tuple(median(column) for column in zip(*rows[1:], strict=True))


def measured(folder: Path, store: Path, args: argparse.Namespace) -> None:
    size = (folder / FILE).stat().st_size / 2**30
    table = Table(f"start-up, {len(names_of(folder))} videos, {size:.2f} GiB", "s", "resident", "private", "peak GiB")
    for name, way in {
        "plain: the whole pickle": "plain",
        "ours, first time: converted": "mapped",
        "ours, later: mapped": "mapped",
        "ours, later, `cache: true`": "cached",
    }.items():
        table.row(name, *apart(start_up, way, folder, store))
    table = Table("a step of attention-MIL, batch 10", "s", "waiting", "share", "CPU s", "waiting", "share")
    for workers in (0,) if args.quick else (0, 1, 2):
        for cached in (False, True):
            wall, wait, cpu, cpu_wait = apart(waiting, folder, store, workers, cached, 3 if args.quick else 15)
            shares = f"{100 * wait / wall:.1f} %", f"{100 * cpu_wait / cpu:.1f} %"
            name = f"{workers} workers, {'cached' if cached else 'mapped'}"
            table.row(name, wall, wait, shares[0], cpu, cpu_wait, shares[1])


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="folder of THUMOS14 in W-TALC's layout")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder
        if folder is None:
            folder = Path(scratch)
            write_joint(folder, 30 if args.quick else 100)
        measured(folder, Path(scratch) / "store", args)


if __name__ == "__main__":
    main()

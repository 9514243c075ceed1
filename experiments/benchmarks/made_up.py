"""Made-up data of any size: annotations, features and texts on disk, and the command line's words to train on them.

Videos of one length share one file, by hard links: many long ones fit on a small disk, and all else (names, opened
files, arrays read) is as if each had its own features.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wtal.types import TimeGrid


def thumos_lengths(videos: int, distinct: int | None = None) -> np.ndarray:
    """Number of snippets of each video as in THUMOS14: lognormal, mean 338; a few are five times as long as most."""
    random = np.random.default_rng(0)
    lengths = random.lognormal(5.5, 0.8, distinct or videos).clip(20, 3000).astype(int)
    return lengths if distinct is None else lengths[np.arange(videos) % distinct]


def activitynet_lengths(videos: int) -> np.ndarray:
    """Number of snippets of each video as in ActivityNet: uniform, up to four minutes."""
    return np.random.default_rng(0).uniform(8, 375, videos).astype(int)


def write(
    folder: Path, train: Sequence[int], test: Sequence[int] = (), classes: int = 20, dims: tuple[int, int] = (2048, 512)
) -> None:
    """Write ``annotations.json``, ``i3d/``, ``clip/`` and ``text.npy``.

    Args:
        folder: Folder to make; it must not exist.
        train: Number of snippets of each training video.
        test: Number of snippets of each test video.
        classes: Number of classes.
        dims: Width of the I3D and of the CLIP features.
    """
    random, grid, database = np.random.default_rng(0), TimeGrid(), {}
    for stream in ("i3d", "clip"):
        (folder / stream).mkdir(parents=True)
    for row, length in enumerate(map(int, [*train, *test])):
        name = f"video_{row:05d}"
        for stream, dim in zip(("i3d", "clip"), dims, strict=True):
            shared = folder / f"{stream}_{length}.npy"
            if not shared.is_file():
                np.save(shared, random.standard_normal((length, dim), dtype=np.float32))
            os.link(shared, folder / stream / f"{name}.npy")
        start = random.uniform(0, 0.8 * grid.edge_s(length))
        segment = {"segment": [start, start + 0.1 * grid.edge_s(length)], "label": f"class {row % classes:03d}"}
        subset = "train" if row < len(train) else "test"
        database[name] = {"subset": subset, "duration": grid.edge_s(length), "annotations": [segment]}
    (folder / "annotations.json").write_text(json.dumps({"database": database}))
    np.save(folder / "text.npy", random.standard_normal((classes, dims[1])).astype(np.float32))


def words(folder: Path, streams: Sequence[str] = ("i3d", "clip")) -> list[str]:
    """Options of the command line that name these data."""
    paths = [f"--data.{stream}.path={folder / stream}" for stream in streams]
    return ["--data=wtal.data.CustomDataModule", f"--data.annotations={folder / 'annotations.json'}", *paths]

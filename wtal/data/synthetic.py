"""The embedded benchmark: timelines and features made up from a seed, in the layouts of real ones.

It shows on a small scale what the method is about. I3D-like features carry the direction of a class in the climax of an
instance and little of it in the rest, so a localizer built on them is incomplete. CLIP-like features resemble the text
of a class during the whole instance, but nearly as much wherever its scene is shown, so a localizer built on them is
over-complete. Results say something about the code and the idea, not about real video, and every table says so.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wtal.data.made_up import MadeUpDataModule, write_once
from wtal.data.store import write_npy
from wtal.types import Benchmark, TimeGrid

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "MadeVideo",
    "SyntheticDataModule",
    "SyntheticParams",
    "covered",
    "slow_noise",
    "unit_rows",
    "write_made_up",
    "write_synthetic",
]

_CLASSES = ("archery", "bowling", "diving", "fencing", "juggling", "rowing")


@dataclass(frozen=True)
class SyntheticParams:
    """Parameters of the videos that are made up. Lengths are in snippets, levels relative to full evidence.

    Args:
        seed: Seed of everything; equal parameters give equal files.
        train_videos: Number of training videos.
        test_videos: Number of test videos.
        i3d_dim: Width of the I3D-like features: RGB, then flow, half each.
        clip_dim: Width of the CLIP-like features and texts.
        climax: Mean share of an instance that shows strong I3D evidence.
        weak: I3D evidence in the rest of an instance.
        distractors: Un-annotated bursts of I3D evidence per hundred snippets.
        context: Median length of the scene shown before and after an instance.
        context_level: CLIP evidence in that scene.
        noise: Standard deviation of the white noise on either kind of feature.
    """

    seed: int = 0
    train_videos: int = 80
    test_videos: int = 60
    i3d_dim: int = 64
    clip_dim: int = 48
    climax: float = 0.45
    weak: float = 0.25
    distractors: float = 1.0
    context: float = 6.0
    context_level: float = 0.75
    noise: float = 1.0


class MadeVideo(NamedTuple):
    """A video that was made up."""

    i3d: np.ndarray  # (T, i3d_dim)
    clip: np.ndarray  # (T, clip_dim)
    instances: list[tuple[float, float, int]]  # start and end on the grid, class


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def slow_noise(rng: np.random.Generator, length: int, width: int, memory: float = 0.85) -> np.ndarray:
    """Slowly varying noise of unit variance, ``(length, width)``."""
    steps = rng.standard_normal((length, width))
    for t in range(1, length):
        steps[t] = memory * steps[t - 1] + np.sqrt(1 - memory**2) * steps[t]
    return steps


class _World:
    """The directions of the classes, which all videos share."""

    def __init__(self, params: SyntheticParams) -> None:
        rng = np.random.default_rng([params.seed, 0])
        count = len(_CLASSES)
        self.climax = unit_rows(rng.standard_normal((count, params.i3d_dim)))
        self.rest = unit_rows(0.6 * self.climax + 0.4 * unit_rows(rng.standard_normal((count, params.i3d_dim))))
        common = unit_rows(rng.standard_normal(params.clip_dim))
        self.text = unit_rows(common + 0.9 * unit_rows(rng.standard_normal((count, params.clip_dim))))
        # the modality gap: images share a direction of their own
        self.image = unit_rows(rng.standard_normal(params.clip_dim))


def _video(world: _World, params: SyntheticParams, rng: np.random.Generator) -> MadeVideo:
    """I3D-like features, CLIP-like features and instances (start and end on the grid, class) of one video."""
    length = int(rng.integers(70, 160))
    classes = rng.choice(len(_CLASSES), size=1 + int(rng.random() < 0.2), replace=False)
    i3d, clip = np.zeros((length, len(_CLASSES))), np.full((length, len(_CLASSES)), 0.05)
    rest, instances = np.zeros_like(i3d), []
    place = rng.uniform(4, 16)
    while place < length - 20:
        label, size = int(rng.choice(classes)), rng.uniform(5, 18)
        start, end = place, place + size
        instances.append((start, end, label))
        inside = covered(length, start, end)
        strength = rng.lognormal(0, 0.3) * (0.35 if rng.random() < 0.15 else 1)  # some instances are hardly visible
        share = size * np.clip(rng.normal(params.climax, 0.12), 0.2, 0.9)
        peak = start + (size - share) * rng.beta(2, 2)
        i3d[:, label] += strength * covered(length, peak, peak + share)
        rest[:, label] += strength * params.weak * inside
        before, after = params.context * rng.lognormal(0, 0.7, 2)
        scene = covered(length, start - before, end + after)
        clip[:, label] = np.maximum(clip[:, label], params.context_level * rng.normal(1, 0.12) * scene)
        clip[:, label] = np.maximum(clip[:, label], rng.normal(1, 0.1) * inside)
        place = end + before * 0.5 + rng.uniform(6, 26)
    for _ in range(rng.poisson(params.distractors * length / 100)):
        at, label = rng.uniform(0, length - 4), int(rng.choice(classes))
        i3d[:, label] += rng.uniform(0.4, 1.0) * covered(length, at, at + rng.uniform(1.5, 4)) * (clip[:, label] < 0.9)

    fast = params.noise / np.sqrt(params.i3d_dim)
    i3d_features = 3 * (i3d @ world.climax + rest @ world.rest) + slow_noise(rng, length, params.i3d_dim) * fast
    i3d_features += rng.standard_normal(params.i3d_dim) * fast + rng.standard_normal(i3d_features.shape) * 2 * fast
    evidence = clip + 0.12 * slow_noise(rng, length, len(_CLASSES)) + rng.normal(0, 0.12, len(_CLASSES))
    clip_features = 2 * world.image + evidence @ world.text
    clip_features += slow_noise(rng, length, params.clip_dim) * 0.05 * params.noise
    clip_features += rng.standard_normal(clip_features.shape) * 0.06 * params.noise
    return MadeVideo(np.maximum(i3d_features, -0.3), unit_rows(clip_features), instances)


def covered(length: int, start: float, end: float) -> np.ndarray:
    """Share of each snippet's cell that lies in [start, end], ``(length,)``."""
    index = np.arange(length)
    return np.asarray(np.clip(np.minimum(end, index + 1) - np.maximum(start, index), 0, 1))


def write_synthetic(root: Path, params: SyntheticParams) -> None:
    """Write annotations, features and texts to a folder, unless it has those of equal parameters.

    Written: ``annotations.json`` (ActivityNet form), ``i3d/VIDEO.npy`` (T, i3d_dim), ``clip/VIDEO.npy`` (T,
    clip_dim), ``text/text.npy`` (C, clip_dim) with ``text/classes.txt``, and ``params.json``. The folder appears only
    when it is complete.

    Raises:
        ConfigError: If the folder holds other files.
    """
    world = _World(params)

    def video(number: int) -> MadeVideo:
        return _video(world, params, np.random.default_rng([params.seed, 1, number]))

    write_made_up(root, params, params.train_videos, params.test_videos, _CLASSES, world.text, video)


def write_made_up(
    root: Path,
    params: "DataclassInstance",
    train_videos: int,
    test_videos: int,
    class_names: Sequence[str],
    text: np.ndarray,
    video: Callable[[int], MadeVideo],
) -> None:
    """Write videos that are made up, in the files of :func:`write_synthetic`, unless the folder holds them.

    Args:
        root: The folder.
        params: Parameters that the videos are made from, which identify them.
        train_videos: Number of training videos, which come first.
        test_videos: Number of test videos.
        class_names: Names of the classes.
        text: Text of each class, ``(C, clip_dim)``.
        video: Makes a video from its number.

    Raises:
        ConfigError: If the folder holds other files.
    """
    subsets = ["train"] * train_videos + ["test"] * test_videos
    write_once(root, params, ("annotations.json",), lambda fresh: _write(fresh, subsets, class_names, text, video))


def _write(
    fresh: Path, subsets: Sequence[str], class_names: Sequence[str], text: np.ndarray, video: Callable[[int], MadeVideo]
) -> None:
    for folder in ("i3d", "clip", "text"):
        (fresh / folder).mkdir()
    grid, database = TimeGrid(), {}
    for number, subset in enumerate(subsets):
        i3d, clip, instances = video(number)
        name = f"video_{number:04d}"
        write_npy(fresh / "i3d" / f"{name}.npy", i3d.astype(np.float32))
        write_npy(fresh / "clip" / f"{name}.npy", clip.astype(np.float32))
        database[name] = {
            "subset": subset,
            "duration": grid.edge_s(len(i3d)),
            "annotations": [
                {"segment": [grid.edge_s(start), grid.edge_s(end)], "label": class_names[label]}
                for start, end, label in instances
            ],
        }
    write_npy(fresh / "text" / "text.npy", text.astype(np.float32))
    (fresh / "text" / "classes.txt").write_text("\n".join(class_names) + "\n")
    (fresh / "annotations.json").write_text(json.dumps({"version": "synthetic", "database": database}, indent=1))


class SyntheticDataModule(MadeUpDataModule):
    """The embedded benchmark, made when first used.

    Args:
        root: Folder of the benchmark, which is written unless it exists.
        params: Parameters of the videos.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.
    """

    def __init__(
        self,
        root: Path = Path("runs/synthetic"),
        params: SyntheticParams = SyntheticParams(),
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        root = Path(root)
        write_synthetic(root, params)
        self.params = params
        super().__init__(
            root,
            Benchmark.as_thumos14("synthetic"),
            f"synthetic, made up by seed {params.seed}",
            None,
            **options,
        )

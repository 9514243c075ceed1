"""The embedded benchmark of anomalies: short bursts in otherwise normal videos, and normal videos of the same scenes.

I3D-like features show the climax of an anomaly and little of the rest, and, in normal videos too, ordinary movements
that partly look alike. CLIP-like features resemble the text of a kind of anomaly while it happens, but nearly as much
wherever its scene is shown, which normal videos do as often as abnormal ones. So the first is incomplete and the second
over-complete. Results say something about the code and the idea, not about real video, and every table says so.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wtal.data.made_up import MadeUpDataModule
from wtal.data.synthetic import MadeVideo, covered, slow_noise, unit_rows, write_made_up
from wtal.types import Benchmark

__all__ = ["SyntheticAnomalyDataModule", "SyntheticAnomalyParams", "write_synthetic_anomalies"]

_KINDS = ("explosion", "fall", "fight", "fire", "robbery")


@dataclass(frozen=True)
class SyntheticAnomalyParams:
    """Parameters of the videos that are made up. Lengths are in snippets, levels relative to full evidence.

    Args:
        seed: Seed of everything; equal parameters give equal files.
        train_videos: Number of training videos.
        test_videos: Number of test videos.
        normal: Share of the videos in which nothing abnormal happens.
        i3d_dim: Width of the I3D-like features: RGB, then flow, half each.
        clip_dim: Width of the CLIP-like features and texts.
        climax: Mean share of an anomaly that shows strong I3D evidence.
        weak: I3D evidence in the rest of an anomaly.
        ordinary: Ordinary movements per hundred snippets, in normal videos too.
        alike: Share of an ordinary movement that looks like that of an anomaly.
        scene: Mean length of a stretch that shows the scene of the video's kind.
        scene_level: CLIP evidence in that scene, in abnormal and normal videos alike.
        noise: Standard deviation of the white noise on either kind of feature.
    """

    seed: int = 0
    train_videos: int = 90
    test_videos: int = 70
    normal: float = 0.5
    i3d_dim: int = 64
    clip_dim: int = 48
    climax: float = 0.45
    weak: float = 0.25
    ordinary: float = 2.0
    alike: float = 0.45
    scene: float = 14.0
    scene_level: float = 0.75
    noise: float = 1.0


class _World:
    """The directions of the kinds of anomaly, which all videos share."""

    def __init__(self, params: SyntheticAnomalyParams) -> None:
        rng = np.random.default_rng([params.seed, 0])
        count = len(_KINDS)
        self.climax = unit_rows(rng.standard_normal((count, params.i3d_dim)))
        self.rest = unit_rows(0.6 * self.climax + 0.4 * unit_rows(rng.standard_normal((count, params.i3d_dim))))
        self.ordinary = unit_rows(rng.standard_normal((6, params.i3d_dim)))
        common = unit_rows(rng.standard_normal(params.clip_dim))
        self.text = unit_rows(common + 0.9 * unit_rows(rng.standard_normal((count, params.clip_dim))))
        self.image = unit_rows(rng.standard_normal(params.clip_dim))


def _video(world: _World, params: SyntheticAnomalyParams, rng: np.random.Generator) -> MadeVideo:
    """Features and anomalies of one video, or of a normal one of the same scene."""
    length, kind = int(rng.integers(80, 170)), int(rng.integers(len(_KINDS)))
    climax, rest = np.zeros((length, len(_KINDS))), np.zeros((length, len(_KINDS)))
    clip, scene = np.full((length, len(_KINDS)), 0.05), np.zeros(length)
    instances: list[tuple[float, float, int]] = []
    for _ in range(int(rng.integers(2, 5))):
        begin = rng.uniform(0, length - 5)
        scene = np.maximum(
            scene, rng.normal(1, 0.12) * covered(length, begin, begin + rng.exponential(params.scene) + 3)
        )
    for _ in range(0 if rng.random() < params.normal else 1 + int(rng.random() < 0.3)):
        size = rng.uniform(5, 18)
        start = rng.uniform(3, length - size - 3)
        if any(start < other_end + 4 and other_start < start + size + 4 for other_start, other_end, _ in instances):
            continue
        end = start + size
        instances.append((start, end, kind))
        inside, strength = covered(length, start, end), rng.lognormal(0, 0.3) * (0.4 if rng.random() < 0.15 else 1)
        part = size * np.clip(rng.normal(params.climax, 0.12), 0.2, 0.9)
        peak = start + (size - part) * rng.beta(2, 2)
        climax[:, kind] += strength * covered(length, peak, peak + part)
        rest[:, kind] += strength * params.weak * inside
        clip[:, kind] = np.maximum(clip[:, kind], rng.normal(1, 0.1) * inside)
        scene = np.maximum(scene, covered(length, start - rng.exponential(5), end + rng.exponential(5)))
    clip[:, kind] = np.maximum(clip[:, kind], params.scene_level * scene)
    i3d = 3 * (climax @ world.climax + rest @ world.rest)
    for _ in range(rng.poisson(params.ordinary * length / 100)):
        at, own = rng.uniform(0, length - 4), world.ordinary[rng.integers(len(world.ordinary))]
        look = (1 - params.alike) * own + params.alike * world.climax[kind]
        i3d += 3 * rng.uniform(0.5, 1.0) * np.outer(covered(length, at, at + rng.uniform(2, 8)), look)
    fast = params.noise / np.sqrt(params.i3d_dim)
    i3d += slow_noise(rng, length, params.i3d_dim) * fast + rng.standard_normal(params.i3d_dim) * fast
    i3d += rng.standard_normal(i3d.shape) * 2 * fast
    evidence = clip + 0.12 * slow_noise(rng, length, len(_KINDS)) + rng.normal(0, 0.12, len(_KINDS))
    images = 2 * world.image + evidence @ world.text + slow_noise(rng, length, params.clip_dim) * 0.05 * params.noise
    images += rng.standard_normal(images.shape) * 0.06 * params.noise
    return MadeVideo(np.maximum(i3d, -0.3), unit_rows(images), sorted(instances))


def write_synthetic_anomalies(root: Path, params: SyntheticAnomalyParams) -> None:
    """Write annotations, features and texts to a folder, as :func:`~wtal.data.synthetic.write_synthetic` does.

    Raises:
        ConfigError: If the folder holds other files.
    """

    def videos(number: int) -> MadeVideo:
        return _video(world, params, np.random.default_rng([params.seed, 1, number]))

    world = _World(params)
    write_made_up(root, params, params.train_videos, params.test_videos, _KINDS, world.text, videos)


class SyntheticAnomalyDataModule(MadeUpDataModule):
    """The embedded benchmark of anomalies, made when first used.

    Args:
        root: Folder of the benchmark, which is written unless it exists.
        params: Parameters of the videos.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.
    """

    def __init__(
        self,
        root: Path = Path("runs/synthetic_anomaly"),
        params: SyntheticAnomalyParams = SyntheticAnomalyParams(),
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        root = Path(root)
        write_synthetic_anomalies(root, params)
        self.params = params
        super().__init__(
            root,
            Benchmark("synthetic anomalies", (0.1, 0.2, 0.3, 0.4, 0.5), ((0.1, 0.5),), "anomaly"),
            f"synthetic, made up by seed {params.seed}",
            None,
            **options,
        )

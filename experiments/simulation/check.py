"""Do simulated features have the difficulty that they should have? Measured, beside the figures of `tools/README.md`.

    wtal simulate --annotations Thumos14reduced-Annotations --output DIR --latents
    python experiments/simulation/check.py DIR --annotations Thumos14reduced-Annotations [--parts cosines ...]

`tools/README.md` describes an earlier simulator of the same two mechanisms, which was calibrated against published
methods on real features. Any folder of features can be checked that has `i3d` and `clip` (with `text.npy` and
`classes.txt`) in a layout that the project reads, and the `latents` of `wtal simulate --latents`.

Everything is localized in one way: a class's score in a video is scaled to [0, 1], cut at 17 thresholds, each run of
snippets is scored by its inner-outer contrast, and soft-NMS ranks them. Unless a row says zero-shot, the classes of a
test video are known. mAP by the rules of OpenTAD.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from probes import probe_scores

from wtal.data import FeatureSource, THUMOS14DataModule
from wtal.data.datamodule import SnippetDataModule
from wtal.functional.nms import soft_nms
from wtal.functional.segments import inner_outer_means, runs
from wtal.metrics.error_analysis import error_profile
from wtal.metrics.rule_sets import RULE_SETS, evaluate
from wtal.simulation.noise import smoothed
from wtal.simulation.record import checksum
from wtal.types import Video

TIOUS = np.arange(1, 8) / 10
CUTS = np.linspace(0.1, 0.9, 17)
Scores = Callable[[Video], np.ndarray]  # of a video, (T, C)


@dataclass
class Features:
    """The data and what lies beside them."""

    data: SnippetDataModule
    folder: Path
    text: np.ndarray  # (C, D)
    held: dict[str, np.ndarray] = field(default_factory=dict)

    def read(self, split: str, video: Video, stream: str) -> np.ndarray:
        return self.data.split(split).features.read(video.video_id, slice(None))[stream].astype(np.float32)

    def cosines(self, video: Video) -> np.ndarray:
        """Cosines of the images of a test video with the texts, ``(T, C)``."""
        if video.video_id not in self.held:
            self.held[video.video_id] = self.read("test", video, "clip") @ self.text.T
        return self.held[video.video_id]

    def latent(self, video: Video, name: str) -> np.ndarray:
        """A noise-free course of every class, ``(T, C)``."""
        with np.load(self.folder / "latents" / f"{video.video_id}.npz") as held:
            rows = i3d_of(held) if name == "i3d" else held[name]
            course = np.zeros((len(rows), len(self.text)))
            course[:, held["classes"]] = rows
        return course

    def labels(self, video: Video) -> list[int]:
        """Classes of the segments of a test video; W-TALC's list of its labels lacks some of them."""
        segments = self.data.annotations.segments
        names = sorted(set(segments.loc[segments["video_id"] == video.video_id, "label"]))
        return [self.data.class_names.index(name) for name in names]


def i3d_of(held: np.lib.npyio.NpzFile) -> np.ndarray:
    return held["climax"].sum(axis=2) + np.maximum(held["before"], held["after"])


def open_all(folder: Path, annotations: Path) -> Features:
    joint = folder / "Simulated-I3D-JOINTFeatures.npy"
    i3d = FeatureSource(joint if joint.is_file() else folder / "i3d")
    data = THUMOS14DataModule(annotations, i3d=i3d, clip=FeatureSource(folder / "clip"))
    order = (folder / "clip" / "classes.txt").read_text().splitlines()
    text = np.load(folder / "clip" / "text.npy")[[order.index(name) for name in data.class_names]]
    return Features(data, folder, text)


# Localization ---------------------------------------------------------------------------------------------------------


def proposals(course: np.ndarray, base: float) -> np.ndarray:
    """Start, end (snippets) and score of the runs of a class in a video, ``(N, 3)``."""
    scaled = (course - course.min()) / max(1e-9, np.ptp(course))
    _, start, end = runs(scaled[None] > CUTS[:, None])
    start, end = np.unique(np.stack([start, end], axis=1), axis=0).T
    inner, outer = inner_outer_means(scaled[None], np.zeros(len(start), int), start, end, 0.25)
    rows, scores = soft_nms(np.stack([start, end], axis=1).astype(float), inner - outer + base, sigma=0.3)
    return np.column_stack([start[rows], end[rows], scores])


def detections(found: Features, scores: Scores, classes: Callable[[Video], dict[int, float]]) -> np.ndarray:
    """Rows of video, label, start, end in seconds, score; ``classes`` gives those of a video with a base score."""
    rows = []
    for number, video in enumerate(found.data.videos("test")):
        courses = scores(video)
        for label, base in classes(video).items():
            for start, end, score in proposals(courses[:, label], base):
                rows.append((number, label, video.grid.edge_s(start), video.grid.edge_s(end), score))
    return np.array(rows).reshape(-1, 5)


def measured(found: Features, scores: Scores, classes: Callable[[Video], dict[int, float]] | None = None) -> np.ndarray:
    """mAP in % at each threshold."""
    classes = classes or (lambda video: dict.fromkeys(found.labels(video), 0.0))
    rows = detections(found, scores, classes)
    return 100 * np.asarray(evaluate(rows, truth(found), TIOUS.tolist(), RULE_SETS["opentad"]).precision.mean)


def truth(found: Features) -> np.ndarray:
    return found.data.ground_truth("test")[["video", "label", "start_s", "end_s"]].to_numpy(float)


def best(found: Features, scores: Iterable[Scores]) -> np.ndarray:
    """mAP of the best of some transforms, one for all videos."""
    return max((measured(found, one) for one in scores), key=np.mean)


def show(name: str, value: float, wanted: float, unit: str = "") -> None:
    print(f"| {name} | {value:.4g}{unit} | {wanted:g}{unit} |", flush=True)


def show_map(name: str, values: np.ndarray, wanted: float) -> None:
    print(f"| {name} | {' | '.join(f'{value:.1f}' for value in values)} | {values.mean():.1f} | {wanted} |", flush=True)


# Cosines --------------------------------------------------------------------------------------------------------------


def auc(high: np.ndarray, low: np.ndarray) -> float:
    """Probability that a value of the first is above one of the second."""
    order = np.sort(low)
    return float(np.searchsorted(order, high).mean() / len(low))


def top_class_rates(found: Features) -> tuple[float, float]:
    """Share of the test videos with one of their classes on top: as it is, and without each class's mean."""
    videos = found.data.videos("test")
    pooled = np.stack([np.sort(c, axis=0)[-max(1, len(c) // 8) :].mean(axis=0) for c in map(found.cosines, videos)])
    return tuple(
        float(np.mean([rows[i].argmax() in found.labels(video) for i, video in enumerate(videos)]))
        for rows in (pooled, pooled - pooled.mean(axis=0))
    )


def image_cosines(found: Features, count: int = 8) -> tuple[float, float]:
    """Mean cosine of two images of one video, and of two videos."""
    rng, images = np.random.default_rng(0), []
    for video in found.data.videos("test"):
        rows = found.read("test", video, "clip")
        images.append(rows[rng.choice(len(rows), count)])
    stacked = np.stack(images)
    within = np.einsum("vid,vjd->vij", stacked, stacked)[:, ~np.eye(count, dtype=bool)]
    one = stacked[:, 0]
    return float(within.mean()), float((one @ one.T)[~np.eye(len(one), dtype=bool)].mean())


def check_cosines(found: Features) -> None:
    """Cosines of images and texts against where the evidence lies."""
    every, inside, context, elsewhere = [], [], [], []
    for video in found.data.videos("test"):
        cosines, annotated = found.cosines(video), found.latent(video, "foreground")
        scene = found.latent(video, "scene")
        every.append(cosines.ravel())
        for label in found.labels(video):
            course, free = cosines[:, label], annotated[:, label] == 0
            inside.append(course[annotated[:, label] > 0.5])
            context.append(course[free & (scene[:, label] > 0.99)])
            elsewhere.append(course[free & (scene[:, label] == 0)])
    quantiles = np.percentile(np.concatenate(every), [1, 50, 99])
    high, near, low = map(np.concatenate, (inside, context, elsewhere))
    texts = (found.text @ found.text.T)[~np.eye(len(found.text), dtype=bool)]
    within, across = image_cosines(found)
    as_is, centred = top_class_rates(found)
    print("\n| CLIP-like features | measured | wanted |\n| --- | --- | --- |")
    for name, value, wanted in zip(("1st", "50th", "99th"), quantiles, (0.15, 0.21, 0.29), strict=True):
        show(f"cosine with a text, {name} percentile", value, wanted)
    show("own class, inside instances, mean", high.mean(), 0.27)
    show("own class, in context, mean", near.mean(), 0.26)
    show("own class, elsewhere, mean", low.mean(), 0.22)
    show("two texts, lowest", texts.min(), 0.60)
    show("two texts, highest", texts.max(), 0.78)
    show("two images of a video, mean", within, 0.76)
    show("images of two videos, mean", across, 0.47)
    show("right class on top", 100 * as_is, 85, " %")
    show("right class on top, without class means", 100 * centred, 96, " %")
    show("AUC, inside against context", auc(high, near), 0.60)
    show("AUC, inside against other shots", auc(high, low), 0.90)


# mAP ------------------------------------------------------------------------------------------------------------------


def zero_shot(found: Features) -> Callable[[Video], dict[int, float]]:
    """Classes whose best eighth of the snippets is within 0.02 of that of the best class."""

    def classes(video: Video) -> dict[int, float]:
        cosines = found.cosines(video)
        pooled = np.sort(cosines, axis=0)[-max(1, len(cosines) // 8) :].mean(axis=0)
        return dict.fromkeys(np.flatnonzero(pooled >= pooled.max() - 0.02).tolist(), 0.2)

    return classes


def similarity(found: Features) -> Scores:
    """Cosines, smoothed over about three snippets."""
    return lambda video: np.stack([smoothed(course, 1.0) for course in found.cosines(video).T], axis=1)


def check_ceilings(found: Features) -> None:
    """What needs no training: similarities, and oracles on noise-free evidence."""

    def i3d(power: float) -> Scores:
        return lambda video: np.clip(found.latent(video, "i3d"), 0, 1) ** power

    def clip(power: float) -> Scores:
        return lambda video: np.clip(found.latent(video, "clip"), 0, 1.1) ** power

    def both(a: float, b: float) -> Scores:
        return lambda video: i3d(a)(video) * clip(b)(video)

    show_map("CLIP similarity, zero-shot classes", measured(found, similarity(found), zero_shot(found)), 14.8)
    show_map("CLIP similarity, known classes", measured(found, similarity(found)), 23.2)
    show_map("oracle, noise-free CLIP-like evidence", best(found, map(clip, (1, 2, 4))), 49.5)
    show_map("oracle, noise-free I3D-like evidence", best(found, map(i3d, (1, 0.7, 0.5, 0.35))), 62.4)
    fused = best(found, (both(a, b) for a in (0.7, 0.5, 0.35) for b in (1, 2, 4)))
    show_map("oracle, fused noise-free evidence", fused, 73.6)
    show_map("true foreground on the snippet grid", measured(found, lambda v: found.latent(v, "foreground")), 94.1)


def check_probes(found: Features) -> None:
    """A small network that is trained on snippet labels of the training part."""
    for name, streams, wanted in (
        ("supervised probe on CLIP-like features", ("clip",), 27.4),
        ("supervised probe on I3D-like features", ("i3d",), 47.2),
        ("supervised probe on both", ("i3d", "clip"), 52.5),
    ):
        scores = probe_scores(found.data, streams)
        show_map(name, measured(found, scores), wanted)


def check_errors(found: Features) -> None:
    """The error profile of the similarity with known classes."""
    rows = detections(found, similarity(found), lambda video: dict.fromkeys(found.labels(video), 0.0))
    print(f"\nCLIP similarity, known classes: {error_profile(rows, truth(found))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=["cosines", "ceilings", "probes", "errors"])
    options = parser.parse_args()
    torch.manual_seed(0)
    found = open_all(options.features, options.annotations)
    print(f"{found.data.annotations.path.name}, sha256 {checksum(options.annotations)}")
    if "cosines" in options.parts:
        check_cosines(found)
    if {"ceilings", "probes"} & set(options.parts):
        print("\n| mAP in % |", " | ".join(f"{tiou:g}" for tiou in TIOUS), "| avg | wanted |")
        print("| --- " * (len(TIOUS) + 3) + "|")
    if "ceilings" in options.parts:
        check_ceilings(found)
    if "probes" in options.parts:
        check_probes(found)
    if "errors" in options.parts:
        check_errors(found)


if __name__ == "__main__":
    main()

"""Seconds from snippet scores to detections, numbers and files, and how they grow, against a plain implementation.

Scores are made up: random walks with some noise, with one or two likely classes in a video. Lengths are those of
THUMOS14 (lognormal, mean 338 snippets) and of ActivityNet (uniform, up to four minutes). The plain localizer is the
reference of the tests: Python, one threshold, run and pair at a time. It processes every n-th video, its seconds are
multiplied by n. CPU seconds.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from sys import path

import numpy as np
import torch
from made_up import activitynet_lengths, thumos_lengths
from timing import Table, interleaved, options, peak_gib

path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import slow_references

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.localization.localizer import Localizer
from wtal.results.predictions import write_predictions
from wtal.results.scores import TestScores, VideoGrids, write_scores
from wtal.tasks import DetectionQuality
from wtal.types import Benchmark, Detections, SnippetScores, TimeGrid, Video

TIOUS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
Scored = list[tuple[SnippetScores, Video]]


def made_up(lengths: np.ndarray, classes: int, likely: int = 2) -> Scored:
    """Scores of videos in which one to ``likely`` classes are likely."""
    return list(_each(lengths, classes, likely))


def _each(lengths: np.ndarray, classes: int, likely: int) -> Iterator[tuple[SnippetScores, Video]]:
    generator = torch.Generator().manual_seed(0)
    for row, length in enumerate(lengths.tolist()):
        walk = torch.randn(length, likely + 1, generator=generator).cumsum(0)
        walk = ((walk - walk.mean(0)) / walk.std(0) + 0.1 * torch.randn(walk.shape, generator=generator)).sigmoid()
        chosen = torch.randperm(classes, generator=generator)[: 1 + row % likely if likely <= 2 else likely]
        probability, video = torch.full((length, classes), 0.01), torch.full((classes,), 0.01)
        probability[:, chosen], video[chosen] = walk[:, : len(chosen)], 0.6
        grid = TimeGrid()
        yield SnippetScores(probability, walk[:, -1], video), Video(f"video_{row}", length, grid, grid.edge_s(length))


def localize(localizer: Localizer, scored: Scored) -> list[Detections]:
    return [localizer(scores, video) for scores, video in scored]


def plainly(localizer: Localizer, scored: Scored) -> None:
    for scores, video in scored:
        slow_references.localize(localizer, scores, video)


def against_plain(quick: bool) -> None:
    table = Table("localizing", "s", "ms per video", "detections", "plain s", "ratio")
    for name, lengths, classes, every in (
        ("THUMOS14, 212 videos, 20 classes", thumos_lengths(212), 20, 4),
        ("ActivityNet, 2,383 videos, 100 classes", activitynet_lengths(2383), 100, 40),
        ("ten videos of 10,000 snippets", np.full(10, 10_000), 20, 10),
        ("ActivityNet, 4,819 videos, 100 classes", activitynet_lengths(4819), 100, 80),
    )[: 1 if quick else None]:
        scored, localizer = made_up(lengths, classes), Localizer()
        part = scored[::every]
        took = interleaved(
            {"fast": partial(localize, localizer, scored), "plain": partial(plainly, localizer, part)},
            1 if quick else 3,
            warm_up=0,
        )
        fast, plain = took["fast"].cpu_s, took["plain"].cpu_s * len(scored) / len(part)
        found = sum(len(detections.score) for detections in localize(localizer, scored))
        table.row(name, fast, 1000 * fast / len(scored), float(found), plain, f"{plain / fast:.0f}x")


def growth(quick: bool) -> None:
    """Measure growth; an exponent of 1 means growth in proportion."""
    table = Table("growth", "s", "s", "s", "exponent")
    videos = 50 if quick else 200
    for name, sizes, task in (
        ("videos", (videos // 4, videos, 4 * videos), lambda n: (Localizer(), made_up(np.full(n, 300), 20))),
        ("snippets", (100, 400, 1600), lambda n: (Localizer(), made_up(np.full(videos // 4, n), 20))),
        ("classes that are likely", (5, 20, 80), lambda n: (Localizer(), made_up(np.full(videos // 4, 300), 100, n))),
        ("classes in all", (20, 100, 500), lambda n: (Localizer(), made_up(np.full(videos, 300), n))),
        ("thresholds", (10, 40, 160), lambda n: (Localizer(num_thresholds=n), made_up(np.full(videos, 300), 20))),
    ):
        ways = {size: partial(localize, *task(size)) for size in sizes}
        took = [spent.cpu_s for spent in interleaved(ways, 1 if quick else 3).values()]
        exponent = np.polyfit(np.log(sizes), np.log(took), 1)[0]
        table.row(f"{name}: {', '.join(map(str, sizes))}", *took, f"{exponent:.2f}")


def after_the_network(quick: bool) -> None:
    """Measure what ``wtal test`` of a collaboration does besides scoring: three sources of 212 videos."""
    scored = made_up(thumos_lengths(212), 20)
    random = np.random.default_rng(0)
    video = random.integers(212, size=3358)
    start = random.uniform(0, 200, 3358)
    likely = np.array([int(scores.video.argmax()) for scores, _ in scored])
    truth = np.column_stack([video, likely[video], start, start + random.gamma(2, 3, 3358)])
    found = localize(Localizer(), scored)
    names = [str(label) for label in range(20)]
    by_name = {video.video_id: detections for (_, video), detections in zip(scored, found, strict=True)}
    quality = DetectionQuality(Benchmark("made up", TIOUS, ()))
    for row, (start_s, end_s, label, score) in enumerate(found):
        rows = torch.stack([torch.full_like(score, row), label.double(), start_s, end_s, score], dim=1)
        quality.update(rows, torch.zeros(0, 4))
    quality.update(torch.zeros(0, 5), torch.from_numpy(truth))
    half = [tuple(t.half() for t in scores) for scores, _ in scored]
    probability, attention, video_score = zip(*half, strict=True)
    grids = VideoGrids.of([video for _, video in scored])
    arrays = torch.cat(probability).numpy(), torch.cat(attention).numpy(), torch.stack(video_score).numpy()

    def measure() -> None:
        quality._computed = None
        quality.compute()

    with tempfile.TemporaryDirectory() as folder:
        tasks = {
            "localization": partial(localize, Localizer(), scored),
            "mAP and error profile": measure,
            "predictions.json": partial(write_predictions, Path(folder) / "found.json", by_name, names),
            "scores.npz": partial(write_scores, Path(folder) / "scores.npz", TestScores(grids, names, *arrays)),
        }
        took = interleaved(tasks, 1 if quick else 3)
    table = Table("after the network, 212 videos", "s per source", "s, 3 sources")
    for name, spent in took.items():
        table.row(name, spent.cpu_s, 3 * spent.cpu_s)
    total = sum(spent.cpu_s for spent in took.values())
    table.row("together", total, 3 * total)


def main() -> None:
    args = options(__doc__).parse_args()
    for part in (against_plain, growth, after_the_network):
        part(args.quick)
    print(f"\npeak memory {peak_gib():.2f} GiB")


if __name__ == "__main__":
    main()

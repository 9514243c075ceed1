"""A made-up run on disk, with names of the worst kind, as `wtal test` and `wtal fit` would leave it."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from wtal.results.ground_truth import write_ground_truth
from wtal.results.predictions import write_predictions
from wtal.results.record import About, write_about
from wtal.results.scores import StudentLabels, TestScores, VideoGrids, write_pseudo_labels, write_scores
from wtal.types import Detections, TimeGrid, Video

SCRIPT = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>"
VIDEOS = ["plain_1", "plain_2", SCRIPT, "'\"`${window.pwned=1}", "\u202eאבג דהו", "long " + "x" * 3000, "unfound"]
CLASSES = ["diving", "<b onmouseover='window.pwned=1'>golf</b>", "ג'ודו"]


@dataclass
class MadeRun:
    folder: Path
    videos: list[Video]
    segments: pd.DataFrame
    detections: dict[str, dict[str, Detections]]
    classes: list[str]


def make_run(folder: Path, seed: int = 0) -> MadeRun:
    rng = np.random.default_rng(seed)
    videos = [Video(name, 60 + 7 * i, TimeGrid(), 0.64 * (60 + 7 * i)) for i, name in enumerate(VIDEOS)]
    rows = [
        (video.video_id, CLASSES[(i + j) % 3], start, start + 4.0)
        for i, video in enumerate(videos)
        for j, start in enumerate(np.arange(2.0, video.duration_s - 8, 11.0))
    ]
    segments = pd.DataFrame(rows, columns=["video_id", "label", "start_s", "end_s"])
    found: dict[str, dict[str, Detections]] = {}
    grids = VideoGrids.of(videos)
    for source, shift in (("cbp", 0.5), ("vlp", 2.0), ("fused", 0.2)):
        found[source] = {video.video_id: _near(rng, segments, video, shift) for video in videos}
        write_predictions(folder / "predictions" / f"{source}.json", found[source], CLASSES)
        count = int(grids.lengths.sum())
        write_scores(
            folder / "scores" / f"{source}.npz",
            TestScores(grids, CLASSES, rng.random((count, 3)), rng.random(count), rng.random((len(videos), 3))),
        )
    durations = {video.video_id: video.duration_s for video in videos}
    write_ground_truth(folder / "predictions" / "ground_truth.json", segments, durations, "test")
    write_about(folder / "about.json", About(f"made up {SCRIPT}", "toy", (0.3, 0.5, 0.7), "", "last.ckpt"))
    _trained(folder, rng)
    return MadeRun(folder, videos, segments, found, CLASSES)


def _near(rng: np.random.Generator, segments: pd.DataFrame, video: Video, shift: float) -> Detections:
    """Detections around the instances, and as many elsewhere; none in the last video."""
    true = segments[segments["video_id"] == video.video_id]
    if video.video_id == VIDEOS[-1]:
        true = true.iloc[:0]
    start = np.concatenate([true["start_s"] + rng.normal(0, shift, len(true)), rng.uniform(0, 20, len(true))]).clip(0)
    end = start + rng.uniform(3, 6, len(start))
    label = np.concatenate([[CLASSES.index(name) for name in true["label"]], rng.integers(0, 3, len(true))]).astype(int)
    score = np.sort(rng.random(len(start)))[::-1].copy()
    return Detections(*(torch.tensor(column) for column in (start, end.clip(max=video.duration_s), label, score)))


def _trained(folder: Path, rng: np.random.Generator) -> None:
    """Metrics of two warm-up epochs, an F and a B epoch, and the last pseudo-labels of two training videos."""
    table = pd.DataFrame({"epoch": range(5), "step": range(5), "test/cbp/mAP": [math.nan] * 4 + [0.5]})
    table["train/cbp/loss"], table["train/cbp/mil"] = [3, 2, 1.5, math.nan, math.nan], [2, 1, 1, math.nan, math.nan]
    table["train/vlp/loss"] = [4, 3, math.nan, 2, math.nan]
    for kind, share in {"foreground": 0.2, "background": 0.5, "ignored": 0.3}.items():
        table[f"pseudo_labels/cbp/{kind}"] = [math.nan, math.nan, share, math.nan, math.nan]
        table[f"pseudo_labels/vlp/{kind}"] = [math.nan, math.nan, math.nan, share, math.nan]
    table["pseudo_labels/agreement"] = [math.nan, math.nan, math.nan, 0.75, math.nan]
    table.to_csv(folder / "metrics.csv", index=False)
    grids = VideoGrids.of([Video(f"train {SCRIPT} {i}", 40, TimeGrid(), 25.6) for i in range(2)])
    label = {student: rng.integers(-1, 2, 80) for student in ("cbp", "vlp")}
    class_index = {student: np.where(values == 1, 0, -1) for student, values in label.items()}
    write_pseudo_labels(folder / "pseudo_labels.npz", StudentLabels(grids, CLASSES, label, class_index))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("page") / "Model" / "version_0")

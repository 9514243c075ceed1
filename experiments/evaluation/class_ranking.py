"""How a class's probability in the video should enter a detection's score: several rules on the scores of a run.

    python experiments/evaluation/class_ranking.py RUN --annotations FILE [--subset NAME | --test-list 212]

RUN is the folder of a tested run (`runs/.../version_0`), whose snippet scores are localized again under each rule, with
the run's other localizer settings. The rule that drops classes below a probability assumes few labels a video, the one
that ranks none ignores what the video shows; those between multiply the score by a power of the probability relative to
the most probable class. Average mAP in % over the benchmark's thresholds, one row per rule, one column per source.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import wtal
from wtal.localization import Localizer
from wtal.metrics.rule_sets import evaluate
from wtal.results import RunFolder
from wtal.results.ground_truth import GroundTruth, detection_rows, load_truth
from wtal.results.predictions import as_table
from wtal.results.record import read_about
from wtal.results.scores import TestScores, read_scores
from wtal.types import SnippetScores, TimeGrid, Video

RULES = {
    "dropped below 0.2": {"class_threshold": 0.2, "video_power": 0.0},
    "not ranked": {"class_threshold": 0.0, "video_power": 0.0},
    **{f"power {power:g}": {"class_threshold": 0.0, "video_power": power} for power in (0.125, 0.25, 0.5, 1.0)},
}


def detections(scores: TestScores, localizer: Localizer) -> pd.DataFrame:
    """Detections in all videos of a run."""
    found = {}
    for name, rows in scores.grids.slices.items():
        place = scores.grids.rows[name]
        step_s = float(scores.grids.step_s[place])
        grid = TimeGrid(fps=1 / step_s, stride=1, window=1, offset_s=float(scores.grids.first_s[place]))
        video = Video(name, rows.stop - rows.start, grid, float(scores.grids.duration_s[place]))
        parts = (scores.probability[rows], scores.actionness[rows], scores.video[place])
        found[name] = localizer(SnippetScores(*(torch.from_numpy(np.float32(part)) for part in parts)), video)
    return as_table(found, scores.class_names)


def average(found: pd.DataFrame, truth: GroundTruth, tious: tuple[float, ...]) -> float:
    """Average mAP in %."""
    known = found[found["label"].isin(truth.class_names)]
    rows, _ = detection_rows(known, truth)
    return 100 * float(evaluate(rows, truth.segments, tious).precision.mean.mean())


def main() -> None:
    """Measure every rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--subset")
    parser.add_argument("--test-list")
    args = parser.parse_args()
    run = RunFolder(args.run)
    truth, about = load_truth(args.annotations, args.subset, args.test_list), read_about(run.about)
    localizer = wtal.load(args.run).model.localizer
    table = {
        source: {
            name: average(
                detections(read_scores(run.scores_of(source)), replace(localizer, **rule)), truth, about.tious
            )
            for name, rule in RULES.items()
        }
        for source, scores in ((source, read_scores(run.scores_of(source))) for source in run.sources)
    }
    print(pd.DataFrame(table).round(1).to_string())
    print(about.caption)


if __name__ == "__main__":
    main()

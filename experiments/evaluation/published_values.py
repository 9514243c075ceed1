"""Our value of every mAP in `expected_map.json`, which public evaluators gave on real predictions, and the difference.

    python experiments/evaluation/published_values.py ../shared/data

Needs the folder of real annotations and predictions. Averages over the thresholds, in percent; the difference is the
largest one at any threshold. Where scores tie, the official value depends on how NumPy was built.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd

from wtal.functional.average_precision import average_precision
from wtal.metrics.rule_sets import RULE_SETS, evaluate
from wtal.results.ground_truth import detection_rows, load_truth
from wtal.results.predictions import COLUMNS, read_predictions
from wtal.results.tables import markdown

OFFICIAL = RULE_SETS["activitynet-official"]


def proposals_of(data, expected):
    """Entry, our value and published value, on real THUMOS14 training proposals."""
    values, tious = expected["thumos14_train_pmil_base"], expected["conventions"]["tiou_thumos14_values"]
    truth = load_truth(data / "thumos14/gt.json", "train")
    table = read_predictions(data / "predictions/detection_result_base_train.json")
    rows, segments = detection_rows(table, truth)[0], truth.segments
    for entry, name in {
        "official_gt200": "activitynet-official",
        "opentad_af_json": "opentad",
        "actionformer_af_json": "actionformer",
        "co2net_pmil_snippet_rounded_noamb": "co2net",
        "wtalc_rule": "wtalc",
    }.items():
        score = evaluate(rows, segments, tious, RULE_SETS[name])
        yield entry, score.precision.mean, values[entry]["mAP"]
        if "recall_1x_5x" in values[entry]:
            yield f"{entry}, recall 1x 5x", score.recall, values[entry]["recall_1x_5x"]
    once = detection_rows(table.drop_duplicates(), truth)[0]
    entry = "exact_duplicates_dropped_official_gt200"
    yield entry, evaluate(once, segments, tious).precision.mean, values[entry]["mAP"]
    changes = {
        "stable_desc": {"ties": "first"},
        "noninterp": {"interpolated": False},
        "first_match": {"takes": "first"},
    }
    for entry, value in values["own_variants_on_official_gt200"].items():
        rules = dataclasses.replace(OFFICIAL, **changes.get(entry, {"ties": "last"}))
        yield entry, evaluate(rows, segments, tious, rules).precision.mean, value["mAP"]
    snippets, rounded = rows.copy(), segments.copy()
    snippets[:, 2:4] *= 25 / 16
    rounded[:, 2:] = np.rint(segments[:, 2:] * 25 / 16)
    for kind, pairs in values["snippet_rounded_linspace_vs_literal_tiou"].items():
        found = snippets.copy()
        if kind == "round2":
            found[:, 2:4] = found[:, 2:4].round(2)
        for name, value in pairs.items():
            thresholds = tious if name == "linspace" else [level / 10 for level in range(1, 10)]
            yield f"snippets, {kind}, {name}", average_precision(found, rounded, thresholds).mean, value


def whole_videos_of(data, expected):
    """The same on ActivityNet, with one detection per video."""
    stale, tious = expected["activitynet_stale"], expected["conventions"]["tiou_activitynet_values"]
    guess = json.loads((data / "predictions/stale_best_score.json").read_text())
    guess = {name.removeprefix("v_"): value for name, value in guess.items()}

    def measure(truth, rules):
        videos = sorted(zip(truth.video_ids, truth.duration_s, strict=True))
        named = [(video, guess.get(video.removeprefix("v_")), duration) for video, duration in videos]
        found = [(video, one["class"], 0.0, duration, one["score"]) for video, one, duration in named if one]
        rows = detection_rows(pd.DataFrame(found, columns=list(COLUMNS)), truth)[0]
        return evaluate(rows, truth.segments, tious, rules).precision.mean

    folder = data / "activitynet1.3"
    truth = load_truth(folder / "anet_anno_action.json", "validation", subsets=folder / "video_info_new.csv")
    for name in ("official", "opentad"):
        entry = f"whole_video_anet13_{name}"
        rules = RULE_SETS["opentad" if name == "opentad" else "activitynet-official"]
        yield f"{entry} (ties)", measure(truth, rules), stale[entry]["mAP"]
    orders = stale["whole_video_anet13_average_by_tie_order"]
    for ties, entry in {"last": "stable_ascending_then_reversed", "first": "stable_descending"}.items():
        yield f"anet13, {entry}", measure(truth, dataclasses.replace(OFFICIAL, ties=ties)), orders[entry]
    truth = load_truth(data / "activitynet1.2/activity_net.v1-2.min.json", "validation")
    for ties, entry in {"last": "rev", "first": "stable"}.items():
        value = stale["whole_video_anet12_val2383_own"][entry]["mAP"]
        yield f"anet12, {entry}", measure(truth, dataclasses.replace(OFFICIAL, ties=ties)), value


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with `predictions`, `thumos14`, `activitynet1.2` and `1.3`")
    data = parser.parse_args().data
    expected = json.loads((data / "predictions/expected_map.json").read_text())
    rows = [
        (
            entry,
            f"{100 * np.mean(ours):.6f}",
            f"{100 * np.mean(theirs):.6f}",
            f"{np.abs(ours - np.array(theirs)).max():.1e}",
        )
        for source in (proposals_of, whole_videos_of)
        for entry, ours, theirs in source(data, expected)
    ]
    table = pd.DataFrame(rows, columns=["entry", "ours", "expected", "largest difference"])
    print(markdown(table.set_index("entry")))


if __name__ == "__main__":
    main()

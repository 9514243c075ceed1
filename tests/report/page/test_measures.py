"""The page's numbers are those of the metric functions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.metrics.detection_map import TemporalMAP
from wtal.metrics.error_analysis import error_profile
from wtal.report.page.material import gather
from wtal.report.page.measures import judge, measure
from wtal.results.ground_truth import GroundTruth
from wtal.types import Benchmark


def rows_of(made, source):
    """Detections and segments as the metric takes them, built without the page's code."""
    order = {video.video_id: row for row, video in enumerate(made.videos)}
    found = [
        [order[name], label, start, end, score]
        for name, detections in made.detections[source].items()
        for start, end, label, score in zip(*(column.tolist() for column in detections), strict=True)
    ]
    true = [[order[v], made.classes.index(label), a, b] for v, label, a, b in made.segments.itertuples(index=False)]
    return np.array(found), np.array(true)


@pytest.mark.parametrize("source", ["cbp", "vlp", "fused"])
def test_all_numbers_are_those_of_the_metrics(made, source):
    material = gather([made.folder])
    method = next(method for method in material.methods if method.source == source)
    measured = measure(method, material.truth, (0.3, 0.5, 0.7))
    found, true = rows_of(made, source)
    metric = TemporalMAP(Benchmark("toy", (0.3, 0.5, 0.7), ()))
    metric.update(torch.tensor(found), torch.tensor(true))
    expected = metric.compute()
    for tiou, value in measured.mean_ap.items():
        assert value == pytest.approx(float(expected[f"mAP@{tiou:g}"]), abs=1e-12)
    assert measured.average == pytest.approx(float(expected["mAP"]), abs=1e-12)
    assert vars(measured.profile) == pytest.approx(vars(error_profile(found, true)), nan_ok=True)
    for row, video in enumerate(made.videos):
        alone = error_profile(found[found[:, 0] == row], true[true[:, 0] == row])
        assert vars(measured.videos[video.video_id]) == pytest.approx(vars(alone), nan_ok=True)


spans = st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 12), st.integers(1, 6))


def tiou(one, other):
    """Of two spans, given by start and length."""
    (start, length), (begin, extent) = one, other
    shared = max(0, min(start + length, begin + extent) - max(start, begin))
    return shared / (length + extent - shared)


@settings(max_examples=150, deadline=None)
@given(st.lists(spans, max_size=12), st.lists(spans, min_size=1, max_size=6))
def test_detections_are_judged_one_after_another(found, true):
    """Against taking turns: the best first, each the free instance of largest tIoU, if that is enough."""
    columns = ["video_id", "label", "start_s", "end_s", "score"]
    rows = [(f"v{v}", f"c{c}", float(s), float(s + n), 1.0 / (i + 2)) for i, (v, c, s, n) in enumerate(found)]
    segments = np.array([(v, c, s, s + n) for v, c, s, n in true], float)
    truth = GroundTruth(Path("truth"), "all", ("v0", "v1"), ("c0", "c1", "c2"), np.full(2, 99.0), segments)
    judged = judge(pd.DataFrame(rows, columns=columns), truth)
    taken, seen = set(), {}
    for i, (*place, start, length) in enumerate(found):
        tious = {j: tiou((start, length), (s, n)) for j, (v, c, s, n) in enumerate(true) if [v, c] == place}
        assert judged.tiou[i] == pytest.approx(max(tious.values(), default=0.0))
        free = [(value, j) for j, value in tious.items() if j not in taken and value >= 0.5]
        assert judged.true[i] == bool(free)
        if free:
            taken.add(max(free)[1])
        assert judged.counted[i] == (seen.get(tuple(place), 0) < len(tious))
        seen[tuple(place)] = seen.get(tuple(place), 0) + 1


def test_without_detections_nothing_is_found(made):
    material = gather([made.folder])
    empty = material.methods[0].detections.iloc[:0]
    assert len(judge(empty, material.truth).true) == 0

import json
import platform

import numpy as np
import pytest
import torch

from wtal.metrics.detection_map import TemporalMAP
from wtal.types import Benchmark

# Proposals that hold two instances of equal length have equal tIoU with both; other processors sort these otherwise.
TOLERANCE = 1e-9 if platform.machine() in {"x86_64", "AMD64"} else 1e-3
PROTOCOL = Benchmark("test", (0.1, 0.3, 0.5, 0.7), ((0.1, 0.5), (0.3, 0.7)))


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "data/predictions/expected_map.json").read_text())


@pytest.fixture(scope="module")
def training_proposals(shared):
    """Real proposals and the ground truth of 200 videos as rows."""
    truth = json.loads((shared / "data/thumos14/gt.json").read_text())["database"]
    found = json.loads((shared / "data/predictions/detection_result_base_train.json").read_text())["results"]
    truth = {video: entry["annotations"] for video, entry in truth.items() if entry["subset"] == "train"}
    labels = {name: i for i, name in enumerate(sorted({a["label"] for entry in truth.values() for a in entry}))}
    videos = {name: i for i, name in enumerate(truth)}
    segments = [(videos[v], labels[a["label"]], *map(float, a["segment"])) for v in truth for a in truth[v]]
    detections = [(videos[v], labels[a["label"]], *a["segment"], a["score"]) for v in found for a in found[v]]
    return np.array(detections), np.array(segments)


def metric_of(detections, segments, benchmark=PROTOCOL):
    metric = TemporalMAP(benchmark)
    metric.update(torch.as_tensor(detections), torch.as_tensor(segments))
    return metric


def test_equals_the_official_evaluator_on_real_proposals(training_proposals, expected):
    detections, segments = training_proposals
    tious = tuple(expected["conventions"]["tiou_thumos14_values"])
    official = expected["thumos14_train_pmil_base"]["official_gt200"]
    values = metric_of(detections, segments, Benchmark("", tious, ((0.1, 0.5), (0.1, 0.7), (0.3, 0.7)))).compute()
    assert [values[f"mAP@{t:g}"].item() for t in tious] == pytest.approx(official["mAP"], abs=TOLERANCE)
    assert values["mAP"].item() == pytest.approx(official["average_mAP"], abs=TOLERANCE)
    for span in ("0.1:0.5", "0.1:0.7", "0.3:0.7"):
        assert values[f"mAP@{span}"].item() == pytest.approx(official[f"average_{span}"], abs=TOLERANCE)


def test_the_official_sample_finds_everything(shared):
    """It is the ground truth itself, with all scores 1, and instances of no length."""
    found = json.loads((shared / "data/predictions/sample_detection_prediction.json").read_text())["results"]
    labels = {name: i for i, name in enumerate(sorted({a["label"] for entry in found.values() for a in entry}))}
    rows = np.array([(i, labels[a["label"]], *a["segment"]) for i, v in enumerate(found) for a in found[v]])
    values = metric_of(np.column_stack([rows, np.ones(len(rows))]), rows).compute()
    assert {value.item() for value in values.values()} == {1.0}


TRUTH = torch.tensor([[0, 0, 0.0, 10.0], [1, 0, 0.0, 10.0], [1, 1, 5.0, 9.0]], dtype=torch.float64)
FOUND = torch.tensor(
    [[0, 0, 0.0, 10.0, 0.9], [1, 0, 4.0, 10.0, 0.8], [1, 1, 5.0, 7.0, 0.3], [0, 1, 0.0, 1.0, 0.2]], dtype=torch.float64
)


def test_keys_and_values_by_hand():
    values = {name: value.item() for name, value in metric_of(FOUND, TRUTH).compute().items()}
    single = {"mAP@0.1": 1.0, "mAP@0.3": 1.0, "mAP@0.5": 1.0, "mAP@0.7": 0.25}
    assert values == pytest.approx(single | {"mAP@0.1:0.5": 1.0, "mAP@0.3:0.7": 0.75, "mAP": 0.8125})


def test_updates_may_split_videos_and_come_in_any_order():
    metric = TemporalMAP(PROTOCOL)
    nothing, no_truth = torch.zeros(0, 5), torch.zeros(0, 4)
    for detections, segments in [(FOUND[2:], no_truth), (nothing, TRUTH[1:]), (FOUND[:2], TRUTH[:1])]:
        metric.update(detections, segments)
    assert metric.compute() == metric_of(FOUND, TRUTH).compute()


def test_keeps_double_precision_and_forgets_on_reset():
    metric = metric_of(FOUND, TRUTH)
    assert [rows.dtype for rows in metric.rows()] == [np.float64, np.float64]
    assert [rows.shape for rows in metric.rows()] == [(4, 5), (3, 4)]
    metric.reset()
    assert [rows.shape for rows in metric.rows()] == [(0, 5), (0, 4)]


def test_is_nan_without_ground_truth():
    assert metric_of(FOUND, TRUTH[:0]).compute()["mAP"].isnan()


def test_refuses_invalid_rows_and_benchmarks():
    with pytest.raises(ValueError, match=r"must be \(N, 5\) and \(M, 4\)"):
        TemporalMAP(PROTOCOL).update(TRUTH, FOUND)
    with pytest.raises(ValueError, match="tIoU thresholds"):
        TemporalMAP(Benchmark("bad", (0.0, 0.5), ()))
    with pytest.raises(ValueError, match="averages over"):
        TemporalMAP(Benchmark("bad", (0.5,), ((0.6, 0.9),)))

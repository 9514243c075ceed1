"""The task of anomalies: scores of frames beside detections of each kind."""

import numpy as np
import pandas as pd
import pytest
import torch

from wtal.metrics import precision_area, roc_area
from wtal.tasks import AnomalyQuality, AnomalyTask, LocalizationTask, Task, anomaly_score, task_of
from wtal.types import Benchmark, Detections, SnippetScores, TimeGrid, Video

BENCHMARK = Benchmark("toy", (0.1, 0.5), ((0.1, 0.5),), "anomaly")
GRID = TimeGrid(fps=16, stride=16, window=16)  # a snippet a second


class Data:
    """An abnormal video of ten snippets, and a normal one of five."""

    def ground_truth(self, split):
        rows = [(0, 1, 2.0, 4.5)]
        return pd.DataFrame(rows, columns=["video", "label", "start_s", "end_s"]) if split == "test" else None

    def videos(self, split):
        return [Video("a", 10, GRID, 10.0), Video("b", 5, GRID, 5.0)]


def scores_of(attention):
    attention = torch.as_tensor(attention, dtype=torch.float32)
    return SnippetScores(torch.stack([0 * attention, attention], dim=1), attention, torch.tensor([0.0, 1.0]))


def detections(*rows):
    columns = torch.tensor(rows, dtype=torch.float64).reshape(-1, 4).T
    return Detections(columns[0], columns[1], columns[2].long(), columns[3])


def test_frames_and_detections_are_measured_together():
    task: Task = task_of(BENCHMARK)
    metric, rng = task.metric(BENCHMARK), np.random.default_rng(0)
    assert isinstance(metric, AnomalyQuality)
    first, second = (rng.random(n).astype(np.float32) for n in (10, 5))
    task.add_video(metric, 0, scores_of(first), detections((2.0, 4.5, 1, 0.9)))
    task.add_video(metric, 1, scores_of(second), detections())
    task.add_truth(metric, task.truth(Data(), "test"))
    truth = np.zeros(240, bool)
    truth[32:72] = True  # 2 to 4.5 snippets
    frames = np.repeat(np.concatenate([first, second]).astype(float), 16)
    measures = metric.compute()
    assert float(measures["AUC"]) == pytest.approx(roc_area(frames, truth), abs=1e-9)
    assert float(measures["AP"]) == pytest.approx(precision_area(frames, truth), abs=1e-9)
    assert float(measures["AUC_abnormal"]) == pytest.approx(roc_area(frames[:160], truth[:160]), abs=1e-9)
    assert measures["mAP@0.5"] == 1
    assert measures["completeness"] == 1


def test_truth_and_videos_may_come_in_any_order():
    values = []
    for order in ((0, 1), (1, 0)):
        task = AnomalyTask()
        metric = task.metric(BENCHMARK)
        if order[0]:
            task.add_truth(metric, task.truth(Data(), "test"))
        for row in order:
            task.add_video(metric, row, scores_of(np.linspace(0.1, 0.9, 10 - 5 * row)), detections())
        if not order[0]:
            task.add_truth(metric, task.truth(Data(), "test"))
        values.append(float(metric.compute()["AUC"]))
    assert values[0] == values[1]


def test_a_score_is_the_mean_of_actionness_and_of_the_probability_of_any_kind():
    scores = SnippetScores(torch.tensor([[0.1, 0.3], [0.9, 0.3]]), torch.tensor([0.2, 1.0]), torch.zeros(2))
    assert anomaly_score(scores).tolist() == pytest.approx([0.3, 1.0])


def test_nothing_is_measured_where_no_truth_may_be_seen():
    assert AnomalyTask().truth(Data(), "train") is None


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"must be \(N, 2\) and \(M, 3\)"):
        AnomalyQuality(BENCHMARK).update_frames(torch.zeros(1, 3), torch.zeros(0, 3))


def test_a_benchmark_names_its_task():
    assert task_of(Benchmark("toy", (0.5,), ())) == LocalizationTask()
    assert task_of(BENCHMARK) == AnomalyTask()


def test_a_table_begins_with_the_areas():
    assert list(AnomalyTask().columns(BENCHMARK).values()) == [
        "AUC", "AP", "AUC of abnormal videos", "0.1", "0.5", "0.1:0.5", "mean", "of videos",
    ]  # fmt: skip
    assert AnomalyTask().main == "AUC"
    assert LocalizationTask().main == "mAP"

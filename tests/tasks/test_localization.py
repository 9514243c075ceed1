import pandas as pd
import pytest
import torch

from wtal.tasks import DetectionQuality, LocalizationTask, Task
from wtal.types import Benchmark, Detections, SnippetScores

BENCHMARK = Benchmark("toy", (0.1, 0.3, 0.5, 0.7), ((0.1, 0.5),))


class Data:
    """Two videos with an instance each."""

    truth: pd.DataFrame | None = pd.DataFrame(
        [(0, 1, 0.0, 4.0), (1, 0, 2.0, 6.0)], columns=["video", "label", "start_s", "end_s"]
    )

    def ground_truth(self, split):
        return self.truth if split == "test" else None


def found(label, start_s, end_s, score):
    columns = (torch.tensor([start_s]), torch.tensor([end_s]), torch.tensor([label]), torch.tensor([score]))
    return Detections(columns[0].double(), columns[1].double(), columns[2], columns[3].double())


def test_the_answer_is_measured_against_the_truth():
    task: Task = LocalizationTask()
    metric, truth = task.metric(BENCHMARK), task.truth(Data(), "test")
    assert isinstance(metric, DetectionQuality)
    scores = SnippetScores(torch.ones(4, 2), torch.ones(4), torch.ones(2))
    task.add_truth(metric, truth)
    task.add_video(metric, 0, scores, found(1, 0.0, 4.0, 0.9))
    task.add_video(metric, 1, scores, found(0, 2.0, 4.0, 0.8))  # half of the instance: a tIoU of 0.5
    measures = metric.compute()
    assert measures["mAP@0.3"] == 1
    assert measures["mAP@0.7"] == pytest.approx(0.5)
    assert measures["completeness"] == pytest.approx(0.75)


def test_there_is_no_truth_where_none_may_be_seen():
    assert LocalizationTask().truth(Data(), "train") is None


def test_a_table_shows_thresholds_ranges_and_means():
    task = LocalizationTask()
    assert task.columns(BENCHMARK) == {
        "mAP@0.1": "0.1",
        "mAP@0.3": "0.3",
        "mAP@0.5": "0.5",
        "mAP@0.7": "0.7",
        "mAP@0.1:0.5": "0.1:0.5",
        "mAP": "mean",
        "video_mAP": "of videos",
    }
    assert list(task.columns(BENCHMARK, short=True).values()) == ["0.1", "0.3", "0.5", "0.7", "mean", "of videos"]

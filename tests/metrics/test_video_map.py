import math
import warnings

import pytest
import torch
from torchmetrics.classification import MultilabelAveragePrecision

from wtal.metrics.video_map import VideoMAP


def measured(scores, labels, batch=1):
    metric = VideoMAP()
    for part, truth in zip(torch.tensor(scores).split(batch), torch.tensor(labels).split(batch), strict=True):
        metric.update(part, truth)
    return metric.compute().item()


def test_classes_without_a_positive_video_are_left_out():
    scores = [[0.9, 0.1, 0.5, 0.2], [0.1, 0.8, 0.4, 0.3]]
    assert measured(scores, [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]) == 1


def test_a_class_counts_by_the_ranks_of_its_positive_videos():
    # ranks 1 and 3 of three videos: precision 1 and 2/3; the other class is absent
    assert measured([[0.9, 0.5], [0.8, 0.5], [0.7, 0.5]], [[1.0, 0], [0, 0], [1, 0]]) == pytest.approx((1 + 2 / 3) / 2)


def test_nothing_is_measured_without_a_positive_video():
    assert math.isnan(measured([[0.9, 0.5]], [[0.0, 0.0]]))
    assert math.isnan(VideoMAP().compute().item())


def test_equals_torchmetrics_bit_for_bit_where_every_class_is_present():
    torch.manual_seed(0)
    scores, labels = torch.rand(30, 5).mul(9).round().div(9), (torch.rand(30, 5) < 0.3).long()
    reference, metric = MultilabelAveragePrecision(5), VideoMAP()
    reference.update(scores, labels)
    metric.update(scores, labels.float())
    assert metric.compute() == reference.compute()


def test_an_absent_class_raises_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured([[0.9, 0.5], [0.2, 0.1]], [[1.0, 0.0], [0.0, 0.0]])

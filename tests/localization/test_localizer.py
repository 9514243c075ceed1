import math

import pytest
import torch
from slow_references import localize as slow

from wtal.localization.localizer import Localizer
from wtal.types import SnippetScores, TimeGrid, Video

GRIDS = {"usual": TimeGrid(), "dense": TimeGrid(fps=30, stride=4, window=16, offset_s=0.5)}


def made(seed, length=40, classes=4):
    generator = torch.Generator().manual_seed(seed)
    rough = torch.randn(classes + 1, length + 4, generator=generator)
    smooth = torch.sigmoid(2 * rough.unfold(1, 5, 1).mean(-1)).T
    return SnippetScores(smooth[:, :classes], smooth[:, classes], torch.rand(classes, generator=generator))


def as_rows(detections):
    columns = (detections.start_s, detections.end_s, detections.label, detections.score)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"upsampling": 1, "stretch_cut": True, "stretch_contrast": True, "video_weight": 0.2, "video_power": 1.0},
        {"cut": ("cas", "attention"), "contrast": "cas", "min_length": 1.5, "min_margin": 1.0, "video_power": 0.0},
        {"thresholds": (0.3, 0.5), "class_threshold": 0.6, "sigma": 0.7, "outer_ratio": 0.5, "max_detections": 5},
        {"class_threshold": 1.0, "attention_weight": 0.0, "max_proposals": 6, "num_thresholds": 5},
    ],
    ids=["default", "stretched", "two-cuts", "few", "top-1"],
)
def test_agrees_with_a_loop(grid, options):
    for seed in range(3):
        scores, video = made(seed), Video("v", 40, grid, grid.edge_s(38.3))
        found, expected = Localizer(**options)(scores, video), slow(Localizer(**options), scores, video)
        assert as_rows(found) == [pytest.approx(row, abs=1e-9) for row in expected]


def box(start, end, length=20, video=(0.9, 0.1)):
    probability = torch.full((length, 2), 0.001)
    probability[start:end, 0] = 0.9
    return SnippetScores(probability, torch.ones(length), torch.tensor(video))


@pytest.mark.parametrize(
    ("grid", "expected"), [(TimeGrid(), (3.2, 6.4)), (TimeGrid(30, 4, 16, 1.0), (1 + 26 / 30, 1 + 46 / 30))]
)
def test_snippets_become_seconds_of_their_grid(grid, expected):
    (row,) = as_rows(Localizer(upsampling=1)(box(5, 10, video=(0.9, 0.0)), Video("v", 20, grid, 99.0)))
    assert row == (pytest.approx(expected[0]), pytest.approx(expected[1]), 0, pytest.approx(0.9**0.6 - 0.001**0.6))


def test_detections_are_clipped_to_the_video_unless_its_length_is_unknown():
    grid = TimeGrid(fps=25, stride=16, window=16, offset_s=-0.5)
    found = Localizer(upsampling=1)
    assert as_rows(found(box(0, 20), Video("v", 20, grid, 9.0)))[0][:2] == (0, 9)
    assert as_rows(found(box(10, 20), Video("v", 20, grid, math.nan)))[0][1] == pytest.approx(12.3)
    assert as_rows(found(box(18, 20), Video("v", 20, grid, 9.0))) == []


def test_a_video_without_a_probable_class_is_searched_for_its_best_one():
    found = Localizer(class_threshold=0.5)(box(5, 10, video=(0.3, 0.2)), Video("v", 20, TimeGrid(), 12.8))
    assert set(found.label.tolist()) == {0}


def test_zero_scores_give_no_detections():
    found = Localizer()(
        SnippetScores(torch.zeros(7, 2), torch.zeros(7), torch.zeros(2)), Video("v", 7, TimeGrid(), 4.0)
    )
    assert [column.dtype for column in found] == [torch.float64, torch.float64, torch.long, torch.float64]
    assert [len(column) for column in found] == [0, 0, 0, 0]


@pytest.mark.parametrize("suppression", ["none", "hard", "linear"])
def test_other_suppressions_choose_among_the_same_proposals(suppression):
    scores, video = made(1), Video("v", 40, TimeGrid(), 25.6)
    everything = Localizer(suppression="none", max_detections=9999)(scores, video)
    found = Localizer(suppression=suppression, max_detections=9999)(scores, video)
    spans = {row[:3] for row in as_rows(everything)}
    assert {row[:3] for row in as_rows(found)} <= spans
    assert found.score.tolist() == sorted(found.score.tolist(), reverse=True)
    assert (len(found.score) == len(spans)) == (suppression == "none")


def test_a_class_is_localized_the_same_whichever_others_are():
    scores, video = made(2), Video("v", 40, TimeGrid(), 25.6)
    together = as_rows(Localizer(class_threshold=-1)(scores, video))
    alone = SnippetScores(scores.probability, scores.attention, torch.tensor([0.0, 0.0, 1.0, 0.0]))
    factor = float(scores.video[2] / scores.video.max()) ** 0.25
    expected = [(*row[:3], pytest.approx(row[3] / factor)) for row in together if row[2] == 2]
    assert as_rows(Localizer()(alone, video))[: len(expected)] == expected


def test_every_label_of_a_video_is_found_and_a_class_that_it_hardly_shows_ranks_behind():
    probability = torch.full((48, 5), 0.001)
    for label in range(4):
        probability[8 * label + 2 : 8 * label + 7, label] = 0.9
    probability[34:39, 4] = 0.9
    # a softmax shares its sum of one among four labels, so that none has a probability of more than a quarter
    scores = SnippetScores(probability, torch.ones(48), torch.tensor([0.24, 0.24, 0.24, 0.24, 0.01]))
    found = Localizer()(scores, Video("v", 48, TimeGrid(), 30.72))
    assert (sorted(found.label[:4].tolist()), int(found.label[4])) == ([0, 1, 2, 3], 4)
    assert found.score[:4].tolist() == pytest.approx([found.score[0].item()] * 4)
    assert (found.score[4] / found.score[0]).item() == pytest.approx((0.01 / 0.24) ** 0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"upsampling": 0}, "`upsampling` must be positive"),
        ({"cut": ()}, "`cut` and `thresholds`"),
        ({"attention_weight": 1.5}, r"`attention_weight` must lie in \[0, 1\]"),
        ({"outer_ratio": -1.0}, "`outer_ratio` must not be negative"),
        ({"video_power": -1.0}, "`video_power` must not be negative"),
    ],
)
def test_refuses_parameters_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        Localizer(**options)


def test_refuses_scores_that_disagree():
    with pytest.raises(ValueError, match=r"video v must be \(T, C\)"):
        Localizer()(SnippetScores(torch.zeros(5, 2), torch.zeros(4), torch.zeros(2)), Video("v", 5, TimeGrid(), 3.0))

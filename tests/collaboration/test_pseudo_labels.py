import pytest
import torch

from wtal.collaboration.pseudo_labels import Thresholds, foreground_score, pseudo_labels
from wtal.types import SnippetScores

SCORES = SnippetScores(
    probability=torch.tensor([[[0.9, 0.1, 0.99], [0.5, 0.8, 0.99], [0.1, 0.1, 0.99], [0.9, 0.9, 0.9]]]),
    attention=torch.tensor([[1.0, 0.5, 0.5, 1.0]]),
    video=torch.tensor([[0.5, 0.5, 0.0]]),
)
LABELS = torch.tensor([[1.0, 1.0, 0.0]])  # the third class scores high but is not a label of the video
MASK = torch.tensor([[True, True, True, False]])


def test_score_is_actionness_times_the_best_own_class_stretched_over_the_video():
    raw = torch.tensor([0.9, 0.4, 0.05])
    expected = (raw - 0.05) / 0.85
    torch.testing.assert_close(foreground_score(SCORES, LABELS, MASK), torch.tensor([[*expected.tolist(), 0.0]]))


def test_confident_snippets_get_their_kind_and_class():
    pseudo = pseudo_labels(SCORES, LABELS, MASK, Thresholds(high=0.7, low=0.2), keep=(0, 1))
    assert pseudo.label.tolist() == [[1, -1, 0, -1]]
    assert pseudo.class_index.tolist() == [[0, -1, -1, -1]]


@pytest.mark.parametrize(("keep", "expected"), [((1,), [1, -1, -1, -1]), ((0,), [-1, -1, 0, -1]), ((), [-1] * 4)])
def test_only_what_the_lesson_keeps_is_handed_over(keep, expected):
    assert pseudo_labels(SCORES, LABELS, MASK, Thresholds(0.7, 0.2), keep).label.tolist() == [expected]


def test_padding_and_other_videos_change_nothing():
    scores, mask = SnippetScores(*(t.repeat(2, *[1] * (t.dim() - 1)) for t in SCORES)), MASK.repeat(2, 1)
    scores.attention[1] = torch.rand(4)
    alone = pseudo_labels(SCORES, LABELS, MASK, Thresholds(), (0, 1))
    both = pseudo_labels(scores, LABELS.repeat(2, 1), mask, Thresholds(), (0, 1))
    assert torch.equal(both.label[:1], alone.label)
    cut = SnippetScores(SCORES.probability[:, :3], SCORES.attention[:, :3], SCORES.video)
    assert torch.equal(pseudo_labels(cut, LABELS, MASK[:, :3], Thresholds(), (0, 1)).label, alone.label[:, :3])


@pytest.mark.parametrize("wrong", [{"high": 0.1, "low": 0.5}, {"high": 1.5}, {"low": -0.1}])
def test_thresholds_out_of_order_are_refused(wrong):
    with pytest.raises(ValueError, match="low"):
        Thresholds(**wrong)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_video_of_one_score_everywhere_is_ignored(level):
    """Min-max scaling would make it all background, although it has the action somewhere."""
    flat = SnippetScores(torch.full((2, 4, 1), 0.5), torch.full((2, 4), level), torch.ones(2, 1))
    flat.attention[1, 0] = 0.75
    found = pseudo_labels(flat, torch.ones(2, 1), torch.ones(2, 4, dtype=torch.bool), Thresholds(0.7, 0.2), (0, 1))
    assert found.label[0].tolist() == [-1] * 4
    assert found.label[1, 0] == (1 if level < 0.75 else 0)
    assert (found.class_index[0] == -1).all()


@pytest.mark.parametrize(("keep", "expected"), [((0, 1), [0, 0, 0, -1]), ((1,), [-1] * 4)])
def test_a_video_without_any_action_is_background(keep, expected):
    pseudo = pseudo_labels(SCORES, torch.zeros(1, 3), MASK, Thresholds(0.7, 0.2), keep)
    assert pseudo.label.tolist() == [expected]
    assert pseudo.class_index.tolist() == [[-1] * 4]

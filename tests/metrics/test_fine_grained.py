"""The fine-grained mAP against a slow version of VadCLIP's evaluator, and as it should be."""

import numpy as np
import pytest

from tests.slow_references import vadclip_map
from wtal.metrics import FINE_TIOUS, FRAME_RULE_SETS, fine_grained_map, frame_proposals

UCF, XD, OWN = (FRAME_RULE_SETS[name] for name in ("vadclip-ucf", "vadclip-xd", "wtal"))


def made_up(seed, videos=6, classes=3, dtype=np.float64):
    """Probabilities repeated for 16 frames, the normal class first, and true segments of about half of the videos."""
    rng = np.random.default_rng(seed)
    probabilities, segments = [], []
    for video in range(videos):
        snippets = int(rng.integers(4, 20))
        logits = rng.normal(0, 1.5, (snippets, classes + 1))
        if rng.random() < 0.6:
            label, start = int(rng.integers(classes)), int(rng.integers(0, 16 * snippets - 20))
            end = start + int(rng.integers(10, 60))
            segments.append([video, label, start, min(end, 16 * snippets)])
            logits[start // 16 : end // 16 + 1, label + 1] += 2
        rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        probabilities.append(np.repeat(np.round(rows, 1) if seed % 2 else rows, 16, axis=0).astype(dtype))
    return probabilities, np.array(segments, dtype=float).reshape(-1, 4)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rules", [UCF, XD], ids=lambda rules: rules.name)
def test_equals_the_slow_evaluator(rules, dtype, seed):
    probabilities, segments = made_up(seed, dtype=dtype)
    slow = [vadclip_map(probabilities, segments, tiou, rules is XD) for tiou in FINE_TIOUS]
    assert fine_grained_map(probabilities, segments, rules) == pytest.approx(slow, abs=1e-9)


def test_equals_it_on_many_videos_with_equal_scores():
    probabilities, segments = made_up(1, videos=150, classes=2)
    slow = [vadclip_map(probabilities, segments, tiou, True) for tiou in FINE_TIOUS]
    assert sum(slow) > 0
    assert fine_grained_map(probabilities, segments, XD) == pytest.approx(slow, abs=1e-9)


def test_a_class_without_a_proposal_costs_everything_by_their_rules_and_its_own_share_by_ours():
    probability = np.zeros((64, 3))
    probability[:, 0] = 0.5
    probability[16:32, 0], probability[16:32, 1] = 0.1, 0.9  # the second kind is never probable
    segments = np.array([[0, 0, 16, 32], [1, 1, 0, 16]], dtype=float)
    videos = [probability, np.zeros((64, 3))]
    assert fine_grained_map(videos, segments, UCF).tolist() == [0.0] * 5
    assert fine_grained_map(videos, segments, OWN).tolist() == [0.5] * 5


def test_a_kind_without_instances_is_left_out_by_our_rules():
    probability = np.full((64, 4), 0.05)
    probability[16:32, 1] = 0.9
    segments = np.array([[0, 0, 16, 32]], dtype=float)
    assert fine_grained_map([probability], segments, OWN).tolist() == [1.0] * 5
    assert np.isnan(fine_grained_map([probability], np.empty((0, 4)), OWN)).all()


def test_the_order_of_videos_changes_nothing():
    probabilities, segments = made_up(2, videos=20)
    back = segments.copy()
    back[:, 0] = len(probabilities) - 1 - back[:, 0]
    expected = fine_grained_map(probabilities, segments, OWN)
    assert fine_grained_map(probabilities[::-1], back, OWN) == pytest.approx(expected, abs=1e-12)


def test_proposals_lie_above_two_fifths_of_the_range():
    curve = np.repeat([0.0, 0.3, 0.5, 1.0, 0.2], 16)[:, None]
    (row,) = frame_proposals(curve)
    assert row.tolist() == [0, 32, 64, pytest.approx(1.0 + 0.7)]  # the highest sixteenth of the video is at 1


def test_a_video_of_less_than_sixteen_frames_has_no_proposal():
    assert frame_proposals(np.random.default_rng(0).random((15, 2))).shape == (0, 4)

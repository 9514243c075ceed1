"""The measures of frame scores against slow references and cases worked out by hand."""

import numpy as np
import pytest

from tests.slow_references import trapezoid_of_precision
from wtal.metrics import FRAME_RULE_SETS, VideoFrames, frame_mask, frame_score, precision_area, roc_area


def made_up(seed, frames=400, levels=9):
    """Scores with many ties, as repeated snippets have them."""
    rng = np.random.default_rng(seed)
    truth = rng.random(frames) < 0.2
    return np.round(rng.random(frames) * levels + truth * 2), truth


@pytest.mark.parametrize("seed", range(5))
def test_the_roc_area_is_the_share_of_pairs_in_order(seed):
    score, truth = made_up(seed)
    above = (score[truth][:, None] > score[~truth]).mean() + 0.5 * (score[truth][:, None] == score[~truth]).mean()
    assert roc_area(score, truth) == pytest.approx(above, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_the_sum_over_distinct_scores(seed):
    score, truth = made_up(seed)
    total, recall = 0.0, 0.0
    for level in sorted(set(score), reverse=True):
        chosen = score >= level
        reached = truth[chosen].sum() / truth.sum()
        total, recall = total + (reached - recall) * truth[chosen].mean(), reached
    assert precision_area(score, truth) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_trapezoid_joins_the_same_points(seed):
    score, truth = made_up(seed)
    assert precision_area(score, truth, trapezoid=True) == pytest.approx(
        trapezoid_of_precision(score, truth), abs=1e-12
    )
    assert precision_area(score, truth, trapezoid=True) != pytest.approx(precision_area(score, truth), abs=1e-4)


def test_areas_equal_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    for seed in range(20):
        score, truth = made_up(seed, levels=3 + 40 * (seed % 3))
        precision, recall, _ = metrics.precision_recall_curve(truth, score)
        assert roc_area(score, truth) == pytest.approx(metrics.roc_auc_score(truth, score), abs=1e-9)
        assert precision_area(score, truth) == pytest.approx(metrics.average_precision_score(truth, score), abs=1e-9)
        assert precision_area(score, truth, True) == pytest.approx(metrics.auc(recall, precision), abs=1e-9)


def test_the_order_of_videos_changes_nothing():
    videos = [VideoFrames(*made_up(seed), (seed % 2,)) for seed in range(4)]
    forth, back = frame_score(videos), frame_score(videos[::-1])
    assert forth.auc == pytest.approx(back.auc, abs=1e-12)
    assert forth.precision == pytest.approx(back.precision, abs=1e-12)
    assert forth.auc_of_label == pytest.approx(back.auc_of_label, abs=1e-12)


def test_normal_videos_count_in_all_but_the_areas_of_abnormal_ones():
    abnormal = VideoFrames(np.array([0.9, 0.2]), np.array([True, False]), (3,))
    normal = VideoFrames(np.array([1.0, 1.0]), np.zeros(2, bool))
    score = frame_score([abnormal, normal])
    assert score.auc == pytest.approx(1 / 3)  # above one of three normal frames
    assert score.auc_abnormal == 1.0
    assert score.auc_of_label == {3: 1.0}
    assert (score.frames, score.abnormal) == (4, 1)


def test_nothing_abnormal_is_not_a_number_rather_than_zero():
    normal = frame_score([VideoFrames(np.array([0.1, 0.7]), np.zeros(2, bool))])
    assert all(np.isnan([normal.auc, normal.precision, normal.auc_abnormal]))
    whole = frame_score([VideoFrames(np.array([0.1, 0.7]), np.ones(2, bool), (0,))])
    assert np.isnan(whole.auc)
    assert whole.precision == 1.0


def test_constant_scores_rank_nothing():
    truth = np.array([True, False, False, False])
    assert roc_area(np.ones(4), truth) == 0.5
    assert precision_area(np.ones(4), truth) == 0.25


@pytest.mark.parametrize(("last", "expected"), [(True, [0, 0, 1, 1, 1]), (False, [0, 0, 1, 1, 0])])
def test_the_last_frame_is_abnormal_by_some_rules(last, expected):
    assert frame_mask([[2, 4]], 5, last).astype(int).tolist() == expected


def test_an_interval_beyond_the_end_is_cut_off():
    assert frame_mask([[3, 99]], 5).astype(int).tolist() == [0, 0, 0, 1, 1]
    assert not frame_mask([[7, 99]], 5).any()
    assert not frame_mask(np.empty((0, 2)), 5).any()


def test_scores_and_truth_must_fit():
    with pytest.raises(ValueError, match="Video 1: scores"):
        frame_score([VideoFrames(np.zeros(2), np.zeros(2, bool)), VideoFrames(np.zeros(3), np.zeros(2, bool))])
    with pytest.raises(ValueError, match="Video 0 has a score that is not finite"):
        frame_score([VideoFrames(np.array([np.nan]), np.zeros(1, bool))])


def test_the_rule_sets_differ_where_the_evaluators_do():
    video = VideoFrames(*made_up(0), (0,))
    areas = {name: frame_score([video], rules).precision for name, rules in FRAME_RULE_SETS.items()}
    assert areas["rtfm"] == areas["ur-dmu"] != areas["wtal"] == areas["vadclip-xd"]
    assert {name for name, rules in FRAME_RULE_SETS.items() if rules.last_frame} == {"wtal", "rtfm", "ur-dmu"}

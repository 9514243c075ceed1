"""Detections of a stream are written when their end has been seen, and never changed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wtal.errors import ConfigError
from wtal.localization import Localizer, OnlineLocalizer, OnlineRules
from wtal.types import SnippetScores, TimeGrid

GRID = TimeGrid(fps=1, stride=1, window=1)  # snippet i is second i
RULES = OnlineRules(levels=(0.5,), hysteresis=0.5, outer_ratio=0.25)
AS_IT_IS = Localizer(attention_weight=0.0, video_power=0.0)  # the sequence is the probability


def scores_of(*sequences):
    """Scores whose sequences, one for each class, are these."""
    probability = torch.tensor(sequences, dtype=torch.float64).T
    return SnippetScores(probability, torch.ones(len(probability)), torch.ones_like(probability))


def localizer(classes=1, rules=RULES, grid=GRID):
    return OnlineLocalizer(classes, grid, rules, AS_IT_IS)


def test_an_instance_by_hand():
    """Up through 0.25 between the centres 0.5 s and 1.5 s, down through it between 4.5 s and 5.5 s."""
    found = localizer().push(scores_of([0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0]))
    (one,) = found
    assert (one.start_s, one.end_s, one.label, one.emitted_s) == (1.0, 5.0, 0, 6.0)
    assert one.score == pytest.approx(0.75 - 0.0)  # mean of 1 to 4, less that of snippets 0 and 5


def test_it_is_written_when_the_end_is_seen_and_not_before():
    online, values = localizer(), [0.0, 1.0, 1.0, 0.0, 0.0]
    assert [len(online.push(scores_of([value]))) for value in values] == [0, 0, 0, 1, 0]


def test_the_end_is_that_of_the_stream_if_it_ends_first():
    online = localizer()
    assert online.push(scores_of([0.0, 0.0, 1.0, 1.0])) == []
    (one,) = online.finish()
    assert (one.start_s, one.end_s, one.emitted_s) == (1.75, 4.0, 4.0)
    assert online.finish() == []


def test_hysteresis_begins_at_the_lower_threshold_but_needs_the_higher_one():
    assert localizer().push(scores_of([0.0, 0.4, 0.4, 0.0])) == []
    (one,) = localizer().push(scores_of([0.0, 0.4, 0.6, 0.4, 0.3, 0.0]))
    assert 0.5 < one.start_s < 1.5
    assert 4.5 < one.end_s < 5.5


def test_a_gap_shorter_than_the_patience_is_part_of_the_instance():
    values = [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    patient = localizer(rules=OnlineRules(levels=(0.5,), hysteresis=0.5, patience=2)).push(scores_of(values))
    assert [(one.start_s, one.end_s, one.emitted_s) for one in patient] == [(0.75, 4.25, 6.0), (5.75, 7.25, 9.0)]
    assert len(localizer().push(scores_of(values))) == 3


def test_levels_find_instances_of_their_own_and_none_that_repeats_one_that_was_written():
    values = [0.0, 0.3, 0.3, 0.3, 0.9, 0.9, 0.3, 0.3, 0.3, 0.0]
    levels = OnlineRules(levels=(0.2, 0.8), hysteresis=1.0, tiou=0.5)
    inner, outer = localizer(rules=levels).push(scores_of(values))
    assert 3.5 < inner.start_s < inner.end_s < 6.5 < inner.emitted_s == 7.0
    assert outer.start_s < 1.5 < 8.5 < outer.end_s
    same = [0.0, 0.9, 0.9, 0.9, 0.0]
    assert len(localizer(rules=levels).push(scores_of(same))) == 1


def test_an_action_without_end_is_cut():
    online = localizer(rules=OnlineRules(levels=(0.5,), hysteresis=0.8, max_length=10))
    found = online.push(scores_of([0.0, *[1.0] * 25]))
    assert [(one.start_s, one.end_s) for one in found] == [(0.9, 11.0), (11.0, 21.0)]
    hovering = [0.0, *[0.45] * 1000, 1.0, 0.0]  # above the lower threshold for long, before it is high enough
    (one,) = localizer(rules=OnlineRules(levels=(0.5,), hysteresis=0.8, max_length=10)).push(scores_of(hovering))
    assert one.end_s - one.start_s < 10


def test_the_weights_are_those_of_the_localizer():
    probability, attention = torch.tensor([[0.0], [0.81], [0.81], [0.0]]), torch.tensor([0.0, 0.25, 0.25, 0.0])
    scores = SnippetScores(probability, attention, torch.ones(4, 1))
    online = OnlineLocalizer(1, GRID, OnlineRules(levels=(0.4,)), Localizer(attention_weight=0.5))
    (one,) = online.push(scores)
    assert one.score == pytest.approx(0.45)  # the root of 0.81 times 0.25


def test_bounds_are_put_back_by_the_lag_of_the_scores_but_not_beyond_the_ends():
    values = [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    late = OnlineLocalizer(1, GRID, RULES, AS_IT_IS, lag=1.5)
    (one,) = late.push(scores_of(values))
    assert (one.start_s, one.end_s, one.emitted_s) == (0.0, 3.5, 6.0)
    assert late.push(scores_of([0.0, 1.0, 1.0])) == []
    (rest,) = late.finish()
    assert (rest.start_s, rest.end_s) == (5.25, 9.0)


def test_a_class_that_is_improbable_so_far_counts_less():
    probability = torch.tensor([[0.0, 0.0], [0.8, 0.8], [0.0, 0.0]])
    video = torch.tensor([[0.9, 0.09]] * 3)
    online = OnlineLocalizer(2, GRID, OnlineRules(levels=(0.4,)), Localizer(attention_weight=0.0, video_power=0.25))
    likely, unlikely = sorted(online.push(SnippetScores(probability, torch.ones(3), video)))
    assert likely.label == 0
    assert unlikely.score == pytest.approx(likely.score * 0.1**0.25)


streams = st.tuples(st.integers(0, 10**6), st.integers(1, 60)).map(
    lambda given: torch.from_numpy(np.random.default_rng(given[0]).random((given[1], 3)) ** 2)
)
rules_of = st.builds(
    OnlineRules,
    levels=st.sampled_from([(0.3,), (0.2, 0.5, 0.8)]),
    hysteresis=st.sampled_from([0.5, 1.0]),
    patience=st.integers(1, 3),
    tiou=st.sampled_from([0.3, 1.0]),
    max_length=st.integers(1, 20),
)


def pushed(values, rules, sizes):
    online, found = localizer(3, rules, TimeGrid()), []
    for part in values.split(sizes):
        found += online.push(SnippetScores(part, torch.ones(len(part)), torch.ones(len(part), 3)))
    return found, online


@settings(max_examples=40, deadline=None)
@given(values=streams, rules=rules_of, data=st.data())
def test_a_part_of_the_video_gives_the_first_of_its_detections_however_it_is_cut(values, rules, data):
    whole, _ = pushed(values, rules, len(values))
    length = data.draw(st.integers(1, len(values)))
    part, online = pushed(values[:length], rules, data.draw(st.integers(1, 9)))
    assert part == whole[: len(part)]
    grid = TimeGrid()
    now_s = ((length - 1) * grid.stride + grid.window) / grid.fps
    assert all(one.emitted_s <= now_s for one in part)
    assert all(one.emitted_s > now_s for one in whole[len(part) :])
    for one in part + online.finish():
        assert 0 <= one.start_s < one.end_s <= one.emitted_s
        assert one.score > rules.min_score


def test_what_is_kept_does_not_grow():
    online = localizer(3, OnlineRules(max_length=20))
    sizes = []
    for _ in range(60):
        values = torch.from_numpy(np.random.default_rng(len(sizes)).random((20, 3)))
        online.push(SnippetScores(values, torch.ones(20), torch.ones(20, 3)))
        sizes.append((online._recent.nbytes, len(online._written)))
    assert sizes[5][0] == sizes[-1][0]
    assert max(count for _, count in sizes[30:]) <= 3 * 4 * 60  # no more than what the kept snippets can hold


def test_rules_out_of_range_are_refused():
    for wrong in ({"levels": ()}, {"levels": (1.5,)}, {"hysteresis": 0.0}, {"patience": 0}, {"max_length": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            OnlineRules(**wrong)

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wtal.functional.pooling import (
    best_snippets,
    masked_mean,
    min_max,
    running_min_max,
    running_topk_pool,
    topk_pool,
)


@pytest.mark.parametrize(("ratio", "expected"), [(1, 2.0), (2, 3.0), (9, 3.0)])
def test_pools_the_best_real_snippets(ratio, expected):
    cas = torch.tensor([[[1.0], [3.0], [9.0]]])
    mask = torch.tensor([[True, True, False]])  # the 9 is padding
    assert topk_pool(cas, mask, ratio).item() == expected


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4), ratio=st.integers(1, 10), seed=st.integers(0, 99))
def test_topk_pool_equals_a_loop_over_videos(lengths, ratio, seed):
    cas = torch.randn(len(lengths), max(lengths), 3, generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    slow = torch.stack(
        [
            video[:n].sort(0, descending=True)[0][: max(1, n // ratio)].mean(0)
            for video, n in zip(cas, lengths, strict=True)
        ]
    )
    torch.testing.assert_close(topk_pool(cas, mask, ratio), slow)


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4), ratio=st.integers(1, 10), seed=st.integers(0, 99))
def test_best_snippets_are_those_that_topk_pool_averages(lengths, ratio, seed):
    scores = torch.randn(len(lengths), max(lengths), generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    chosen = best_snippets(scores, mask, ratio)
    assert chosen.sum(dim=1).tolist() == [max(1, n // ratio) for n in lengths]
    torch.testing.assert_close(masked_mean(scores, chosen), topk_pool(scores[..., None], mask, ratio)[:, 0])


def test_best_snippets_are_real_even_where_all_scores_are_ruled_out():
    mask = torch.tensor([[True, True, False]])
    assert best_snippets(torch.full((1, 3), -torch.inf), mask, 1).tolist() == [[True, True, False]]


def test_topk_pool_refuses_a_video_of_padding_and_shapes_that_disagree():
    with pytest.raises(ValueError, match="at least one real snippet"):
        topk_pool(torch.zeros(1, 2, 1), torch.zeros(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="disagree"):
        topk_pool(torch.zeros(1, 2, 1), torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="ratio"):
        topk_pool(torch.zeros(1, 2, 1), torch.ones(1, 2, dtype=torch.bool), ratio=0)


def test_topk_pool_gives_no_gradient_to_padding():
    cas = torch.randn(2, 5, 3, requires_grad=True)
    mask = torch.arange(5) < torch.tensor([5, 2])[:, None]
    topk_pool(cas, mask, 1).sum().backward()
    assert cas.grad[1, 2:].abs().max() == 0
    assert torch.isfinite(cas.grad).all()


def test_masked_mean_counts_real_snippets_only():
    values = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert masked_mean(values, torch.tensor([[True, True, False]])).item() == 2
    assert masked_mean(values, torch.zeros(1, 3, dtype=torch.bool)).item() == 0


def test_min_max_is_blind_to_shift_scale_and_padding():
    values, mask = torch.rand(3, 9), torch.arange(9) < torch.tensor([9, 4, 1])[:, None]
    stretched = min_max(values, mask)
    torch.testing.assert_close(min_max(values.masked_fill(~mask, 50) * 3 + 7, mask), stretched)
    assert stretched[0].max() == 1
    assert stretched[0].min() == 0
    assert stretched[2].abs().max() == 0  # one snippet: constant


@given(
    length=st.integers(1, 30),
    ratio=st.integers(1, 9),
    horizon=st.integers(1, 40),
    newest=st.integers(1, 30) | st.none(),
)
def test_running_pool_is_the_pool_of_each_beginning(length, ratio, horizon, newest):
    cas = torch.randn(length, 3, generator=torch.Generator().manual_seed(length))
    newest = None if newest is None else min(newest, length)
    seen = [cas[max(0, last - horizon + 1) : last + 1] for last in range(length)]
    slow = torch.cat([topk_pool(part[None], torch.ones(1, len(part), dtype=torch.bool), ratio) for part in seen])
    found = running_topk_pool(cas, ratio, horizon, newest)
    torch.testing.assert_close(found, slow[-(newest or length) :], rtol=1e-5, atol=1e-6)


@given(length=st.integers(1, 30), past=st.integers(0, 40))
def test_running_scale_is_that_of_each_beginning(length, past):
    values = torch.randn(1, length, generator=torch.Generator().manual_seed(length))
    mask = torch.ones(1, length, dtype=torch.bool)
    seen = [values[:, max(0, last - past) : last + 1] for last in range(length)]
    slow = torch.stack([min_max(part, mask[:, : part.shape[1]])[0, -1] for part in seen])
    torch.testing.assert_close(running_min_max(values, mask, past)[0], slow)


def test_running_numbers_must_be_positive():
    with pytest.raises(ValueError, match="horizon"):
        running_topk_pool(torch.zeros(3, 2), ratio=1, horizon=0)

"""From snippet scores to video scores: masked means and top-k multiple-instance pooling."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["best_snippets", "masked_mean", "min_max", "running_min_max", "running_topk_pool", "topk_pool"]

_is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", lambda: False)  # since torch 2.7


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average over the real snippets of each video.

    Args:
        values: Values of the snippets, ``(B, T, ...)``.
        mask: True on the snippets that count, ``(B, T)``.

    Returns:
        Means, ``(B, ...)``; zero for a video without any such snippet.
    """
    weight = mask.reshape(*mask.shape, *[1] * (values.dim() - 2)).to(values.dtype)
    return (values * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def topk_pool(cas: Tensor, mask: Tensor, ratio: int = 8) -> Tensor:
    """Pool snippet scores into video scores by averaging the best ones (top-k MIL).

    A video with ``n`` real snippets casts ``k = max(1, n // ratio)`` votes per class.

    Args:
        cas: Class logits, ``(B, T, C)``.
        mask: True on real snippets, ``(B, T)``.
        ratio: Real snippets per vote, at least 1.

    Returns:
        Video logits, ``(B, C)``.

    Raises:
        ValueError: If shapes disagree, ``ratio < 1`` or a video has no real snippet.

    Source:
        W-TALC, arXiv:1807.10418. Floor as in CO2-Net; W-TALC's own code takes the ceiling.

    >>> cas = torch.tensor([[[1.0], [3.0], [9.0]]])
    >>> topk_pool(cas, torch.tensor([[True, True, False]]), ratio=2)
    tensor([[3.]])
    """
    if ratio < 1:
        raise ValueError(f"`ratio` must be at least 1, got {ratio}.")
    if cas.shape[:2] != mask.shape:
        raise ValueError(f"`cas` {tuple(cas.shape)} and `mask` {tuple(mask.shape)} disagree.")
    real = mask.sum(dim=1, keepdim=True)  # (B, 1)
    k = (real // ratio).clamp(min=1)
    masked = cas.masked_fill(~mask[..., None], -torch.inf)
    if _is_exporting():  # an exported graph must not depend on values
        best = masked.sort(dim=1, descending=True).values
    elif (real == 0).any():
        raise ValueError("Every video needs at least one real snippet.")
    else:
        best = masked.topk(int(k.max()), dim=1).values
    votes = torch.arange(best.shape[1], device=cas.device) < k  # (B, K)
    return best.masked_fill(~votes[..., None], 0).sum(dim=1) / k


def running_topk_pool(cas: Tensor, ratio: int, horizon: int, newest: int | None = None) -> Tensor:
    """What :func:`topk_pool` gives at each snippet for what was seen so far, of which the last ``horizon`` count.

    Args:
        cas: Class logits of one video, ``(T, C)``.
        ratio: Snippets per vote, at least 1.
        horizon: Number of snippets that count, the newest included.
        newest: Number of last snippets for which it is computed; None for all, ``T``.

    Returns:
        Video logits at each of these snippets, ``(newest, C)``.

    Raises:
        ValueError: If ``ratio`` or ``horizon`` is less than 1.

    >>> running_topk_pool(torch.tensor([[1.0], [3.0], [2.0], [0.0]]), ratio=1, horizon=2).T
    tensor([[1.0000, 2.0000, 2.5000, 1.0000]])
    """
    if ratio < 1 or horizon < 1:
        raise ValueError(f"`ratio` and `horizon` must be at least 1, got {ratio} and {horizon}.")
    length, first = min(horizon, len(cas)), len(cas) - (len(cas) if newest is None else newest)
    seen = F.pad(cas.T, (length - 1, 0), value=-torch.inf).unfold(1, length, 1)[:, first:]  # (C, newest, length)
    k = (torch.arange(first + 1, len(cas) + 1, device=cas.device).clamp(max=horizon) // ratio).clamp(min=1)
    best = seen.topk(max(1, length // ratio), dim=2).values
    votes = torch.arange(best.shape[2], device=cas.device) < k[:, None]  # (newest, K)
    return (best.masked_fill(~votes, 0).sum(dim=2) / k).T


def best_snippets(scores: Tensor, mask: Tensor, ratio: int) -> Tensor:
    """The real snippets of highest score; per video as many as there are votes in :func:`topk_pool`.

    Args:
        scores: Scores of the snippets, ``(B, T)``.
        mask: True on real snippets, ``(B, T)``.
        ratio: Real snippets per chosen one, at least 1.

    Returns:
        True on the chosen snippets, ``(B, T)``; of equal scores the earlier ones are chosen.

    >>> best_snippets(torch.tensor([[1.0, 3.0, 2.0, 9.0]]), torch.tensor([[True, True, True, False]]), ratio=1)
    tensor([[ True,  True,  True, False]])
    >>> best_snippets(torch.tensor([[1.0, 3.0, 2.0, 9.0]]), torch.tensor([[True, True, True, False]]), ratio=3)
    tensor([[False,  True, False, False]])
    """
    order = scores.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
    k = (mask.sum(dim=1, keepdim=True) // ratio).clamp(min=1)
    first = torch.arange(mask.shape[1], device=mask.device) < k
    return torch.zeros_like(mask).scatter(1, order, first) & mask


def min_max(values: Tensor, mask: Tensor) -> Tensor:
    """Scale the values of each video to [0, 1] over its real snippets.

    Args:
        values: Values of the snippets, ``(B, T)``.
        mask: True on real snippets, ``(B, T)``.

    Returns:
        Scaled values, ``(B, T)``; zero on padding and in a video of constant value.

    >>> min_max(torch.tensor([[2.0, 4.0, 3.0, 9.0]]), torch.tensor([[True, True, True, False]]))
    tensor([[0.0000, 1.0000, 0.5000, 0.0000]])
    """
    low = values.masked_fill(~mask, torch.inf).amin(dim=1, keepdim=True)
    high = values.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
    span = (high - low).clamp(min=torch.finfo(values.dtype).tiny)
    return ((values - low) / span).masked_fill(~mask, 0)


def running_min_max(values: Tensor, mask: Tensor, past: int) -> Tensor:
    """Scale each value to [0, 1] among itself and ``past`` earlier ones of its video.

    Args:
        values: Values of the snippets, ``(B, T)``.
        mask: True on real snippets, ``(B, T)``, which come first.
        past: Number of earlier snippets.

    Returns:
        Scaled values, ``(B, T)``; zero on padding, and where all that was seen is the same.

    >>> running_min_max(torch.tensor([[2.0, 4.0, 3.0, 9.0]]), torch.tensor([[True, True, True, False]]), past=5)
    tensor([[0.0000, 1.0000, 0.5000, 0.0000]])
    """
    before = F.pad(values, (past, 0), value=-torch.inf)
    high = F.max_pool1d(before, past + 1, 1)
    low = -F.max_pool1d(F.pad(-values, (past, 0), value=-torch.inf), past + 1, 1)
    span = (high - low).clamp(min=torch.finfo(values.dtype).tiny)
    return ((values - low) / span).masked_fill(~mask, 0)

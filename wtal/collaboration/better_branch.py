"""Which branch of a pair locates the classes better, as far as the video labels of the training videos tell."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_average_precision

from wtal.data.profiles import SEVERAL
from wtal.types import SnippetScores

__all__ = ["better_branch", "label_precision"]

_CLEARLY = 0.05  # precision by which a branch must be ahead: 0.16 to 0.18 on 50 Salads, at most 0.01 on gestures


def label_precision(scores: SnippetScores, labels: Tensor, mask: Tensor) -> Tensor:
    """How well the scores of single snippets rank the classes that a video shows above those that it does not.

    Where a video shows several classes, a branch can only do so if it tells them apart snippet by snippet. Where it
    shows one, the scene is enough.

    Args:
        scores: Scores of full-length videos; ``probability`` is ``(B, T, C)``, ``attention`` is ``(B, T)``.
        labels: Multi-hot labels of the videos, ``(B, C)``.
        mask: True on real snippets, ``(B, T)``.

    Returns:
        Average precision of each video over all pairs of a snippet and a class, ranked by probability times
        actionness, ``(B,)``; NaN for a video that shows no class.
    """
    found = []
    evidence = (scores.probability * scores.attention[..., None]).float().clamp(0, 1)
    for of_video, shown, real in zip(evidence, labels > 0, mask, strict=True):
        if not shown.any():
            found.append(evidence.new_tensor(float("nan")))
            continue
        target = shown.expand(int(real.sum()), -1).long()
        found.append(binary_average_precision(of_video[real].flatten(), target.flatten()))
    return torch.stack(found)


def better_branch(precisions: Mapping[str, float], labels: float) -> str | None:
    """The branch that locates the classes clearly better, if there is one.

    Args:
        precisions: Mean label precision of both branches by name, the first one (CBP) first.
        labels: Mean number of labels of a video. If it is small, the precisions tell who knows the scene, and the
            premise of the paper stands: the first branch is the better one.

    >>> [better_branch({"cbp": cbp, "vlp": vlp}, labels=2.7) for cbp, vlp in ((0.49, 0.67), (0.52, 0.52), (0.6, 0.5))]
    ['vlp', None, 'cbp']
    >>> better_branch({"cbp": 0.49, "vlp": 0.67}, labels=1.1)
    'cbp'
    """
    first = next(iter(precisions))
    if labels < SEVERAL:
        return first
    if max(precisions.values()) - min(precisions.values()) < _CLEARLY:
        return None
    return max(precisions, key=precisions.__getitem__)

"""The weights of a late fusion that suit held-out training videos best."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple, cast

import pandas as pd
import torch
from pytorch_lightning.utilities import move_data_to_device

from wtal.branches.localization import each_video
from wtal.collaboration import CollaborationModule, Fusion
from wtal.data import SnippetDataModule
from wtal.errors import ConfigError
from wtal.localization.localizer import Localizer
from wtal.tasks import task_of
from wtal.types import SnippetBatch, SnippetScores

__all__ = ["Weights", "candidates", "held_out_map", "in_words", "without_segments"]

_PROBABILITY, _ATTENTION, _VIDEO = (0.25, 0.5, 0.75), (0.25, 0.5, 0.9), (0.25, 0.75)
_ATTENTION_WEIGHT = 0.4  # tried if the configuration's own is 0
_MOST_VIDEOS = 200


@dataclass(frozen=True)
class Weights:
    """What is chosen for a late fusion; see :class:`Fusion` and :class:`Localizer`."""

    probability: float
    attention: float
    video: float
    attention_weight: float

    @classmethod
    def of(cls, fusion: Fusion, localizer: Localizer) -> "Weights":
        """The weights that a model has."""
        return cls(fusion.probability, fusion.attention, fusion.video, localizer.attention_weight)

    @property
    def settings(self) -> dict[str, float]:
        """The weights by their names in the configuration of a collaboration."""
        fusion = {f"fusion.{name}": getattr(self, name) for name in ("probability", "attention", "video")}
        return fusion | {"localizer.attention_weight": self.attention_weight}


def in_words(settings: Mapping[str, float]) -> str:
    """Chosen settings in words.

    >>> in_words(Weights(0.5, 0.9, 0.25, 0).settings)
    'probability 0.5, attention 0.9, video 0.25, attention_weight 0'
    """
    return ", ".join(f"{name.rpartition('.')[2]} {value:g}" for name, value in settings.items())


def candidates(configured: Weights) -> list[Weights]:
    """The weights to try, those of the configuration first.

    Without actionness in the localizer its share in the fusion has no effect, so it is varied only with actionness.
    """
    weighted = configured.attention_weight or _ATTENTION_WEIGHT
    others = [Weights(*shares, weighted) for shares in product(_PROBABILITY, _ATTENTION, _VIDEO)]
    others += [Weights(p, configured.attention, v, 0.0) for p, v in product(_PROBABILITY, _VIDEO)]
    return list(dict.fromkeys([configured, *others]))


def without_segments(data: SnippetDataModule) -> str:
    """Why nothing can be measured on held-out training videos; empty if it can."""
    segments = data.annotations.segments
    if not segments["video_id"].isin(data.train_table().index).any():
        return f"the training videos of {data.annotations.path} have no segments"
    try:
        data.split_table("val")
    except ConfigError as error:
        return str(error).rstrip(".")
    return ""


class _Seen(NamedTuple):
    row: int
    first: SnippetScores
    second: SnippetScores


def held_out_map(model: CollaborationModule, data: SnippetDataModule) -> pd.DataFrame:
    """The task's main measure of a late fusion on held-out training videos, for all weights to try.

    Each branch scores each video once. Of more than 200 videos only some are used, evenly spread over all.

    Args:
        model: A trained pair.
        data: Its data, which may show the segments of held-out videos.

    Returns:
        One row per weights, best first: the weights, the measure (``mAP``) and the number of ``videos``.
    """
    videos, seen, task = data.videos("val"), _scored(model, data), task_of(data.benchmark)
    truth = task.truth(data, "val")
    assert truth is not None
    truth = truth[torch.isin(truth[:, 0].long(), torch.tensor([one.row for one in seen]))]
    rows = []
    for weights in candidates(Weights.of(model.fusion, model.localizer)):
        fusion = replace(
            model.fusion, probability=weights.probability, attention=weights.attention, video=weights.video
        )
        localizer = replace(model.localizer, attention_weight=weights.attention_weight)
        quality = task.main_metric(data.benchmark)
        for one in seen:
            scores = fusion(one.first, one.second)
            task.add_video(quality, one.row, scores, localizer(scores, videos[one.row]))
        task.add_truth(quality, truth)
        rows.append(weights.settings | {task.main: float(quality.compute()[task.main]), "videos": len(seen)})
    return pd.DataFrame(rows).sort_values(task.main, ascending=False, kind="stable").reset_index(drop=True)


@torch.inference_mode()
def _scored(model: CollaborationModule, data: SnippetDataModule) -> Sequence[_Seen]:
    """The scores of both branches for the held-out videos."""
    count, seen = len(data.videos("val")), []
    batches = cast(Iterable[SnippetBatch], data.val_dataloader())
    wanted = set(range(0, count, -(-count // _MOST_VIDEOS)))
    was_training = model.training
    model.eval()
    for batch in batches:
        if not wanted.isdisjoint(batch.video.tolist()):
            here = move_data_to_device(batch, model.device)
            both = (each_video(branch.scores(here), here) for branch in model.branches.values())
            seen += [_Seen(row, *pair) for row, *pair in zip(batch.video.tolist(), *both, strict=True)]
    model.train(was_training)
    return [one for one in seen if one.row in wanted]

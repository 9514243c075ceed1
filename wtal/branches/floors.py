"""Learn from the training videos which scores a model gives where there is no action."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor

from wtal.branches.localization import LocalizationModule, each_video
from wtal.data.datamodule import SnippetDataModule
from wtal.localization.floor import floors_of
from wtal.nn.modes import evaluating
from wtal.types import SnippetBatch, SnippetScores, Video

__all__ = ["learn_floors"]

_MOST_VIDEOS = 200
_OTHERS = 3  # most probable classes besides those of a video that are localized in it
_ALL = 1_000_000  # detections
_LEAST_SNIPPETS = 4  # of a video of which the quieter half is taken

Floors = dict[str, dict[str, float]]


@torch.no_grad()
def learn_floors(model: LocalizationModule, data: SnippetDataModule) -> Floors:
    """For each source and class, the score below which a video's best detection is more likely noise than an action.

    It separates the best scores of a class in the training videos that show it from those of other classes, and from
    those of all classes where there is no action: in training videos without a label, and in the quieter half of each
    of the others, taken for a video of its own. Segments are not used.

    Args:
        model: The trained model; its modes stay as they are.
        data: Its training data, of which at most 200 videos, evenly chosen, are read.

    Returns:
        Scores by class by source; see :func:`~wtal.localization.floor.floors_of`.
    """
    videos, dataset = data.videos("train"), data.dataset("train")
    step = max(1, -(-len(videos) // _MOST_VIDEOS))
    actions, rest = ({s: {name: [] for name in model.class_names} for s in model.sources} for _ in range(2))  # type: ignore[var-annotated]
    with evaluating(model):
        for row in range(0, len(videos), step):
            batch = move_data_to_device(dataset.collate([dataset[row]]), model.device)
            own = batch.labels[0].bool().cpu()
            scores = model.all_scores(batch)
            for source, name, score, is_own in _best(model, scores, batch, videos[row], own):
                (actions if is_own else rest)[source][name].append(score)
            if own.any() and batch.mask.shape[1] >= _LEAST_SNIPPETS:
                quiet = _quieter_half(batch, scores[model.sources[-1]])
                for source, name, score, _ in _best(model, model.all_scores(quiet), quiet, videos[row], own & False):
                    rest[source][name].append(score)
    return {source: floors_of(actions[source], rest[source]) for source in model.sources}


def _best(
    model: LocalizationModule, scores: dict[str, SnippetScores], batch: SnippetBatch, video: Video, own: Tensor
) -> Iterator[tuple[str, str, float, bool]]:
    """Source, class, best score and whether it is a class of the video, for its classes and the likeliest others."""
    localizer = replace(model.localizer, suppression="none", max_detections=_ALL)  # which leaves the best scores
    for source, batched in scores.items():
        (seen,) = each_video(batched, batch)
        others = seen.video.masked_fill(own, -1).topk(min(_OTHERS, int((~own).sum()))).indices
        labels = torch.cat([own.nonzero().squeeze(1), others])  # with the most probable, to which scores are relative
        found = localizer(seen.of_classes(labels), video)
        for place, label in enumerate(labels.tolist()):
            of_class = found.score[found.label == place]  # best first
            best = float(of_class[0]) if len(of_class) else localizer.min_score
            yield source, model.class_names[label], best, bool(own[label])


def _quieter_half(batch: SnippetBatch, scores: SnippetScores) -> SnippetBatch:
    """The half of a single video's snippets that least resemble an action, in their order."""
    activity = (scores.attention[0] * scores.probability[0].amax(dim=1)).float()
    keep = activity.argsort()[: len(activity) // 2].sort().values
    streams = {name: rows[:, keep] for name, rows in batch.streams.items()}
    return batch._replace(streams=streams, mask=batch.mask[:, keep], grid_index=batch.grid_index[:, keep])

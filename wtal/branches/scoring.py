"""Score whole videos with a model, outside any trainer."""

from collections.abc import Sequence

import torch
from lightning_fabric.utilities import move_data_to_device
from torch.utils.data import DataLoader

from wtal.branches.localization import LocalizationModule, each_video
from wtal.data.datamodule import SnippetDataModule, Split
from wtal.errors import ConfigError
from wtal.localization.scored import VideoScores

__all__ = ["score_videos"]


@torch.no_grad()
def score_videos(
    model: LocalizationModule, data: SnippetDataModule, split: Split, videos: Sequence[str] | None = None
) -> dict[str, VideoScores]:
    """Score the snippets of whole videos, on the model's device and in its current mode.

    Args:
        model: The model, in evaluation mode; its marks are added to the name of the data's benchmark.
        data: Data with the model's classes.
        split: Split of the videos, ``test``, ``train`` or ``val``.
        videos: Names of some of its videos; None for all.

    Returns:
        Scores by name of the video, in the order of the split, on the CPU.

    Raises:
        ConfigError: If a video is not in the split.
    """
    model.film(data, split)
    known, dataset = data.videos(split), data.dataset(split)
    loader = DataLoader(
        dataset,
        batch_size=data.eval_batch_size,
        sampler=_rows([video.video_id for video in known], split, videos),
        num_workers=data.num_workers,
        collate_fn=dataset.collate,
    )
    for mark in model.marks:
        data.mark_benchmark(mark)
    found: dict[str, VideoScores] = {}
    for batch in loader:
        scores = model.all_scores(move_data_to_device(batch, model.device))
        parts = {source: each_video(batched, batch) for source, batched in scores.items()}
        for place, row in enumerate(batch.video.tolist()):
            sources = {source: videos_of_batch[place] for source, videos_of_batch in parts.items()}
            found[known[row].video_id] = VideoScores(
                model.on_time(known[row]), sources, model.class_names, model.localizer, model.views
            )
    return found


def _rows(names: Sequence[str], split: Split, wanted: Sequence[str] | None) -> Sequence[int]:
    if wanted is None:
        return range(len(names))
    place = {name: row for row, name in enumerate(names)}
    unknown = [name for name in wanted if name not in place]
    if unknown:
        raise ConfigError(f"{unknown[0]!r} is not among the {len(names)} {split} videos, such as {names[0]!r}.")
    return sorted({place[name] for name in wanted})

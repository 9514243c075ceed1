"""A small supervised network on snippet features: what noisy features allow, as a reference and not as a method."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from wtal.data.datamodule import SnippetDataModule
from wtal.types import Split, Video

STEPS, BATCH, CROP, WIDTH = 400, 10, 128, 128
ACTION = 10.0  # how much more an annotated snippet counts, as few are


def probe_scores(data: SnippetDataModule, streams: Sequence[str], seed: int = 0) -> Callable[[Video], np.ndarray]:
    """Train two layers of convolution on the annotated share of the training snippets.

    Channels are centred, and each stream is scaled as a whole: scaling single channels would raise those of mere noise.

    Returns:
        Function of a test video that gives probabilities, ``(T, C)``.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    videos = data.videos("train")
    rows = [read(data, "train", video, streams) for video in videos]
    labels = [shares(data, video) for video in videos]
    mean, scale = centre_and_scale(data, streams)
    net = nn.Sequential(
        nn.Dropout(0.2),
        nn.Conv1d(len(mean), WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv1d(WIDTH, len(data.class_names), 3, padding=1),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)

    def prepared(part: np.ndarray) -> Tensor:
        return ((torch.tensor(part, dtype=torch.float32) - mean) / scale).T

    for _ in range(STEPS):
        crops, targets = [], []
        for number in rng.integers(0, len(videos), BATCH):
            start = rng.integers(0, max(1, len(rows[number]) - CROP))
            crop = prepared(rows[number][start : start + CROP])
            target = labels[number][start : start + CROP]
            crops.append(nn.functional.pad(crop, (0, CROP - crop.shape[1])))
            targets.append(np.pad(target, ((0, CROP - len(target)), (0, 0))))
        wanted = torch.tensor(np.stack(targets), dtype=torch.float32).transpose(1, 2)
        logits = net(torch.stack(crops))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted, weight=1 + ACTION * wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()

    @torch.no_grad()
    def scores(video: Video) -> np.ndarray:
        return net(prepared(read(data, "test", video, streams))[None])[0].sigmoid().T.numpy()

    return scores


def read(data: SnippetDataModule, split: Split, video: Video, streams: Sequence[str]) -> np.ndarray:
    """Features of a video, streams side by side."""
    found = data.split(split).features.read(video.video_id, slice(None))
    return np.concatenate([np.asarray(found[name], np.float16) for name in streams], axis=1)


def centre_and_scale(data: SnippetDataModule, streams: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Mean of each channel, and the deviation of all channels of its stream together, ``(D,)`` each."""
    means, scales = [], []
    for name in streams:
        mean, deviation = data.feature_statistics(name)
        means.append(mean)
        scales.append(deviation.square().mean().sqrt().expand(len(mean)))
    return torch.cat(means), torch.cat(scales)


def shares(data: SnippetDataModule, video: Video) -> np.ndarray:
    """Share of each snippet that is annotated, by class, ``(T, C)``."""
    found = np.zeros((video.num_snippets, len(data.class_names)))
    segments, index = data.annotations.segments, np.arange(video.num_snippets)
    for _, label, start_s, end_s in segments[segments["video_id"] == video.video_id].itertuples(index=False):
        start, end = video.grid.index_of(start_s), video.grid.index_of(end_s)
        share = np.clip(np.minimum(end, index + 1) - np.maximum(start, index), 0, 1)
        place = data.class_names.index(label)
        found[:, place] = np.maximum(found[:, place], share)
    return found

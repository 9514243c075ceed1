"""A small supervised network on snippet features: what noisy features allow, as a reference and not as a method."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from wtal.data.datamodule import SnippetDataModule
from wtal.types import Video

_STEPS, _BATCH, _CROP, _WIDTH = 400, 16, 128, 256


def probe_scores(data: SnippetDataModule, streams: Sequence[str], seed: int = 0) -> Callable[[Video], np.ndarray]:
    """Train two layers of convolution on the annotated share of the training snippets.

    Returns:
        Function of a test video that gives probabilities, ``(T, C)``.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    videos = data.videos("train")
    rows = [_read(data, "train", video, streams) for video in videos]
    labels = [_shares(data, video) for video in videos]
    sample = np.concatenate([part[::8].astype(np.float32) for part in rows])
    mean, std = torch.tensor(sample.mean(axis=0)), torch.tensor(sample.std(axis=0)) + 1e-6
    net = nn.Sequential(
        nn.Conv1d(sample.shape[1], _WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv1d(_WIDTH, len(data.class_names), 3, padding=1),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)

    def prepared(part: np.ndarray) -> Tensor:
        return ((torch.tensor(part, dtype=torch.float32) - mean) / std).T

    for _ in range(_STEPS):
        crops, targets = [], []
        for number in rng.integers(0, len(videos), _BATCH):
            start = rng.integers(0, max(1, len(rows[number]) - _CROP))
            crop = prepared(rows[number][start : start + _CROP])
            target = labels[number][start : start + _CROP]
            crops.append(nn.functional.pad(crop, (0, _CROP - crop.shape[1])))
            targets.append(np.pad(target, ((0, _CROP - len(target)), (0, 0))))
        logits = net(torch.stack(crops))
        wanted = torch.tensor(np.stack(targets), dtype=torch.float32).transpose(1, 2)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()

    @torch.no_grad()
    def scores(video: Video) -> np.ndarray:
        return net(prepared(_read(data, "test", video, streams))[None])[0].sigmoid().T.numpy()

    return scores


def _read(data: SnippetDataModule, split: str, video: Video, streams: Sequence[str]) -> np.ndarray:
    found = data.split(split).features.read(video.video_id, slice(None))
    return np.concatenate([np.asarray(found[name], np.float16) for name in streams], axis=1)


def _shares(data: SnippetDataModule, video: Video) -> np.ndarray:
    """Share of each snippet that is annotated, by class, ``(T, C)``."""
    shares = np.zeros((video.num_snippets, len(data.class_names)))
    segments, index = data.annotations.segments, np.arange(video.num_snippets)
    for _, label, start_s, end_s in segments[segments["video_id"] == video.video_id].itertuples(index=False):
        start, end = video.grid.index_of(start_s), video.grid.index_of(end_s)
        share = np.clip(np.minimum(end, index + 1) - np.maximum(start, index), 0, 1)
        place = data.class_names.index(label)
        shares[:, place] = np.maximum(shares[:, place], share)
    return shares

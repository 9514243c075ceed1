"""Seconds of a training iteration of each head, and of localizing a test set.

Heads: batch 10, 320 snippets, I3D 2048 or CLIP 512, AdamW, bf16 autocast; the ratio is to the plain
attention-MIL head in the same run. Width 2048 is that of the published codes. Localizer: 212 made-up
videos of THUMOS14's mean length. Medians.
"""

import argparse
import resource
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.localization.localizer import Localizer
from wtal.nn.heads import AttentionMILHead, BaSNetHead, CO2Head, DELUHead, TextHead, UMHead
from wtal.nn.prompts import FileText
from wtal.types import SnippetScores, TimeGrid, Video

CLASSES = [f"class {number}" for number in range(20)]


def seconds(head, dim, repeats):
    optimizer = torch.optim.AdamW(head.parameters())
    features, mask = torch.randn(10, 320, dim), torch.ones(10, 320, dtype=torch.bool)
    labels = torch.eye(20)[torch.randint(20, (10,))]
    took = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            out = head(features, mask)
        loss = sum(head.losses(out, mask, labels).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        took.append(time.perf_counter() - start)
    return median(took[1:])


def localize(localizer):
    generator = torch.Generator().manual_seed(0)
    video = Video("video", 338, TimeGrid(), 338 * 0.64)
    start = time.perf_counter()
    for _ in range(212):
        walk = torch.randn(338, 20, generator=generator).cumsum(0)
        walk = (walk - walk.mean(0)) / walk.std(0)
        labels = torch.zeros(20)
        labels[torch.randint(20, (2,), generator=generator)] = 0.6
        localizer(SnippetScores(walk.sigmoid(), walk[:, 0].sigmoid(), labels), video)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.npy"
        np.save(path, np.random.default_rng(0).standard_normal((20, 512)).astype(np.float32))
        heads = {
            "attention-MIL": (AttentionMILHead(CLASSES), 2048),
            "BaS-Net": (BaSNetHead(CLASSES), 2048),
            "CO2-Net": (CO2Head(CLASSES), 2048),
            "UM": (UMHead(CLASSES), 2048),
            "DELU": (DELUHead(CLASSES), 2048),
            "BaS-Net, 2048": (BaSNetHead(CLASSES, hidden=2048), 2048),
            "CO2-Net, 2048": (CO2Head(CLASSES, hidden=2048), 2048),
            "UM, 2048": (UMHead(CLASSES, hidden=2048), 2048),
            "text (VLP)": (TextHead(CLASSES, partial(FileText, path=path)), 512),
        }
    took = {name: seconds(head, dim, repeats) for name, (head, dim) in heads.items()}
    print(f"{torch.get_num_threads()} threads")
    for name, value in took.items():
        print(f"{name:14s} {value:6.3f} s an iteration   {value / took['attention-MIL']:5.2f} x attention-MIL")
    print(f"localizing 212 videos: {localize(Localizer()):.2f} s")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()

"""Seconds and memory of a training step of learned prompts, against one run of the whole tower for every class.

ViT-B-16 with random weights: neither depends on their values. Each row is measured in a process of its own.
Memory is the peak over that of the model (on a CPU: Linux alone).
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.nn.prompts import PromptedText

WAYS = ("whole tower", "cut", "packed", "packed, checkpointed")


def measure(way: str, classes: int, model: str, chunk: int, device: str, repeats: int) -> dict[str, float]:
    """Forward and backward, the best of several."""
    names = [f"class number {c}" for c in range(classes)]  # three words
    text = PromptedText(names, model, "random", checkpointed=way.endswith("checkpointed"), chunk=chunk).to(device)
    (tower,) = text._tower
    whole = F.pad(text.ids, (0, tower.tokenizer(["a"]).shape[1] - text.ids.shape[1]))
    context = text.context.expand(classes, -1, -1)
    features = {
        "whole tower": lambda: F.normalize(tower._encode(whole, text.places, context), dim=1),
        "cut": lambda: tower.encode(text.ids, context, text.places),
    }.get(way, text)
    tower.model.to(device)
    forget_peak(device)
    before, seconds = peak(device), []
    for _ in range(repeats):
        start = time.perf_counter()
        features().square().sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "gib": peak(device) - before}


def forget_peak(device: str) -> None:
    """What is held now becomes the most that was held."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: str) -> float:
    """The most that was held so far, in GiB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, nargs="+", default=[20, 100, 200])
    parser.add_argument("--model", default="ViT-B-16")
    parser.add_argument("--chunk", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--row", nargs=2, metavar=("WAY", "CLASSES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    common = {"model": args.model, "chunk": args.chunk, "repeats": args.repeats, "device": args.device}
    if args.row:
        print(json.dumps(measure(args.row[0], int(args.row[1]), **common)))
        return
    print(f"{'classes':>7}  {'way':<22}{'s a step':>10}{'faster':>9}{'GiB':>8}")
    for classes in args.classes:
        base = 0.0
        for way in WAYS:
            options = [f"--{name}={value}" for name, value in common.items()]
            command = [sys.executable, "-W", "ignore", __file__, *options, "--row", way, str(classes)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            base = base or found["seconds"]
            ratio = base / found["seconds"]
            print(f"{classes:>7}  {way:<22}{found['seconds']:>10.3f}{ratio:>8.1f}x{found['gib']:>8.2f}", flush=True)


if __name__ == "__main__":
    main()

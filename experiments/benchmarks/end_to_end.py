"""Memory and time of a training step from video against the share that is encoded again, and one step at full size.

    python experiments/benchmarks/end_to_end.py                         # a small encoder: table and plot
    python experiments/benchmarks/end_to_end.py --full VIDEO            # ViT-B/16 and I3D with random weights

Each case runs in a process of its own, whose largest resident memory beyond that of its start is measured.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.branches import EncodedStream, Encoding
from wtal.nn.adapters import Adaptation
from wtal.nn.encoders import I3DEncoder, ImageEncoder, SnippetEncoder, TinyMotionEncoder
from wtal.types import Clips, Pixels, SnippetBatch
from wtal.video import Film

SHARES = (0.125, 0.25, 0.5, 1.0)
CHUNK = 8


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def step(encoder: SnippetEncoder, kind: str, pixels: Pixels, length: int, plain: bool, targets: str = "") -> dict:
    """Seconds and MiB of forward and backward over a video of which some snippets are encoded."""
    encoded = EncodedStream("video", encoder, Encoding(Adaptation(kind, targets), chunk=CHUNK)).train()
    rows = torch.randn(1, length, encoder.dim)
    place = torch.arange(pixels.length)
    before, began, cpu = peak_mib(), time.perf_counter(), time.process_time()
    if plain:
        parts = [encoder(pixels.part(slice(i, i + CHUNK))) for i in range(0, pixels.length, CHUNK)]
        features = rows.index_put((torch.zeros_like(place), place), torch.cat(parts))
    else:
        real = torch.ones(1, length, dtype=torch.bool)
        clips = {"video": (Clips(place, pixels),)}
        batch = SnippetBatch({"video": rows}, real, real.long(), real[:, :1].float(), torch.zeros(1).long(), clips)
        features = encoded(batch)
    features.square().mean().backward()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"seconds": seconds, "cpu_s": cpu, "extra_mib": peak_mib() - before, "peak_mib": peak_mib()}


def small_case(length: int, share: float, plain: bool) -> dict:
    """One step of the small encoder on frames of 96 pixels."""
    torch.manual_seed(0)
    count = max(1, round(length * share))
    pixels = Pixels(rgb=torch.randint(256, (count, 8, 96, 96, 3), dtype=torch.uint8))
    step(TinyMotionEncoder(), "full", pixels.part(slice(0, 1)), 1, plain=False)  # what torch loads once
    return step(TinyMotionEncoder(), "full", pixels, length, plain)


def full_case(which: str, video: Path, snippets: int) -> dict:
    """One step of a network at full size on the first snippets of a video."""
    if which == "vit":
        encoder: SnippetEncoder = ImageEncoder("ViT-B-16", "random")
        kind, targets = "low_rank", ""
    else:
        encoder, kind, targets = I3DEncoder(("rgb",), random_weights=True), "low_rank", "Mixed_[45]"
    pixels = Film("video", video, encoder.look).snippets(range(snippets))
    from wtal.video.film import stacked

    found = step(encoder, kind, stacked(pixels), snippets, plain=False, targets=targets)
    return {**found, "snippets": snippets}


def alone(*case: object) -> dict:
    """Run a case in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def draw(rows: list[tuple[int, float, bool, dict]], path: Path) -> None:
    """Memory against the share, one line a length."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for axis, key, label in zip(
        axes, ("extra_mib", "cpu_s"), ("memory beyond the start, MiB", "CPU seconds"), strict=True
    ):
        for length in sorted({row[0] for row in rows}):
            points = [(share, found[key]) for size, share, plain, found in rows if size == length and not plain]
            (line,) = axis.plot(*zip(*points, strict=True), marker="o", label=f"{length} snippets")
            whole = [found[key] for size, _, plain, found in rows if size == length and plain]
            axis.plot([1.0] * len(whole), whole, marker="x", color=line.get_color(), linestyle="")
        axis.set(xlabel="share encoded again (x: plain back-propagation)", ylabel=label, ylim=(0, None))
    axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> None:
    """Print the table, and write the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", type=Path, help="a video for one step at full size")
    parser.add_argument("--snippets", type=int, default=8)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plot", type=Path, default=Path(__file__).parents[1] / "figures" / "end_to_end.svg")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.case:
        kind, *rest = json.loads(args.case)
        found = small_case(*rest) if kind == "small" else full_case(kind, Path(rest[0]), rest[1])
        print(json.dumps(found))
        return
    if args.full:
        for which in ("vit", "i3d"):
            found = alone(which, str(args.full), args.snippets)
            print(
                f"{which}: {found['snippets']} snippets, {found['cpu_s']:.1f} CPU s, {found['peak_mib'] / 1024:.2f} GiB"
            )
        return
    rows = []
    print("| snippets | share | CPU seconds | memory beyond the start, MiB |\n|---|---|---|---|")
    for length in (64,) if args.quick else (64, 256):
        for share, plain in [*((share, False) for share in SHARES), (1.0, True)]:
            found = alone("small", length, share, plain)
            rows.append((length, share, plain, found))
            name = "all, plain back-propagation" if plain else f"{share:g}"
            print(f"| {length} | {name} | {found['cpu_s']:.2f} | {found['extra_mib']:.0f} |", flush=True)
    if not args.quick:
        draw(rows, args.plot)


if __name__ == "__main__":
    main()

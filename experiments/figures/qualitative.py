"""One test video of a comparison, as the paper draws it: ground truth, CBP, VLP, and their collaboration.

    python experiments/figures/qualitative.py runs/demo/seed_0 --output experiments/figures/demo.png

Needs matplotlib. The row of a method shows its foreground score over time and, below it, its best detections, as many
as the video has instances.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.collaboration import CollaborationModule
from wtal.data import SyntheticDataModule

COLOURS = {"ground truth": "#444444", "CBP alone": "#0072b2", "VLP alone": "#e69f00", "collaboration": "#009e73"}


def load(folder):
    (path,) = sorted(folder.rglob("last.ckpt"))[-1:]
    return CollaborationModule.load_from_checkpoint(path, map_location="cpu", weights_only=True).eval()


@torch.no_grad()
def rows_of(video, data, apart, taught):
    """Name, score sequence of the shown class and its detections."""
    batch = next(b for b in data.test_dataloader() if int(b.video[0]) == video)
    klass = int(batch.labels[0].argmax())
    for name, model, source in (
        ("CBP alone", apart, "cbp"),
        ("VLP alone", apart, "vlp"),
        ("collaboration", taught, "fused"),
    ):
        scores = model.all_scores(batch)
        found = model.localize(scores, batch, data.videos("test"))[source][0]
        sequence = (scores[source].probability[0, :, klass] * scores[source].attention[0]).sqrt()
        mine = found.label == klass
        yield name, sequence, list(zip(found.start_s[mine].tolist(), found.end_s[mine].tolist(), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, help="folder of one seed of a comparison")
    parser.add_argument("--video", type=int, default=8, help="row of the test video")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    data = SyntheticDataModule()
    apart, taught = load(args.runs / "apart"), load(args.runs / "alternation")
    video, truth = data.videos("test")[args.video], data.ground_truth("test")
    truth = truth[truth["video"] == args.video]
    segments = list(zip(truth["start_s"], truth["end_s"], strict=True))
    times = [sum(video.grid.cell_s(i)) / 2 for i in range(video.num_snippets)]

    figure, axes = plt.subplots(4, 1, figsize=(9, 4.2), sharex=True, height_ratios=[0.45, 1, 1, 1])
    rows = [("ground truth", None, segments), *rows_of(args.video, data, apart, taught)]
    for axis, (name, sequence, found) in zip(axes, rows, strict=True):
        for start, end in segments:
            axis.axvspan(start, end, color="#000000", alpha=0.08, linewidth=0)
        if sequence is not None:
            axis.fill_between(times, sequence, step="mid", color=COLOURS[name], alpha=0.3, linewidth=0)
        for start, end in found[: len(segments)]:
            axis.plot([start, end], [-0.14, -0.14], color=COLOURS[name], linewidth=5, solid_capstyle="butt")
        axis.set(ylim=(-0.28, 1.0) if sequence is not None else (-0.4, 0.12), yticks=[], xlim=(0, video.duration_s))
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[-1].set_xlabel("seconds")
    figure.suptitle(f"{video.video_id}, embedded synthetic benchmark: score and best detections", fontsize=10)
    figure.tight_layout()
    figure.savefig(args.output, dpi=130)


if __name__ == "__main__":
    main()

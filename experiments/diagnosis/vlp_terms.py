"""What each part of the VLP branch does to its curves: one training per variant on the embedded benchmark.

    python experiments/diagnosis/vlp_terms.py [--data-seed 1] [--seeds 0 1 2] [--figure vlp_terms.png]

Prints one row per variant: mAP of VLP alone in % over tIoU 0.1:0.7, video mAP, and the mean actionness, on the test
videos after the last epoch. The figure shows ten test videos under every variant, each by the curve of its first class.
Nothing is chosen by these numbers: they are there to be understood.
"""

import wtal  # isort: skip  before Lightning, which would import a torchvision that may not match torch

import argparse
import logging
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import Trainer, seed_everything

from wtal.branches import VLPBranch
from wtal.branches.scoring import score_videos
from wtal.data.synthetic import SyntheticDataModule, SyntheticParams
from wtal.localization import Localizer, VideoScores
from wtal.nn.heads import AnchoredTextHead, AttentionWeights, Head, TextHead
from wtal.nn.text import FileText

HeadOf = Callable[[list[str]], Head]
LOCALIZER = Localizer(attention_weight=0.3, sigma=0.2)
EPOCHS = 8


def variants(text: Callable[[list[str]], FileText]) -> dict[str, tuple[HeadOf | None, float]]:
    """Head and learning rate of each variant; no head stands for VLP as it is, a rate of 0 for no training."""
    free = partial(TextHead, text=text, dim=48, width=32, heads=4)
    near = partial(AnchoredTextHead, text=text, dim=48, width=32, heads=4)
    return {
        "as it is: raw cosines, temperature 0.01": (None, 0),
        "free head": (free, 5e-4),
        "free head, no sparsity, no guidance": (partial(free, weights=AttentionWeights(0, 0)), 5e-4),
        "free head, no Transformer layer": (partial(free, depth=0), 5e-4),
        "free head, a tenth of the learning rate": (free, 5e-5),
        "anchored, before training": (near, 0),
        "anchored, before training, no smoothing": (partial(near, smoothing=1), 0),
        "anchored": (near, 5e-4),
        "anchored, no smoothing": (partial(near, smoothing=1), 5e-4),
        "anchored, sparsity 0.8": (partial(near, sparsity=0.8), 5e-4),
        "anchored, a tenth of the learning rate": (near, 5e-5),
    }


def trained(head: HeadOf | None, rate: float, data: SyntheticDataModule, text: Path, seed: int) -> VLPBranch:
    """A branch of one variant."""
    seed_everything(seed, verbose=False)
    if head is None:
        return VLPBranch(data.class_names, partial(TextHead, text=partial(FileText, path=text), dim=48)).vanilla()
    optimizer = partial(torch.optim.AdamW, lr=rate, weight_decay=1e-4)
    branch = VLPBranch(data.class_names, head, average=0.95, optimizer=optimizer, localizer=LOCALIZER)
    if rate:
        quiet_trainer(max_epochs=EPOCHS, gradient_clip_val=2.0, limit_val_batches=0).fit(branch, data)
    else:
        branch.head.prepare(data.training_rows(branch.streams))
        branch.head.is_trained = True  # its start means something
        branch.average = None
    return branch.eval()


def quiet_trainer(**options: float) -> Trainer:
    """A trainer that writes nothing."""
    return Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                   accelerator="cpu", **options)  # fmt: skip


def draw(curves: dict[str, list[VideoScores]], data: SyntheticDataModule, path: Path) -> None:
    """One column per video, one row per variant; instances of the class are shaded."""
    from matplotlib import pyplot as plt

    names = [scores.video.video_id for scores in next(iter(curves.values()))]
    figure, axes = plt.subplots(len(curves), len(names), figsize=(2.2 * len(names), 1.1 * len(curves)), squeeze=False)
    segments = data.named_segments("test")
    for row, (variant, shown) in enumerate(curves.items()):
        for column, scores in enumerate(shown):
            axis, of_video = axes[row, column], segments[segments["video_id"] == names[column]]
            label = of_video["label"].iloc[0]
            for start_s, end_s in of_video.loc[of_video["label"] == label, ["start_s", "end_s"]].to_numpy():
                axis.axvspan(start_s, end_s, color="0.85")
            curve = scores.curve("vlp", label)
            axis.plot(scores.times_s, (curve - curve.min()) / max(np.ptp(curve), 1e-9), linewidth=0.8)
            axis.set(xticks=[], yticks=[], xlim=(0, scores.times_s[-1]))
            if row == 0:
                axis.set_title(label, fontsize=8)
        axes[row, 0].set_ylabel(
            variant.replace(", ", ",\n").replace(": ", ":\n"), fontsize=6, rotation=0, ha="right", va="center"
        )
    figure.tight_layout(h_pad=0.2, w_pad=0.2)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Train, measure and draw every variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    root = Path(tempfile.mkdtemp())
    data, text = SyntheticDataModule(root, SyntheticParams(seed=given.data_seed)), root / "text" / "text.npy"
    print(f"embedded benchmark, data seed {given.data_seed}, training seeds {given.seeds}, wtal {wtal.__version__}\n")
    print("| variant | mAP 0.1:0.7 | video mAP | actionness |\n| --- | --- | --- | --- |")
    curves = {}
    for name, (head, rate) in variants(partial(FileText, path=text, residual=1.0)).items():
        rows = []
        for seed in given.seeds if rate else given.seeds[:1]:
            branch = trained(head, rate, data, text, seed)
            branch.localizer = LOCALIZER
            (measured,) = quiet_trainer().test(branch, data, verbose=False)
            scores = list(score_videos(branch, data, "test").values())
            actionness = np.mean([float(one.sources["vlp"].attention.mean()) for one in scores])
            rows.append((100 * measured["test/mAP"], 100 * measured["test/video_mAP"], actionness))
            curves.setdefault(name, scores[:10])
        mean, deviation = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) if len(rows) > 1 else None
        spread = "" if deviation is None else f" ± {deviation[0]:.1f}"
        print(f"| {name} | {mean[0]:.1f}{spread} | {mean[1]:.1f} | {mean[2]:.2f} |", flush=True)
    if given.figure:
        draw(curves, data, given.figure)


if __name__ == "__main__":
    main()

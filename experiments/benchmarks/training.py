"""Training: each head under Lightning against a plain loop, the collaboration against its branches, the refresh.

Made-up features in THUMOS14's lengths: batch 10, 320 snippets, I3D 2048 and CLIP 512, AdamW, gradients clipped, bf16.
Both loops train the same module from the same kind of loader. The plain one runs between the epochs of the other, so
that other load affects both; it neither logs nor saves. For these two no video is shorter than 320 snippets: a batch of
short ones costs less, and each loop has batches of its own. CPU seconds (on a GPU wall seconds), medians.
"""

import copy
import logging
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from made_up import thumos_lengths, words, write
from pytorch_lightning import Callback, LightningModule, Trainer
from timing import Table, options, peak_gib, spend

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.collaboration.loop import CollaborationLoop
from wtal.training.cli import WTALCLI

HEADS = {"attention-MIL": "AttentionMIL", "BaS-Net": "BaSNet", "CO2-Net": "CO2", "UM": "UM", "DELU": "DELU"}
BATCH, SNIPPETS, ITERATIONS = 10, 320, 20  # THUMOS14's epoch


class Stopwatch(Callback):
    """Measures the seconds of each epoch's steps, and of Lightning and the other callbacks between two epochs.

    Args:
        device: Device of the trainer.
        beside: Function that runs after each epoch and is not counted.
    """

    def __init__(self, device: str, beside: Any = None) -> None:
        self.clock = time.perf_counter if device == "cuda" else time.process_time
        self.beside, self.steps, self.between, self.plain = beside, [], [], []
        self._ended: float | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began = self.clock()
        if self._ended is not None:
            self.between.append(self._began - self._ended)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self.steps.append(self.clock() - self._began)
        if self.beside is not None:
            spent = spend(partial(self.beside, trainer, pl_module))
            self.plain.append(spent.wall_s if self.clock is time.perf_counter else spent.cpu_s)
        self._ended = self.clock()


def fit(folder: Path, stopwatch: Stopwatch, epochs: int, iterations: int, args: Any, extra: list[str]) -> None:
    """Run ``wtal fit`` with all its callbacks."""
    options = {
        "seed_everything": 0,
        "trainer.accelerator": "gpu" if args.device == "cuda" else args.device,
        "trainer.devices": 1,
        "trainer.precision": args.precision,
        "trainer.max_epochs": epochs,
        "trainer.limit_train_batches": iterations,
        "trainer.gradient_clip_val": 2.0,
        "trainer.default_root_dir": folder / "runs",
        "trainer.enable_model_summary": "false",
        "trainer.enable_progress_bar": "false",
        "data.batch_size": BATCH,
        "data.num_snippets": SNIPPETS,
        "data.cache": "true",
    }
    cli = WTALCLI([*words(folder), *(f"--{name}={value}" for name, value in options.items()), *extra], run=False)
    cli.trainer.callbacks.insert(0, stopwatch)
    cli.trainer.fit(cli.model, cli.datamodule)


def plain_epoch(iterations: int, precision: str, trainer: Trainer, module: LightningModule) -> None:
    """Train a copy of the module for the same iterations, without Lightning."""
    head, average = copy.deepcopy(module.head), copy.deepcopy(module.average)
    optimizer = torch.optim.AdamW(head.parameters())
    device = module.device
    for number, batch in enumerate(trainer.datamodule.train_dataloader()):
        if number == iterations:
            return
        features, mask, labels = (t.to(device) for t in (batch.streams[module.streams[0]], batch.mask, batch.labels))
        with torch.autocast(device.type, torch.bfloat16, enabled=precision.startswith("bf16")):
            out = head(features, mask)
            loss = torch.stack(list(head.losses(out, mask, labels).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 2.0)
        optimizer.step()
        average.update(head)


def long_enough(videos: int) -> np.ndarray:
    """THUMOS14's lengths, each long enough to fill a training crop."""
    return np.maximum(thumos_lengths(videos, distinct=20), SNIPPETS)


def heads(folder: Path, args: Any) -> None:
    """Measure a step and an epoch of each head under Lightning, against the plain loop."""
    data = folder.with_name("long")
    write(data, long_enough(50 if args.quick else 200))
    table = Table("head", "s per step", "plain s", "Lightning", "s at epoch's end", "epoch", "attention-MIL")
    iterations, epochs = (2, 3) if args.quick else (args.iterations, 4)
    wide = [] if args.quick else ["attention-MIL, 2048 wide"]
    first = 0.0
    for name in ["attention-MIL", "text (VLP)"] if args.quick else [*HEADS, "text (VLP)", *wide]:
        if name == "text (VLP)":
            model = vlp(data, "--model")
        else:
            model = ["--model=wtal.branches.CBPBranch", f"--model.head=wtal.nn.heads.{HEADS[name.split(',')[0]]}Head"]
            model += ["--model.head.hidden=2048"] if "wide" in name else []
        watch = Stopwatch(args.device, partial(plain_epoch, iterations, args.precision))
        fit(data, watch, epochs, iterations, args, [*model, "--model.optimizer=torch.optim.AdamW"])
        steps, plain, end = (median(times[1:]) for times in (watch.steps, watch.plain, [0.0, *watch.between]))
        steps, plain = steps / iterations, plain / iterations
        first = first or steps
        whole = (steps * ITERATIONS + end) / (plain * ITERATIONS)
        shares = [f"{100 * (value - 1):+.1f} %" for value in (steps / plain, whole)]
        table.row(name, steps, plain, shares[0], end, shares[1], f"{steps / first:.2f}x")


def fixed_cost(folder: Path, args: Any) -> None:
    """Measure what Lightning adds to any step, with a head so narrow that its own work hardly counts."""
    narrow = folder.with_name("narrow")
    write(narrow, long_enough(200), dims=(64, 32))
    watch = Stopwatch(args.device, partial(plain_epoch, ITERATIONS, args.precision))
    model = ["--model=wtal.branches.CBPBranch", "--model.head=wtal.nn.heads.AttentionMILHead"]
    model += ["--model.head.in_dim=64", "--model.head.hidden=16", "--model.optimizer=torch.optim.AdamW"]
    fit(narrow, watch, 6, ITERATIONS, args, model)
    steps, plain = (1000 * median(times[1:]) / ITERATIONS for times in (watch.steps, watch.plain))
    print(f"\nLightning adds {steps - plain:.1f} ms to a step ({steps:.1f} instead of {plain:.1f}, a very narrow head)")


def vlp(folder: Path, key: str) -> list[str]:
    """Options for the VLP branch with text features of a file."""
    text = ["wtal.nn.text.FileText", f"path={folder / 'text.npy'}", "residual=1.0"]
    head = [f"--model.{part}" for part in (f"head.text={text[0]}", *(f"head.text.{rest}" for rest in text[1:]))]
    return [f"{key}=wtal.branches.VLPBranch", "--model.head=wtal.nn.heads.TextHead", *head]


def collaboration(folder: Path, args: Any) -> None:
    """Measure an epoch of each kind, and a refresh: every training video at full length."""
    iterations = 5 if args.quick else ITERATIONS
    refreshes: list[tuple[str, float]] = []
    plain_refresh = CollaborationLoop.refresh

    def timed(loop: CollaborationLoop, lesson: Any) -> None:
        spent = spend(partial(plain_refresh, loop, lesson))
        refreshes.append((lesson.teacher, spent.wall_s if args.device == "cuda" else spent.cpu_s))

    CollaborationLoop.refresh = timed
    optimizer = "torch.optim.AdamW"
    alone = {}
    for name, model in {"cbp": ["--model=wtal.branches.CBPBranch"], "vlp": vlp(folder, "--model")}.items():
        watch = Stopwatch(args.device)
        fit(folder, watch, 3, iterations, args, [*model, f"--model.optimizer={optimizer}"])
        alone[name] = median(watch.steps[1:]) + median(watch.between)
    pair = folder / "pair.yaml"
    text = f"{{class_path: wtal.nn.text.FileText, init_args: {{path: {folder / 'text.npy'}, residual: 1.0}}}}"
    adam = f"optimizer: {{class_path: {optimizer}}}"
    pair.write_text(
        "class_path: wtal.collaboration.CollaborationModule\ninit_args:\n"
        "  schedule: {warm_up: 3, pattern: FB, period: 2, from_cbp: both, from_vlp: both}\n"
        f"  cbp: {{class_path: wtal.branches.CBPBranch, init_args: {{{adam}}}}}\n"
        "  vlp:\n    class_path: wtal.branches.VLPBranch\n    init_args:\n"
        f"      {adam}\n      head: {{class_path: wtal.nn.heads.TextHead, init_args: {{text: {text}}}}}\n"
    )
    watch = Stopwatch(args.device)
    fit(folder, watch, 7, iterations, args, [f"--model={pair}"])
    CollaborationLoop.refresh = plain_refresh
    warm_up = median(watch.steps[1:3]) + median(watch.between[:2])
    both = alone["cbp"] + alone["vlp"]
    table = Table(f"epoch of {iterations} iterations", "s", "of both alone")
    for name, seconds in {
        "CBP alone": alone["cbp"],
        "VLP alone": alone["vlp"],
        "warm-up, both": warm_up,
        "F: CBP learns": watch.steps[4],
        "B: VLP learns": watch.steps[6],
        **{f"refresh, {teacher.upper()} labels all videos": seconds for teacher, seconds in refreshes},
    }.items():
        table.row(name, seconds, f"{seconds / both:.2f}x")
    mean = sum(seconds for _, seconds in refreshes) / len(refreshes) / 2  # a turn is two epochs
    print(f"refreshes per epoch: {mean:.2f} s, {100 * mean / both:.1f} % of an epoch of both branches alone")


def main() -> None:
    parser = options(__doc__, device=True)
    parser.set_defaults(precision="bf16-mixed")
    parser.add_argument("--iterations", type=int, default=5, help="iterations per epoch of each head")
    args = parser.parse_args()
    for library in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write(data, thumos_lengths(50 if args.quick else 200, distinct=20))
        print(f"{torch.get_num_threads()} threads, {args.precision}")
        for part in (fixed_cost, heads, collaboration):
            part(data, args)
    print(f"\npeak memory {peak_gib(args.device):.2f} GiB")


if __name__ == "__main__":
    main()

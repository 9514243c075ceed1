"""How cost grows with the number of videos and with their length; two processes, accumulation, `torch.compile`.

Narrow made-up features (I3D 64, CLIP 32), half of the videos for training, so that the framework is measured. Each
size runs in a process of its own; memory is the peak of a task minus what was held before. CPU seconds. The plot is
`experiments/figures/scale.png`. An exponent of 1 means growth in proportion.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from made_up import words, write
from timing import Table, apart, forget_peak, interleaved, options, peak_gib, spend

import wtal  # noqa: F401  before anything that imports torchvision

DIMS = (64, 32)
TASKS = ("start-up", "training step", "refresh", "localization", "evaluation", "report page")
FIGURE = Path(__file__).resolve().parents[1] / "figures" / "scale.png"
PAGE_LIMIT = 2500  # videos


def measure(videos: int, length: int, device: str, precision: str) -> dict[str, tuple[float, float]]:
    """Seconds and GiB of each task, and the size of the page in MB."""
    from lightning_fabric.utilities import move_data_to_device
    from localization import localize, made_up

    from wtal.collaboration.buffer import PseudoLabelBuffer
    from wtal.collaboration.pseudo_labels import Thresholds, pseudo_labels
    from wtal.data import CustomDataModule
    from wtal.data.features import FeatureSource
    from wtal.localization.localizer import Localizer
    from wtal.metrics.rule_sets import evaluate
    from wtal.nn.heads import AttentionMILHead
    from wtal.report.page.build import write_page
    from wtal.results.predictions import write_predictions
    from wtal.types import SnippetScores

    found: dict[str, tuple[float, ...]] = {}

    def task(name: str, function: object) -> None:
        forget_peak()
        before = peak_gib()
        cpu = spend(function).cpu_s
        found[name] = (cpu, peak_gib() - before)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        write(folder, [length] * (videos // 2), [length] * (videos - videos // 2), dims=DIMS)
        streams = FeatureSource(folder / "i3d"), FeatureSource(folder / "clip")
        made: list[CustomDataModule] = []

        def start_up() -> None:
            made.append(CustomDataModule(folder / "annotations.json", i3d=streams[0], clip=streams[1]))
            made[0].setup("fit")
            made[0].setup("test")

        task("start-up", start_up)
        (data,) = made
        head = AttentionMILHead(data.class_names, in_dim=DIMS[0], hidden=64).to(device)
        optimizer = torch.optim.AdamW(head.parameters())
        autocast = partial(torch.autocast, device, torch.bfloat16, enabled=precision.startswith("bf16"))
        batch = move_data_to_device(next(iter(data.train_dataloader())), torch.device(device))

        def step() -> None:
            with autocast():
                out = head(batch.streams["i3d"], batch.mask)
                loss = torch.stack(list(head.losses(out, batch.mask, batch.labels).values())).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        step()
        task("training step", step)

        @torch.no_grad()
        def refresh() -> None:
            buffer = PseudoLabelBuffer(data.train_lengths).to(torch.device(device))
            buffer.begin()
            head.eval()
            for cpu_batch in data.pseudo_label_dataloader():
                one = move_data_to_device(cpu_batch, torch.device(device))
                with autocast():
                    out = head(one.streams["i3d"], one.mask)
                probability = out.plain.softmax(dim=2)[..., :-1]
                scores = SnippetScores(probability, out.attention, probability.amax(dim=1))
                labels = pseudo_labels(scores, one.labels, one.mask, Thresholds(), (0, 1))
                buffer.write(
                    one.video.cpu(), one.grid_index.cpu(), one.mask.cpu(), type(labels)(*(t.cpu() for t in labels))
                )
            buffer.end(lambda tensor: tensor)

        task("refresh", refresh)
        tested = data.videos("test")
        scored = made_up(np.array([video.num_snippets for video in tested]), 20)
        detections: list = []
        task("localization", lambda: detections.extend(localize(Localizer(), scored)))
        rows = np.concatenate(
            [
                np.column_stack([np.full(len(d.score), row), d.label, d.start_s, d.end_s, d.score])
                for row, d in enumerate(detections)
            ]
        )
        truth = data.ground_truth("test").to_numpy(float)
        task("evaluation", lambda: evaluate(rows, truth, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]))
        if len(tested) <= PAGE_LIMIT:
            path, page = Path(scratch) / "found.json", Path(scratch) / "page"
            names = [video.video_id for video in tested]
            write_predictions(path, dict(zip(names, detections, strict=True)), data.class_names)
            task("report page", lambda: write_page([path], page, folder / "annotations.json", "test"))
            found["page MB"] = ((page / "index.html").stat().st_size / 1e6,)
    return found


def growth(args: argparse.Namespace) -> None:
    videos = (100, 400) if args.quick else (200, 2000, 20_000)
    lengths = (100, 1000) if args.quick else (100, 1000, 20_000)
    sweeps = {"videos of 100 snippets": [(n, 100) for n in videos], "snippets of 40 videos": [(40, n) for n in lengths]}
    curves: dict[str, dict[str, list[tuple[int, float, float]]]] = {}
    for (title, sizes), column in zip(sweeps.items(), (0, 1), strict=True):
        found = {size[column]: apart(measure, *size, args.device, args.precision) for size in sizes}
        counts = list(found)
        table = Table(title, *(f"s, {n:,}" for n in counts), "exponent", *(f"GiB, {n:,}" for n in counts))
        curves[title] = {}
        for task in TASKS:
            points = [(n, *found[n][task]) for n in counts if task in found[n]]
            lacking = [""] * (len(counts) - len(points))
            (exponent, _) = np.polyfit(*np.log([point[:2] for point in points]).T, 1) if len(points) > 1 else (0, 0)
            seconds, memory = ([point[k] for point in points] for k in (1, 2))
            table.row(task, *seconds, *lacking, f"{exponent:.2f}", *memory, *lacking)
            curves[title][task] = points
        pages = [f"{n:,} {found[n]['page MB'][0]:.1f} MB" for n in counts if "page MB" in found[n]]
        print(f"the page: {', '.join(pages)}")
    if not args.quick:
        _plot(curves)


def _plot(curves: dict[str, dict[str, list[tuple[int, float, float]]]]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for axis, (title, tasks) in zip(axes, curves.items(), strict=True):
        for task, points in tasks.items():
            axis.loglog(*np.array([point[:2] for point in points]).T, marker="o", label=task)
        ends = np.array([min(p[0][0] for p in tasks.values()), max(p[-1][0] for p in tasks.values())])
        axis.loglog(ends, 0.02 * ends / ends[0], ":", color="grey", label="in proportion")
        axis.set(xlabel=title, ylabel="CPU seconds" if axis is axes[0] else "")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(FIGURE, dpi=120)
    print(f"{FIGURE.name} written")


def page_of_activitynet(args: argparse.Namespace) -> None:
    """Measure a page of as many test videos as ActivityNet 1.2's validation set has."""
    found = apart(measure, 20 if args.quick else 2 * 2383, 190, args.device, args.precision)
    seconds, memory = found["report page"]
    (size,), videos = found["page MB"], 10 if args.quick else 2383
    print(f"\na page of {videos:,} videos: {seconds:.1f} s, {memory:.2f} GiB, {size:.1f} MB")


def processes(args: argparse.Namespace) -> None:
    """Measure a step of two processes with gloo, each with half of the batch: longer runs minus shorter ones."""
    table = Table("`wtal fit`, one step of batch 10", "s", "CPU s")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        write(folder, [320] * 80)
        for name, more in {
            "one process": ["--data.batch_size=10"],
            "two processes, gloo": ["--data.batch_size=5", "--trainer.devices=2", "--trainer.strategy=ddp"],
        }.items():
            took = []
            for epochs in (1, 3):
                command = [sys.executable, "-W", "ignore", "-m", "wtal", "fit", "--model=wtal.branches.CBPBranch"]
                command += [*words(folder), *more, f"--trainer.max_epochs={epochs}", "--trainer.accelerator=cpu"]
                command += [f"--trainer.default_root_dir={scratch}/runs", "--trainer.logger=false"]
                command += ["--trainer.enable_checkpointing=false", "--trainer.precision=bf16-mixed"]
                took.append(
                    spend(partial(subprocess.run, command, check=True, capture_output=True, env=_environment()))
                )
            table.row(name, *((long - short) / 16 for short, long in zip(*took, strict=True)))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def gradient(head: torch.nn.Module, labels: torch.Tensor, parts: int) -> torch.Tensor:
    """Gradient of a batch of eight made-up videos, or the mean of the gradients of its equal parts."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(8, 100, 128, generator=generator).to(labels.device)
    mask = torch.ones(8, 100, dtype=torch.bool, device=labels.device)
    head.zero_grad()
    for rows in torch.arange(8).split(8 // parts):
        out = head(features[rows], mask[rows])
        (torch.stack(list(head.losses(out, mask[rows], labels[rows]).values())).sum() / parts).backward()
    return torch.cat([p.grad.flatten() for p in head.parameters() if p.grad is not None])


def accumulation(args: argparse.Namespace) -> None:
    """Largest difference between the gradient of a batch of 8 and the mean of those of its halves, dropout off."""
    from wtal.nn.heads import AttentionMILHead, BaSNetHead, CO2Head, DELUHead, UMHead

    table = Table("gradient of 8 against 4 + 4", "classes apart", "shared by the halves")
    classes = [str(label) for label in range(20)]
    for kind in (AttentionMILHead, BaSNetHead, UMHead, CO2Head, DELUHead):
        torch.manual_seed(0)
        head, cells = kind(classes, in_dim=128).to(args.device).eval(), []
        for rows in (torch.arange(8) // 2, torch.arange(8) % 4):
            labels = torch.eye(20, device=args.device)[rows]
            whole, halves = gradient(head, labels, 1), gradient(head, labels, 2)
            cells.append(f"{(whole - halves).abs().max() / whole.abs().max():.0e}")
        table.row(kind.__name__, *cells)


def compiled(device: str, precision: str) -> str | tuple[float, float, float]:
    """Seconds of a step of the plain head, of the compiled one, and of its first two steps; or the error."""
    from wtal.nn.heads import AttentionMILHead

    head = AttentionMILHead([str(label) for label in range(20)]).to(device)
    features, mask = torch.randn(10, 320, 2048, device=device), torch.ones(10, 320, dtype=torch.bool, device=device)
    labels = torch.eye(20, device=device)[:10]

    def step(forward: object) -> None:
        with torch.autocast(device, torch.bfloat16, enabled=precision.startswith("bf16")):
            out = forward(features, mask)
            loss = torch.stack(list(head.losses(out, mask, labels).values())).sum()
        head.zero_grad()
        loss.backward()

    fast = torch.compile(head)
    try:
        first = spend(lambda: (step(fast), step(fast))).cpu_s
    except Exception as error:  # a compiler can raise anything
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    took = interleaved({"plain": partial(step, head), "compiled": partial(step, fast)}, 5)
    return took["plain"].cpu_s, took["compiled"].cpu_s, first


def compilation(args: argparse.Namespace) -> None:
    answer = apart(compiled, args.device, args.precision)
    if isinstance(answer, str):
        print(f"\ntorch.compile fails: {answer}")
        return
    table = Table("attention-MIL, batch 10", "s per step", "compiled", "faster", "to compile")
    plain, fast, first = answer
    table.row("forward and backward", plain, fast, f"{plain / fast:.2f}x", first)


def main() -> None:
    parser = options(__doc__, device=True)
    parser.add_argument("--only", choices=("growth", "page", "processes", "accumulation", "compilation"))
    args = parser.parse_args()
    parts = {"accumulation": accumulation, "growth": growth, "page": page_of_activitynet}
    parts |= {} if args.quick and not args.only else {"processes": processes, "compilation": compilation}
    for name, part in parts.items():
        if args.only in (None, name):
            part(args)


if __name__ == "__main__":
    main()

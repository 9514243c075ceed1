"""Seconds and memory of a training step of learned prompts, against running the whole tower for every class.

ViT-B-16 with random weights, whose values affect neither. Each row is measured in a process of its own.
Memory is the peak over that of the model (on a CPU: Linux alone). The last column is the largest difference of the
context's gradient from that of the whole tower, as a share of that gradient's largest entry.
"""

from statistics import median

import torch
import torch.nn.functional as F
from timing import Table, apart, forget_peak, options, peak_gib, spend

import wtal  # noqa: F401  before anything that imports torchvision
from wtal.nn.text.prompts import PromptedText

WAYS = ("whole tower", "cut", "packed", "packed, checkpointed")


def measure(way: str, classes: int, model: str, chunk: int, device: str, repeats: int) -> tuple[float, float, list]:
    """CPU seconds (wall seconds on a GPU) of forward and backward, GiB, and the context's gradient."""
    torch.manual_seed(0)
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
    target = F.normalize(torch.randn(classes, text.dim, generator=torch.Generator().manual_seed(1)), dim=1).to(device)

    def step() -> None:
        text.context.grad = None
        (features() * target).sum().backward()

    forget_peak(device)
    before = peak_gib(device)
    took = [spend(step) for _ in range(repeats)]
    seconds = median(spent.wall_s if device == "cuda" else spent.cpu_s for spent in took)
    return seconds, peak_gib(device) - before, text.context.grad.tolist()


def main() -> None:
    parser = options(__doc__, device=True)
    parser.add_argument("--classes", type=int, nargs="+", default=[20, 100, 200])
    parser.add_argument("--model", default="ViT-B-16")
    parser.add_argument("--chunk", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    table = Table("classes, way", "s per step", "faster", "GiB", "gradient")
    for classes in [20] if args.quick else args.classes:
        base, plain = 0.0, torch.empty(0)
        for way in WAYS[::2] if args.quick else WAYS:
            repeats = 1 if args.quick else args.repeats
            seconds, gib, gradient = apart(measure, way, classes, args.model, args.chunk, args.device, repeats)
            if way == WAYS[0]:
                base, plain = seconds, torch.tensor(gradient)
            difference = (torch.tensor(gradient) - plain).abs().max() / plain.abs().max()
            table.row(f"{classes:>3}  {way}", seconds, f"{base / seconds:.1f}x", gib, f"{difference:.0e}")


if __name__ == "__main__":
    main()

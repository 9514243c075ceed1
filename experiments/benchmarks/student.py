"""The student's network beside one of ActionFormer's kind: CPU seconds and peak memory of a training step.

The network to compare with is retyped in short from the paper (arXiv:2202.07925) and the structure of its public code
(``libs/modeling`` of happyharrycn/actionformer_release), with its settings of THUMOS14: two convolutions, two and five
Transformer blocks with depthwise convolutions before queries, keys and values and local attention of 19 snippets, and
two heads of three convolutions over six levels. It is not that code: ratios say what the design costs, not what its
authors' implementation does. Both get the same batch, sum up all outputs, go backward and step AdamW; losses and the
assignment of instances are left out on both sides. One thread, interleaved, medians; memory in processes of their own.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from timing import Table, apart, forget_peak, interleaved, options, peak_gib
from torch import Tensor, nn

from wtal.nn import PyramidHead

CLASSES, LEVELS, WINDOW = 20, 6, 9  # snippets on either side that attention sees


class _Norm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class _Block(nn.Module):
    """Local attention and a feed-forward network on ``(B, D, T)``; ``stride`` 2 halves the length."""

    def __init__(self, width: int, heads: int, stride: int) -> None:
        super().__init__()
        self.heads, self.stride = heads, stride
        self.before, self.after = _Norm(width), _Norm(width)
        parts = [nn.Conv1d(width, width, 3, stride, 1, groups=width, bias=False) for _ in range(3)]
        self.near = nn.ModuleList(nn.Sequential(conv, _Norm(width), nn.Conv1d(width, width, 1)) for conv in parts)
        self.out = nn.Conv1d(width, width, 1)
        self.feed = nn.Sequential(nn.Conv1d(width, 4 * width, 1), nn.GELU(), nn.Conv1d(4 * width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.before(x)
        query, key, value = (part(seen) for part in self.near)
        skipped = x if self.stride == 1 else F.max_pool1d(x, 3, 2, 1)
        x = skipped + self.out(self._attend(query, key, value))
        return x + self.feed(self.after(x))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention of each block of snippets to itself and both neighbours, as far as the window reaches."""
        (size, width, length), step = query.shape, WINDOW
        blocks = -(-length // step)
        pad = blocks * step - length
        shape = (size, self.heads, width // self.heads)
        query = F.pad(query, (0, pad)).view(*shape, blocks, step).permute(0, 1, 3, 4, 2)
        around = (F.pad(part, (step, pad + step)).view(*shape, -1) for part in (key, value))
        key, value = (part.unfold(3, 3 * step, step).permute(0, 1, 3, 4, 2) for part in around)
        row, column = torch.arange(step)[:, None], torch.arange(3 * step)
        place = (torch.arange(blocks) * step)[:, None, None] + column - step
        allowed = ((column - step - row).abs() <= step) & (place >= 0) & (place < length)
        allowed = allowed | (column == row + step)  # padding sees itself
        score = (query @ key.transpose(3, 4) / shape[2] ** 0.5).masked_fill(~allowed, -torch.inf)
        found = (score.softmax(dim=4) @ value).permute(0, 1, 4, 2, 3)
        return found.reshape(size, width, -1)[:, :, :length]


class TransformerPyramid(nn.Module):
    """A network of ActionFormer's kind; returns the sum of all outputs."""

    def __init__(self, in_dim: int, width: int, heads: int = 4) -> None:
        super().__init__()
        dims = (in_dim, width, width)
        self.stem = nn.Sequential(
            *(nn.Sequential(nn.Conv1d(a, b, 3, padding=1, bias=False), _Norm(b), nn.ReLU()) for a, b in pairwise(dims)),
            *(_Block(width, heads, 1) for _ in range(2)),
        )
        self.down = nn.ModuleList(_Block(width, heads, 2) for _ in range(LEVELS - 1))
        self.norms = nn.ModuleList(_Norm(width) for _ in range(LEVELS))
        self.heads = nn.ModuleList(_head(width, channels) for channels in (CLASSES, 2))

    def forward(self, features: Tensor) -> Tensor:
        levels = [self.stem(features.transpose(1, 2))]
        for block in self.down:
            levels.append(block(levels[-1]))
        normal = [norm(level) for norm, level in zip(self.norms, levels, strict=True)]
        return torch.stack([head(level).sum() for head in self.heads for level in normal]).sum()


def _head(width: int, channels: int) -> nn.Module:
    hidden = (nn.Sequential(nn.Conv1d(width, width, 3, padding=1, bias=False), _Norm(width), nn.ReLU()) for _ in "12")
    return nn.Sequential(*hidden, nn.Conv1d(width, channels, 3, padding=1))


class Ours(nn.Module):
    """The student's network with the defaults of ``wtal distill``; returns the sum of all outputs."""

    def __init__(self, in_dim: int, width: int) -> None:
        super().__init__()
        names = [str(number) for number in range(CLASSES)]
        self.head = PyramidHead(names, in_dim, width, LEVELS, input_dropout=0.5, uncertainty="laplace")

    def forward(self, features: Tensor) -> Tensor:
        out = self.head(features, torch.ones(features.shape[:2], dtype=torch.bool))
        assert out.log_spread is not None
        return out.logits.sum() + out.bounds.sum() + out.log_spread.sum()


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {"ActionFormer's kind": TransformerPyramid, "student": Ours}


def step_of(name: str, shape: tuple[int, int, int], width: int) -> Callable[[], None]:
    """One training step of a network on a random batch ``(B, T, D)``, ready to be repeated."""
    torch.manual_seed(0)
    features, net = torch.randn(shape), NETWORKS[name](shape[2], width).train()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        net(features).backward()
        optimizer.step()

    return step


def peak_of(name: str, shape: tuple[int, int, int], width: int) -> float:
    """Peak memory in GiB of three training steps, in this process."""
    torch.set_num_threads(1)
    step = step_of(name, shape, width)
    forget_peak()
    for _ in range(3):
        step()
    return peak_gib()


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    shapes = [(2, 64, 32)] if args.quick else [(10, 96, 112), (10, 256, 2560), (2, 2304, 2048)]
    table = Table("batch, width", "theirs s", "ours s", "ours/theirs", "theirs GiB", "ours GiB", "theirs M", "ours M")
    for shape in shapes:
        for width in (16,) if args.quick else (64, 512) if shape[2] > 1000 else (64,):
            steps = {name: step_of(name, shape, width) for name in NETWORKS}
            seconds = [spent.cpu_s for spent in interleaved(steps, 2 if args.quick else args.repeats).values()]
            memory = [apart(peak_of, name, shape, width) for name in NETWORKS]
            sizes = [sum(p.numel() for p in make(shape[2], width).parameters()) / 1e6 for make in NETWORKS.values()]
            ratio = f"{seconds[1] / seconds[0]:.2f}x"
            table.row(f"{' x '.join(map(str, shape))}, {width}", *seconds, ratio, *memory, *sizes)


if __name__ == "__main__":
    main()

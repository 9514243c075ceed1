"""Each head against the published code of its method: CPU seconds of one training iteration, on the same batch.

Clone the code to compare, unchanged, and name the folders; methods without a folder are not measured::

    git clone https://github.com/Pilhyeon/WTAL-Uncertainty-Modeling um
    git clone https://github.com/Pilhyeon/BaSNet-pytorch basnet
    git clone https://github.com/harlanhong/MM2021-CO2-Net co2
    git clone https://github.com/MengyuanChen21/ECCV2022-DELU delu
    git clone https://github.com/ispc-lab/ACM-Net acm
    python experiments/benchmarks/published.py --um um --basnet basnet --co2 co2 --delu delu --acm acm

What was compared so far: UM's public ``model.py`` and ``train.py`` (commit 609282d, where the loss is ``UM_loss``), run
here. The calls of the other methods were checked against their public files (BaS-Net e3cffb4, CO2-Net 5357f5b, DELU
5308eb8, ACM-Net 103aa92), but their ratios came from code that was retyped, not cloned. DELU's ``edl_loss.py`` imports
a module ``base`` that is not among its public files: a clone without it cannot be measured.

Clone only code that you trust: its model and loss run here. Forward, losses, backward and a step of Adam in float32,
batch 10, 2048 channels, at the method's own number of snippets and at 320; published code has the options of its
THUMOS14 training. One thread, interleaved, medians. Calls that would move published code to a GPU have no effect.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple
from unittest import mock

import torch
from timing import Table, interleaved, options
from torch import Tensor, nn

from wtal.nn.heads.acm import ACMHead
from wtal.nn.heads.basnet import BaSNetHead
from wtal.nn.heads.co2 import CO2Head
from wtal.nn.heads.delu import DELUHead
from wtal.nn.heads.head import Head
from wtal.nn.heads.um import UMHead

BATCH, CHANNELS, CLASSES = 10, 2048, 20

Loss = Callable[[Tensor, Tensor], Tensor]  # of features (B, T, D) and labels (B, C)


def um(folder: Path, snippets: int) -> tuple[nn.Module, Loss]:
    """UM with the settings of its ``options.py``."""
    model, train = modules(folder, "model", "train")
    make_loss = getattr(train, "UM_loss", None) or train.BMUE_loss  # its name before commit 609282d
    net, criterion = model.Model(CHANNELS, CLASSES, 9, 4), make_loss(0.0005, 1, 100)
    return net, lambda features, labels: criterion(*net(features)[:4], labels)[0]


def basnet(folder: Path, snippets: int) -> tuple[nn.Module, Loss]:
    """BaS-Net with the settings of its ``options.py``."""
    model, train = modules(folder, "model", "train")
    net, criterion = model.BaS_Net(CHANNELS, CLASSES, snippets), train.BaS_Net_loss(0.0001)

    def loss(features: Tensor, labels: Tensor) -> Tensor:
        base, _, suppressed, _, weights = net(features)
        return criterion(base, suppressed, weights, labels)[0]

    return net, loss


def co2(folder: Path, snippets: int) -> tuple[nn.Module, Loss]:
    """CO2-Net with the settings of its ``options.py`` and ``run.sh``; it requires a branch number but never uses it."""
    (model,) = modules(folder, "model", unused=("losses", "utils", "utils.wsad_utils"))
    weights = {"alpha1": 0.8, "alpha2": 0.8, "alpha3": 1, "alpha4": 1}
    opt = SimpleNamespace(
        dropout_ratio=0.7, reduce_ratio=16, branch_num=0, AWM="BWA_fusion_dropout_feat_v2", k=7, **weights
    )
    net = model.CO2(CHANNELS, CLASSES, opt=opt)
    return net, lambda features, labels: net.criterion(net(features), labels, opt=opt)


def delu(folder: Path, snippets: int) -> tuple[nn.Module, Loss]:
    """DELU with the settings of its ``options.py``, halfway through the training."""
    (model,) = modules(folder, "model")
    weights = {"alpha1": 0.8, "alpha2": 0.8, "alpha3": 1, "alpha4": 1, "alpha_edl": 1, "alpha_uct_guide": 0.4}
    sizes = {"num_class": CLASSES, "k": 7, "rat_atn": 9, "amplitude": 0.7, "max_iter": 20000}
    opt = SimpleNamespace(dropout_ratio=0.7, AWM="BWA_fusion_dropout_feat_v2", **sizes, **weights)
    net = model.DELU(CHANNELS, CLASSES, opt=opt)
    return net, lambda features, labels: net.criterion(net(features), labels, opt=opt, itr=10000)[0]


def acm(folder: Path, snippets: int) -> tuple[nn.Module, Loss]:
    """ACM-Net with the settings of its ``config/model_config.py``."""
    model, utils = modules(folder, "model.ACMNet", "utils.net_utils")
    votes = {"ins_topk_seg": 8, "con_topk_seg": 3, "bak_topk_seg": 3}
    net = model.ACMNet(SimpleNamespace(feature_dim=CHANNELS, action_cls_num=CLASSES, dropout=0.7, **votes))
    criterion = utils.ACMLoss(2e-3, 5e-5, 2e-4)

    def loss(features: Tensor, labels: Tensor) -> Tensor:
        action, context, background, *embeddings, shares, scores = net(features)[:8]
        return criterion(action, context, background, labels, shares, *embeddings, scores)[0]

    return net, loss


class Method(NamedTuple):
    """Our head, the published code, and the number of snippets that the latter trains with."""

    title: str
    head: Callable[..., Head]
    published: Callable[[Path, int], tuple[nn.Module, Loss]]
    snippets: int


METHODS = {
    "um": Method("UM", UMHead, um, 750),
    "basnet": Method("BaS-Net", BaSNetHead, basnet, 750),
    "co2": Method("CO2-Net", CO2Head, co2, 500),
    "delu": Method("DELU", DELUHead, delu, 320),
    "acm": Method("ACM-Net", ACMHead, acm, 750),
}


def modules(folder: Path, *names: str, unused: Sequence[str] = ()) -> list[ModuleType]:
    """Import modules of a clone; as clones share names, none stays in ``sys.modules``.

    Args:
        folder: Folder of the clone.
        names: Names of the modules.
        unused: Names of modules that they import but do not use; empty ones take their place.

    Raises:
        SystemExit: If a module is missing.
    """
    for name in names:
        if not (file := folder / f"{name.replace('.', '/')}.py").is_file():
            raise SystemExit(f"{file} is missing: name the folder of a clone, see the top of this script.")
    no_gpu = mock.patch.object(torch, "set_default_tensor_type")  # a clone may insist on CUDA
    with no_gpu, mock.patch.dict(sys.modules), mock.patch.object(sys, "path", [str(folder), *sys.path]):
        for name in names:
            sys.modules.pop(name, None)
        for name in unused:
            sys.modules[name] = ModuleType(name)
        if "utils" in unused:
            sys.modules["utils"].wsad_utils = sys.modules["utils.wsad_utils"]
        return [importlib.import_module(name) for name in names]


def ours(head: Head, features: Tensor, labels: Tensor) -> Tensor:
    """The sum of a head's losses, without padded snippets."""
    mask = torch.ones(features.shape[:2], dtype=torch.bool)
    return torch.stack(list(head.losses(head(features, mask), mask, labels).values())).sum()


def iteration(net: nn.Module, loss: Loss, features: Tensor, labels: Tensor) -> Callable[[], None]:
    """One training step, ready to be repeated."""
    optimizer = torch.optim.Adam(net.train().parameters(), lr=1e-4, weight_decay=5e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss(features, labels).backward()
        optimizer.step()

    return step


def compare(table: Table, method: Method, folder: Path, snippets: int, repeats: int) -> None:
    """Print a row for our head with its defaults, and one with the published width."""
    torch.manual_seed(0)
    features = torch.randn(BATCH, snippets, CHANNELS).relu()
    labels = nn.functional.one_hot(torch.arange(BATCH) // 2, CLASSES).float()  # in pairs, as CO2-Net draws them
    names = [str(number) for number in range(CLASSES)]
    heads = {"default": method.head(names), f"{CHANNELS} wide": method.head(names, hidden=CHANNELS)}
    published, loss = method.published(folder, snippets)
    ways = {name: iteration(head, partial(ours, head), features, labels) for name, head in heads.items()}
    spent = interleaved({"published": iteration(published, loss, features, labels), **ways}, repeats)
    theirs = spent["published"].cpu_s
    for name, head in heads.items():
        seconds = spent[name].cpu_s
        sizes = [f"{sum(p.numel() for p in net.parameters()) / 1e6:.1f} M" for net in (published, head)]
        table.row(f"{method.title}, T = {snippets}, {name}", theirs, seconds, f"{seconds / theirs:.2f}x", *sizes)


def main() -> None:
    parser = options(__doc__)
    for name, method in METHODS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"clone of the public code of {method.title}")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    folders = {name: getattr(args, name) for name in METHODS if getattr(args, name)}
    if not folders:
        print("Nothing to compare: name the folder of at least one clone, see the top of this script.")
        return
    torch.set_num_threads(1)
    torch.Tensor.cuda = lambda tensor, *_: tensor  # the published code moves tensors without asking
    table = Table("head", "published s", "ours s", "ours/theirs", "published", "ours")
    for name, folder in folders.items():
        for snippets in (64,) if args.quick else sorted({METHODS[name].snippets, 320}, reverse=True):
            compare(table, METHODS[name], folder, snippets, 2 if args.quick else args.repeats)


if __name__ == "__main__":
    main()

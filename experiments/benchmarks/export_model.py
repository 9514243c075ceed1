"""Scores of an exported model beside those of torch: seconds, and the largest difference.

A collaboration of the paper's size (I3D 2048 channels, CLIP 512, 20 classes) with random weights and random features,
one video at a time. CPU seconds count the work of all threads.
"""

import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from timing import Table, interleaved, options

from wtal.branches import CBPBranch, VLPBranch
from wtal.collaboration import CollaborationModule
from wtal.deployment import Scorer, export_model
from wtal.deployment.export import SUFFIXES
from wtal.deployment.network import made_up
from wtal.nn.heads import AttentionMILHead, TextHead
from wtal.nn.text import FileText
from wtal.training.checkpoint import Run
from wtal.types import SnippetBatch

_CLASSES = [f"class {n}" for n in range(20)]
_NEEDS = {"onnx": "onnxscript", "torch_export": "torch", "openvino": "openvino"}


def model(folder: Path) -> CollaborationModule:
    """A collaboration whose texts are random."""
    torch.manual_seed(0)
    np.save(folder / "text.npy", np.random.default_rng(0).normal(size=(20, 512)).astype(np.float32))
    head = partial(TextHead, text=partial(FileText, path=folder / "text.npy"))
    cbp, vlp = partial(CBPBranch, head=partial(AttentionMILHead, in_dim=2048)), partial(VLPBranch, head=head)
    return CollaborationModule(_CLASSES, cbp, vlp).eval()


def main() -> None:
    """Measure every format whose package is installed."""
    chosen = options(__doc__ or "").parse_args()
    lengths, repeats = ((100,), 2) if chosen.quick else ((100, 750, 3000), 15)
    formats = [form for form in SUFFIXES if find_spec(_NEEDS[form]) and not (chosen.quick and form != "onnx")]
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        folder = Path(temporary)
        pair = model(folder)
        run = Run(folder, pair, _CLASSES, {}, 0, None, None)
        made = {form: export_model(run, folder / f"model{SUFFIXES[form]}", form) for form in formats}
        scorers = {form: Scorer.open(one.path) for form, one in made.items()}
        for form, one in made.items():
            print(f"{form}: largest difference of a score from torch's {one.difference:.1e}")
        table = Table("runtime, snippets", "wall ms", "CPU ms", "wall / torch", "CPU / torch")
        for length in lengths:
            features, mask = made_up({"clip": 512, "i3d": 2048}, (length,))
            empty = mask.new_zeros(0)
            batch = SnippetBatch(dict(zip(("clip", "i3d"), features, strict=True)), mask, empty, empty, empty)
            arrays = {name: part.numpy() for name, part in batch.streams.items()}
            ways = {"torch": partial(pair.all_scores, batch)}
            ways |= {form: partial(one.scores, arrays, mask.numpy()) for form, one in scorers.items()}
            spent = interleaved(ways, repeats)
            for name, (wall, cpu) in spent.items():
                base = spent["torch"]
                table.row(f"{name}, {length}", 1000 * wall, 1000 * cpu, wall / base.wall_s, cpu / base.cpu_s)


if __name__ == "__main__":
    main()

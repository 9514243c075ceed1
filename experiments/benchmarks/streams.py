"""The embedded benchmark with some training videos coming while the pair is trained, and with all from the start.

Both trainings read the same table and the same folders of features through a ``StreamDataModule``, have the same
settings (``synthetic.yaml``), the same number of epochs and the same test videos. The seed of the training draws which
videos come late; they come in equal parts before the epochs of ``EPOCHS``. A run with ``--memory`` trains on that many
videos at most. Prints a row for each training and writes it to ``streams.csv`` in the folder of the results.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

import wtal  # noqa: F401  before anything that imports torchvision

# isort: split
from pytorch_lightning import Callback, LightningModule, Trainer

from wtal.data import SyntheticParams, write_synthetic
from wtal.io.shipped import shipped_configs
from wtal.training.cli import WTALCLI

EPOCHS = range(1, 9)  # of 12, counted from 0: the epochs before which videos come
STREAMS = ("i3d", "clip")


class Source:
    """The benchmark, from which videos come into a folder."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        database = json.loads((root / "annotations.json").read_text())["database"]
        self.train = {name: entry for name, entry in database.items() if entry["subset"] == "train"}
        test = {name: entry for name, entry in database.items() if entry["subset"] == "test"}
        for stream in STREAMS:
            (folder / stream).mkdir(parents=True)
        (folder / "test.json").write_text(json.dumps({"database": test}))
        (folder / "labels.csv").write_text("video,start,end,label\n")
        for name in test:
            self._copy(name)

    def deliver(self, name: str) -> None:
        """Let a video come."""
        self._copy(name)
        with (self.folder / "labels.csv").open("a") as table:
            for one in self.train[name]["annotations"]:
                table.write(f"{name},{one['segment'][0]},{one['segment'][1]},{one['label']}\n")

    def _copy(self, name: str) -> None:
        for stream in STREAMS:
            shutil.copy(self.root / stream / f"{name}.npy", self.folder / stream)


class Deliver(Callback):
    """Lets the late videos come, in equal parts."""

    def __init__(self, source: Source, late: list[str]) -> None:
        self.source, self.parts = source, dict(zip(EPOCHS, np.array_split(late, len(EPOCHS)), strict=True))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the videos of the next epoch."""
        for name in self.parts.get(trainer.current_epoch + 1, ()):
            self.source.deliver(str(name))


def train(root: Path, output: Path, share: float, seed: int, memory: int | None) -> dict[str, object]:
    """Train and test once; returns a row of the table."""
    name = f"share_{share:g}_memory_{memory or 'all'}_seed_{seed}"
    source = Source(root, output / "streams" / name)
    names = np.random.default_rng(seed).permutation(sorted(source.train)).tolist()
    late = names[: round(share * len(names))]
    for video in sorted(set(names) - set(late)):
        source.deliver(video)
    folder = source.folder
    options = {
        "annotations": folder / "labels.csv",
        "test_annotations": folder / "test.json",
        "i3d": folder / "i3d",
        "clip": folder / "clip",
        "name": "synthetic",
        "features_note": "synthetic, made up by seed 0",
    }
    words = [
        f"--config={shipped_configs()['synthetic.yaml']}",
        f"--seed_everything={seed}",
        f"--name={name}",
        "--data=wtal.data.StreamDataModule",
    ]
    words += [f"--trainer.default_root_dir={output}", "--trainer.enable_progress_bar=false"]
    words += [f"--model.init_args.vlp.init_args.head.init_args.text.init_args.path={root / 'text' / 'text.npy'}"]
    words += [f"--data.{key}{'.path' if key in STREAMS else ''}={value}" for key, value in options.items()]
    words += [] if memory is None else [f"--data.memory={memory}"]
    cli = WTALCLI(words, run=False)
    cli.claim_folder()
    cli.trainer.callbacks.insert(0, Deliver(source, late))
    cli.trainer.fit(cli.model, cli.datamodule)
    (found,) = cli.trainer.test(cli.model, cli.datamodule, verbose=False)
    measures = {of: 100 * found[f"test/{of}/mAP"] for of in cli.model.sources}
    return {"late": share, "memory": memory, "seed": seed, "steps": cli.trainer.global_step, **measures}


def main() -> None:
    """Train at each share and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder of the results")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--memory", type=int)
    given = parser.parse_args()
    root = given.output / "synthetic"
    write_synthetic(root, SyntheticParams())
    rows = []
    for seed in given.seeds:
        for share in given.shares:
            rows.append(train(root, given.output, share, seed, given.memory))
            print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(given.output / "streams.csv", index=False)


if __name__ == "__main__":
    main()

"""A stream of made-up videos: each has features in two stores and a row in a table once it is delivered."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wtal.data import StoreAppender, StreamDataModule
from wtal.types import TimeGrid

__all__ = ["CLASSES", "Stream"]

CLASSES = ("archery", "bowling", "curling")


class Stream:
    """A folder to which videos come, with two instances of their class each."""

    def __init__(self, folder: Path, classes: Sequence[str] = CLASSES) -> None:
        self.folder, self.classes = folder, list(classes)
        folder.mkdir(parents=True, exist_ok=True)
        self.table = folder / "labels.csv"
        self.table.write_text("video,start,end,label\n")
        rng = np.random.default_rng(0)
        self.directions = {name: rng.standard_normal((len(self.classes), 12)) for name in ("i3d", "clip")}
        (folder / "text").mkdir(exist_ok=True)
        np.save(folder / "text" / "text.npy", self.directions["clip"].astype(np.float32))
        (folder / "text" / "classes.txt").write_text("\n".join(self.classes) + "\n")

    def features(self, name: str, label: str) -> None:
        """Add the features of a video."""
        rng = np.random.default_rng(sum(map(ord, name)))
        for stream, directions in self.directions.items():
            store = StoreAppender(self.folder / stream, TimeGrid(), origin={"made": "up"})
            rows = 0.3 * rng.standard_normal((30, 12))
            for begin in (5, 18):
                rows[begin : begin + 6] += directions[self.classes.index(label)]
            store.add(name, rows.astype(np.float32))

    def label(self, name: str, label: str, ends: str = "\n") -> None:
        """Add the rows of a video."""
        with self.table.open("a") as table:
            table.write(f"{name},3.2,7.04,{label}\n{name},11.52,15.36,{label}{ends}")

    def deliver(self, name: str, label: str) -> None:
        """Add a video."""
        self.features(name, label)
        self.label(name, label)

    def data(self, **options: object) -> StreamDataModule:
        """A data module on what is there."""
        sources = {name: self.folder / name for name in self.directions}
        return StreamDataModule(self.table, **{"batch_size": 4, "num_snippets": 24, **sources, **options})

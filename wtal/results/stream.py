"""What a training on videos that keep coming writes: ``stream/videos.csv`` and ``stream/curve.csv`` in its folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from wtal.errors import PredictionError
from wtal.io.files import write_text
from wtal.io.tables import read_table

__all__ = ["CameVideo", "StreamEpoch", "StreamRecord"]

_VIDEOS, _CURVE = "videos.csv", "curve.csv"
_MEASURES = ("mAP", "faded", "forgetting")


@dataclass(frozen=True)
class CameVideo:
    """A video that has come.

    Args:
        epoch: The first epoch that trained on it, counted from 0.
        video_id: Name of the video.
        labels: Its labels.
        scores: For each source the mAP in this video before it was learned from; empty if it was not tested.
    """

    epoch: int
    video_id: str
    labels: tuple[str, ...]
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamEpoch:
    """A look for new videos.

    Args:
        epoch: The epoch before which it was, counted from 0.
        came: Number of videos that came with it.
        seen: Number of videos that have come so far.
        trained_on: Number of those that are trained on.
        classes: Number of classes.
        measures: ``<source>/mAP``, the mean over the videos that came with it, ``<source>/faded``, the faded mean over
            all so far, and ``<source>/forgetting``; without what is unknown.
    """

    epoch: int
    came: int
    seen: int
    trained_on: int
    classes: int
    measures: dict[str, float] = field(default_factory=dict)


@dataclass
class StreamRecord:
    """The course of a stream."""

    videos: list[CameVideo] = field(default_factory=list)
    epochs: list[StreamEpoch] = field(default_factory=list)

    @property
    def sources(self) -> list[str]:
        """Names of the sources that were tested."""
        return list(dict.fromkeys(name.rpartition("/")[0] for one in self.epochs for name in one.measures))

    def write(self, folder: Path) -> None:
        """Write both tables into a folder.

        Raises:
            OSError: If they cannot be written.
        """
        sources = list(dict.fromkeys(source for video in self.videos for source in video.scores))
        rows = [[v.epoch, v.video_id, ";".join(v.labels), *map(v.scores.get, sources)] for v in self.videos]
        _write(folder / _VIDEOS, ["epoch", "video_id", "labels", *sources], rows)
        names = [f"{source}/{measure}" for source in self.sources for measure in _MEASURES]
        curve = [[e.epoch, e.came, e.seen, e.trained_on, e.classes, *map(e.measures.get, names)] for e in self.epochs]
        _write(folder / _CURVE, ["epoch", "came", "seen", "trained_on", "classes", *names], curve)

    @classmethod
    def read(cls, folder: Path) -> "StreamRecord":
        """Read both tables.

        Raises:
            PredictionError: If one is missing or damaged.
        """
        try:
            videos = [
                CameVideo(int(row["epoch"]), row["video_id"], tuple(filter(None, row["labels"].split(";"))), numbers)
                for row, numbers in _rows(folder / _VIDEOS, ("epoch", "video_id", "labels"))
            ]
            epochs = [
                StreamEpoch(**{name: int(row[name]) for name in _COUNTS}, measures=numbers)
                for row, numbers in _rows(folder / _CURVE, _COUNTS)
            ]
        except (KeyError, ValueError) as error:
            raise PredictionError(f"{folder} is not the record of a stream ({error}): delete it.") from error
        return cls(videos, epochs)

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a folder has both tables."""
        return (folder / _VIDEOS).is_file() and (folder / _CURVE).is_file()


_COUNTS = ("epoch", "came", "seen", "trained_on", "classes")


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    write_text(path, pd.DataFrame(rows, columns=list(columns)).to_csv(index=False, lineterminator="\n"))


def _rows(path: Path, named: Sequence[str]) -> Iterator[tuple[dict[str, str], dict[str, float]]]:
    """The named cells of each row, and the numbers in its other ones, in the order of the columns."""
    table = read_table(path, PredictionError)
    for _, cells in table.records():
        numbers = {name: float(cells[name]) for name in table.columns if name not in named and cells[name]}
        yield {name: cells[name] for name in named}, numbers

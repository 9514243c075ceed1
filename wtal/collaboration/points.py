"""Clicked points as labels: what is certain around them, and what the scores of a model add to it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning.utilities import rank_zero_warn

from wtal.branches.labels import Clicks, Point
from wtal.collaboration.growth import grown
from wtal.collaboration.labels import KnownLabels, unlabelled
from wtal.data.contract import VideoData
from wtal.data.labels import label_key
from wtal.data.points import frame_rates, read_points
from wtal.errors import AnnotationError, ConfigError
from wtal.types import PseudoLabels, SnippetBatch, SnippetScores

__all__ = ["PointLabels"]

_OUTSIDE = 0.1  # share of the points that lie outside their video from which the file must be wrong


class PointLabels(KnownLabels):
    """Points clicked inside instances: foreground there, and what a model's scores make of their neighbourhood.

    Its labels stand above those of a teacher, which fill the rest.

    Args:
        path: Table or folder of points, see :func:`~wtal.data.points.read_points`.
        fps: Frame rate of the videos, or a file of frame rates, for points that are frames; see
            :func:`~wtal.data.points.frame_rates`.
        complete: Whether every instance of a video that has a point has one, as in the public files. If not, background
            is left to the teachers, as there may be an instance anywhere.
        high: Share of the score at a point down to which its neighbours are foreground, see
            :func:`~wtal.collaboration.growth.grown`.
        low: Share below which snippets are background.

    Raises:
        ConfigError: Unless ``0 <= low <= high <= 1``.
    """

    mark = "point-supervised"
    overrides = True

    def __init__(
        self,
        path: Path,
        fps: float | Path | None = None,
        complete: bool = True,
        high: float = 0.7,
        low: float = 0.2,
    ) -> None:
        if not 0 <= low <= high <= 1:
            raise ConfigError(f"Points need 0 <= low <= high <= 1, got low {low:g} and high {high:g}.")
        self.path, self.fps, self.complete, self.high, self.low = Path(path), fps, complete, high, low
        self._origin = ""
        self._ends: dict[int, tuple[int, int]] = {}  # the first and last snippet that has a point, by row of the video

    @property
    def note(self) -> str:
        """Origin of the points."""
        return f"points: {self.path.name}" + (f", {self._origin}" if self._origin else "")

    def clicks(self, data: VideoData) -> Clicks:
        """The points in training videos, in the order of the file.

        Raises:
            AnnotationError: If the file is damaged, names an unknown class, has times outside the videos, or has no
                point in a training video.
        """
        read = read_points(self.path, None if self.fps is None else frame_rates(self.fps))
        self._origin, videos = read.origin, data.videos("train")
        rows = {video.video_id: row for row, video in enumerate(videos)}
        found: list[Point] = []
        outside: list[str] = []
        for name, label, time_s, line in read.table.itertuples(index=False):
            index = self._class_of(label, line, data.class_names)
            if name not in rows:  # a point in a test video or a held-out one
                continue
            video = videos[rows[name]]
            if time_s >= 0 and -1 <= np.floor(video.grid.index_of(time_s)) <= video.num_snippets:
                found.append(Point(rows[name], index, time_s))
            else:
                where = f"{time_s:g} s lies outside video {name}, which is {video.duration_s:g} s long"
                outside.append(f"{self.path}, line {line}: {where}")
        if not found and not outside:
            raise AnnotationError(f"{self.path} has no point in a training video, such as {videos[0].video_id}.")
        self._report(outside, len(found) + len(outside))
        return Clicks(found, self.complete)

    def _class_of(self, label: str, line: int, class_names: Sequence[str]) -> int:
        if label in class_names:
            return class_names.index(label)
        alike = [index for index, name in enumerate(class_names) if label_key(name) == label_key(label)]
        if not alike:
            raise AnnotationError(f"{self.path}, line {line}: the data have no class {label!r}; correct it.")
        return alike[0]

    def _report(self, outside: Sequence[str], count: int) -> None:
        if len(outside) > _OUTSIDE * count:
            raise AnnotationError(f"{outside[0]}; correct it.")
        if outside:
            rank_zero_warn(f"{len(outside)} points are not used, as they lie outside their videos: {outside[0]}.")

    def read(self, data: VideoData) -> dict[int, PseudoLabels]:
        """Label the snippet at each point; see :meth:`clicks` for errors."""
        videos, found = data.videos("train"), dict[int, PseudoLabels]()
        for row, label, time_s in self.clicks(data).points:
            video = videos[row]
            labels = found.setdefault(row, unlabelled(video.num_snippets))
            place = min(max(int(np.floor(video.grid.index_of(time_s))), 0), video.num_snippets - 1)
            labels.label[place], labels.class_index[place] = 1, label
        self._ends = {row: tuple(np.flatnonzero(labels.label.numpy() == 1)[[0, -1]]) for row, labels in found.items()}
        return found

    def completed(self, batch: SnippetBatch, scores: Callable[[], SnippetScores]) -> PseudoLabels:
        """The points, and what the scores say about the snippets around them; see :func:`grown`."""
        seen, own = scores(), self.labels(batch)
        of_classes = (seen.attention[..., None] * seen.probability).detach().float().cpu().numpy()
        label, class_index = (values.cpu().numpy().copy() for values in own)
        grid_index, lengths = batch.grid_index.cpu().numpy(), batch.mask.sum(dim=1).tolist()
        for place, (row, length) in enumerate(zip(batch.video.tolist(), lengths, strict=True)):
            if row not in self._ends:
                continue
            crop = (place, slice(length))
            first, last = self._ends[row]
            ends = bool(grid_index[crop][0] <= first), bool(last <= grid_index[crop][-1])
            label[crop], class_index[crop] = grown(
                label[crop], class_index[crop], of_classes[crop], self.high, self.low, ends
            )
        if not self.complete:
            label[label == 0] = -1
        return PseudoLabels(*(torch.from_numpy(values).to(batch.mask.device) for values in (label, class_index)))

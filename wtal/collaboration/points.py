"""Clicked points as labels: what is certain around them, and what the scores of a model add to it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.utilities import rank_zero_warn

from wtal.collaboration.growth import grown
from wtal.collaboration.labels import KnownLabels, unlabelled
from wtal.data.contract import VideoData
from wtal.data.labels import label_key
from wtal.data.points import Points, frame_rates, read_points
from wtal.errors import AnnotationError, ConfigError
from wtal.types import PseudoLabels, SnippetBatch, SnippetScores, Video

__all__ = ["PointLabels"]

_OUTSIDE = 0.1  # share of the points behind the end of their video from which the file must be wrong


class PointLabels(KnownLabels):
    """Points clicked inside instances: foreground there, and what a model's scores make of their neighbourhood.

    Its labels stand above those of a teacher, which fill the rest.

    Args:
        path: Table or folder of points, see :func:`~wtal.data.points.read_points`.
        fps: Frame rate of the videos, or a file of frame rates, for points that are frames; see
            :func:`~wtal.data.points.frame_rates`.
        complete: Whether every instance of a video that has a point has one, as in the public files. If not, nothing is
            said about the time before the first point and after the last one of a video.
        high: Share of the score at a point down to which its neighbours are foreground, see :func:`~wtal.collaboration.growth.grown`.
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
        self._places: dict[int, NDArray[np.int64]] = {}  # of all points, by row of the video

    @property
    def note(self) -> str:
        """Origin of the points."""
        return f"points: {self.path.name}" + (f", {self._origin}" if self._origin else "")

    def points(self) -> Points:
        """The points of the file, with times in seconds."""
        return read_points(self.path, None if self.fps is None else frame_rates(self.fps))

    def read(self, data: VideoData) -> dict[int, PseudoLabels]:
        """Label the snippet at each point.

        Raises:
            AnnotationError: If the file is damaged, names an unknown class, has times outside the videos, or has no
                point in a training video.
        """
        videos, points = data.videos("train"), self.points()
        self._origin = points.origin
        rows = {video.video_id: row for row, video in enumerate(videos)}
        classes = {label_key(name): index for index, name in enumerate(data.class_names)}
        classes |= {name: index for index, name in enumerate(data.class_names)}
        found: dict[int, PseudoLabels] = {}
        behind: list[str] = []
        used = 0
        for name, label, time_s, line in points.table.itertuples(index=False):
            index = classes.get(label, classes.get(label_key(label)))
            if index is None:
                raise AnnotationError(f"{self.path}, line {line}: the data have no class {label!r}; correct it.")
            if name not in rows:  # a point in a test video or a held-out one
                continue
            video, used = videos[rows[name]], used + 1
            place = int(np.floor(video.grid.index_of(time_s)))
            if not -1 <= place <= video.num_snippets or time_s < 0:
                behind.append(f"{self.path}, line {line}: {time_s:g} s lies outside video {name}, which is "
                              f"{video.duration_s:g} s long")
                continue
            labels = found.setdefault(rows[name], unlabelled(video.num_snippets))
            place = min(max(place, 0), video.num_snippets - 1)
            labels.label[place], labels.class_index[place] = 1, index
        self._refuse(behind, used, videos)
        self._places = {row: labels.label.numpy().nonzero()[0] for row, labels in found.items()}
        return found

    def _refuse(self, behind: Sequence[str], used: int, videos: Sequence[Video]) -> None:
        if not used:
            raise AnnotationError(f"{self.path} has no point in a training video, such as {videos[0].video_id}.")
        if len(behind) > _OUTSIDE * used:
            raise AnnotationError(f"{behind[0]}; correct it.")
        if behind:
            rank_zero_warn(f"{len(behind)} of {used} points are not used: {behind[0]}.")

    def completed(self, batch: SnippetBatch, scores: Callable[[], SnippetScores]) -> PseudoLabels:
        """The points, and what the scores say about the snippets around them."""
        labels = self.labels(batch)
        seen = scores()
        relative = (seen.attention[..., None] * seen.probability).detach().float().cpu().numpy()
        lengths, rows = batch.mask.sum(dim=1).tolist(), batch.video.tolist()
        firsts, grids = batch.grid_index[:, 0].tolist(), batch.grid_index.cpu()
        label, class_index = labels.label.cpu().numpy().copy(), labels.class_index.cpu().numpy().copy()
        for place, (row, length, first) in enumerate(zip(rows, lengths, firsts, strict=True)):
            points = self._places.get(row)
            if points is None:
                continue
            last = int(grids[place, length - 1])
            ends = self.complete and points[0] >= first, self.complete and points[-1] <= last
            own = grown(label[place, :length], class_index[place, :length], relative[place, :length], self.high, self.low, ends)
            label[place, :length], class_index[place, :length] = own
        return PseudoLabels(*(torch.from_numpy(values).to(batch.mask.device) for values in (label, class_index)))

"""The instances that a student learns from: a file of pseudo-instances, or the segments themselves."""

from pathlib import Path

import pandas as pd
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from wtal.branches.labels import InstanceSource
from wtal.data.contract import VideoData
from wtal.errors import PredictionError
from wtal.results.pseudo_instances import read_pseudo_instances
from wtal.types import Video

__all__ = ["FileInstances", "SupervisedInstances"]

_COLUMNS = ["video", "label", "start_s", "end_s", "weight", "ignored"]


class FileInstances(InstanceSource):
    """Pseudo-instances of a finished run, from the file that ``wtal distill`` writes.

    Args:
        path: Path of the file.
        weighted: Whether an instance counts by its weight; otherwise all count alike.
    """

    def __init__(self, path: Path, weighted: bool = True) -> None:
        self.path, self.weighted = Path(path), weighted

    @property
    def note(self) -> str:
        """Origin of the instances."""
        return f"pseudo-instances: {self.path.name} of {self.path.absolute().parent.name}"

    def read(self, data: VideoData) -> list[Tensor]:
        """Find the instances of the training videos by the names of videos and classes.

        Raises:
            PredictionError: If the file is damaged, or was made on other videos or classes.
        """
        saved = read_pseudo_instances(self.path)
        self.mark = saved.mark
        videos, table = data.videos("train"), saved.instances
        unknown = sorted(set(table["label"]) - set(data.class_names))
        if unknown:
            raise PredictionError(f"{self.path} has the class {unknown[0]!r}, which the data do not have.")
        rows = {video.video_id: row for row, video in enumerate(videos) if video.video_id in saved.videos}
        if not rows:
            raise PredictionError(
                f"{self.path} labels other videos, such as {next(iter(saved.videos), None)}, and none of the "
                f"{len(videos)} training videos, such as {videos[0].video_id}."
            )
        classes = {name: label for label, name in enumerate(data.class_names)}
        table = table[table["video_id"].isin(rows.keys())]
        table = table.assign(video=table["video_id"].map(rows), label=table["label"].map(classes))
        table = table if self.weighted else table.assign(weight=1.0)
        if len(rows) < len(videos):
            rank_zero_warn(
                f"{self.path} labels {len(rows)} of {len(videos)} training videos; of the rest the student learns the "
                "video labels alone."
            )
        return _on_grids(table, videos)


class SupervisedInstances(InstanceSource):
    """The segments of the training videos themselves, as a reference for what weak labels leave out.

    The benchmark of every resulting number is marked as ``supervised``. In training videos without segments, the
    student learns the video labels alone.
    """

    mark = "supervised"

    @property
    def note(self) -> str:
        """What the instances are."""
        return "labels: the training segments"

    def read(self, data: VideoData) -> list[Tensor]:
        """Read the segments, all of weight 1.

        Raises:
            AnnotationError: If the training videos have no segments.
        """
        table = data.segments_for_supervision().assign(weight=1.0, ignored=0.0)
        return _on_grids(table, data.videos("train"))


def _on_grids(table: pd.DataFrame, videos: list[Video]) -> list[Tensor]:
    """Rows of instances by video, on the grids of the videos; empty ones are left out."""
    found: list[list[tuple[float, ...]]] = [[] for _ in videos]
    for row, label, start_s, end_s, weight, ignored in table[_COLUMNS].itertuples(index=False):
        video = videos[row]
        start, end = (
            min(max(video.grid.index_of(time_s), 0.0), float(video.num_snippets)) for time_s in (start_s, end_s)
        )
        if end > start:
            found[row].append((start, end, label, weight, ignored))
    return [torch.tensor(rows, dtype=torch.float32).reshape(-1, 5) for rows in found]

"""Sources of labels that are known before training: a file of a finished run, or the segments themselves."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning.utilities import rank_zero_warn

from wtal.branches.labels import LabelSource
from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.data.contract import VideoData
from wtal.errors import ConfigError, PredictionError
from wtal.results.scores import StudentLabels, VideoGrids, read_pseudo_labels
from wtal.types import PseudoLabels, SnippetBatch, Video

__all__ = ["FileLabels", "KnownLabels", "SupervisedLabels", "unlabelled"]


class KnownLabels(LabelSource):
    """Labels of the training videos that do not change during the training; a subclass reads them."""

    _buffer: PseudoLabelBuffer | None = None

    @abstractmethod
    def read(self, data: VideoData) -> dict[int, PseudoLabels]:
        """Labels of whole training videos, ``(T,)`` each, by row; videos that are missing stay unlabelled."""

    def prepare(self, data: VideoData) -> None:
        """Read the labels of the training videos."""
        buffer = PseudoLabelBuffer(data.train_lengths)
        for row, labels in self.read(data).items():
            place = slice(int(buffer.offsets[row]), int(buffer.offsets[row + 1]))
            buffer.label[place], buffer.class_index[place] = labels.label, labels.class_index
        self._buffer = buffer
        self.version += 1

    def labels(self, batch: SnippetBatch) -> PseudoLabels:
        """Labels of the snippets of a batch."""
        assert self._buffer is not None, "`prepare` comes before the first step"
        if self._buffer.label.device != batch.mask.device:
            self._buffer.to(batch.mask.device)
        return self._buffer.labels(batch)


class FileLabels(KnownLabels):
    """Labels from the ``pseudo_labels.npz`` of a finished collaboration.

    Args:
        path: Path of the file.
        student: Name of the branch whose labels are taken; None if the file has those of one branch only.
    """

    def __init__(self, path: Path, student: str | None = None) -> None:
        self.path, self.student = Path(path), student

    @property
    def note(self) -> str:
        """Origin of the labels."""
        return f"labels: {self.path.name} of {self.path.absolute().parent.name}"

    def read(self, data: VideoData) -> dict[int, PseudoLabels]:
        """Find the labels by the names of videos and classes.

        Raises:
            PredictionError: If the file is damaged, or was made on other videos, other snippets or other classes.
            ConfigError: If ``student`` is needed and not given, or not in the file.
        """
        saved = read_pseudo_labels(self.path)
        student, videos = self._student(saved), data.videos("train")
        unknown = sorted(set(saved.class_names) - set(data.class_names))
        if unknown:
            raise PredictionError(f"{self.path} has the class {unknown[0]!r}, which the data do not have.")
        self.mark = saved.mark
        rows = {video.video_id: row for row, video in enumerate(videos) if video.video_id in saved.grids.rows}
        if not rows:
            raise PredictionError(
                f"{self.path} labels other videos, such as {next(iter(saved.grids.video_ids), None)}, and none of the "
                f"{len(videos)} training videos, such as {videos[0].video_id}."
            )
        if len(rows) < len(videos):
            rank_zero_warn(
                f"{self.path} labels {len(rows)} of {len(videos)} training videos; the rest stay unlabelled."
            )
        to_index = np.array([data.class_names.index(name) for name in saved.class_names] + [-1], np.int16)
        found = {}
        for name, row in rows.items():
            self._refuse_other_grid(saved.grids, videos[row])
            place = saved.grids.slices[name]
            label, class_index = saved.label[student][place], to_index[saved.class_index[student][place]]
            found[row] = PseudoLabels(torch.from_numpy(label.astype(np.int8)), torch.from_numpy(class_index))
        return found

    def _student(self, saved: StudentLabels) -> str:
        student = self.student or (next(iter(saved.label)) if len(saved.label) == 1 else "")
        if student not in saved.label:
            raise ConfigError(
                f"{self.path} has the labels of {' and '.join(saved.label) or 'no branch'}: choose one with `student`."
            )
        return student

    def _refuse_other_grid(self, grids: VideoGrids, video: Video) -> None:
        row, own = grids.rows[video.video_id], VideoGrids.of([video])
        if grids.lengths[row] != own.lengths[0] or not np.allclose(
            [grids.first_s[row], grids.step_s[row]], [own.first_s[0], own.step_s[0]]
        ):
            raise PredictionError(
                f"{self.path}: video {video.video_id} has {grids.lengths[row]} snippets of {grids.step_s[row]:.3g} s "
                f"there and {video.num_snippets} of {video.grid.step_s:.3g} s in the data: give labels that were made "
                "on the same features."
            )


class SupervisedLabels(KnownLabels):
    """The segments of the training videos themselves, as a reference for what weak labels leave out.

    It is the one door by which segments reach training. The benchmark of every resulting number is marked as
    ``supervised``. Training videos without segments stay unlabelled.
    """

    mark = "supervised"

    @property
    def note(self) -> str:
        """What the labels are."""
        return "labels: the training segments"

    def read(self, data: VideoData) -> dict[int, PseudoLabels]:
        """Label every snippet whose centre lies in a segment as foreground, and every other one as background.

        Where segments overlap, the shorter one counts. A segment between two centres labels the snippet around it.

        Raises:
            AnnotationError: If the training videos have no segments.
        """
        segments, videos = data.segments_for_supervision(), data.videos("train")
        lengths_s = segments["end_s"] - segments["start_s"]
        segments = segments.loc[lengths_s.sort_values(ascending=False, kind="stable").index]
        found: dict[int, PseudoLabels] = {}
        for row, label, start_s, end_s in segments[["video", "label", "start_s", "end_s"]].itertuples(index=False):
            video = videos[row]
            if row not in found:
                found[row] = unlabelled(video.num_snippets)
                found[row].label.fill_(0)
            for index in _covered(video, start_s, end_s):
                found[row].label[index], found[row].class_index[index] = 1, int(label)
        return found


def unlabelled(length: int) -> PseudoLabels:
    """Labels of a video of some snippets of which none is labelled."""
    return PseudoLabels(torch.full((length,), -1, dtype=torch.int8), torch.full((length,), -1, dtype=torch.int16))


def _covered(video: Video, start_s: float, end_s: float) -> Iterator[int]:
    """Indices of the snippets whose centres lie in a segment, or of the one around it."""
    first, last = (video.grid.index_of(time_s) for time_s in (start_s, end_s))
    begin, end = int(np.ceil(first - 0.5)), int(np.ceil(last - 0.5))
    if begin >= end:
        begin = int(np.floor((first + last) / 2))
        end = begin + 1
    yield from range(max(begin, 0), min(end, video.num_snippets))

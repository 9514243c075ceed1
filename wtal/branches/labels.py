"""The contracts of sources of labels, of snippets and of whole instances: a teacher, a file, clicks, the segments."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from wtal.data.contract import VideoData
from wtal.types import PseudoLabels, SnippetBatch, SnippetScores

__all__ = ["Clicks", "InstanceSource", "LabelSource", "Point"]


class Point(NamedTuple):
    """A point inside an instance of a training video."""

    row: int  # of the video
    label: int  # index of the class
    time_s: float


class Clicks(NamedTuple):
    """All points of the training videos, in the order of their file."""

    points: list[Point]
    complete: bool  # whether every instance of a video that has a point has one


class LabelSource(ABC):
    """Hands a branch the labels of the snippets of a batch.

    A branch that has a source prepares it before training, refreshes it before each epoch, and asks it for labels in
    each step. Sources of fixed labels need only :meth:`prepare` and :meth:`labels`.
    """

    version: int = 0  # grows whenever the labels change
    mark: str = ""  # what the benchmark's name must add, if these labels say more than video labels
    overrides: bool = False  # whether they stand above the labels of a teacher; otherwise these take their place
    weight: float = 1.0  # factor of all losses on these labels, less than 1 where they are out of date

    @property
    def note(self) -> str:
        """What a reader of a table must know about these labels; empty if nothing."""
        return ""

    def prepare(self, data: VideoData) -> None:  # noqa: B027  most sources need none
        """Make the labels of the training videos ready, once before training.

        Args:
            data: The data of the training.

        Raises:
            WTALError: If the labels cannot be read, or belong to other videos.
        """

    def clicks(self, data: VideoData) -> Clicks | None:
        """The points behind the labels; None for labels that are not made from points.

        Raises:
            WTALError: See :meth:`prepare`.
        """
        return None

    def refresh(self, epoch: int) -> None:  # noqa: B027
        """Switch to newer labels, if any; called before each training epoch.

        Args:
            epoch: The epoch that begins, counted from 0.
        """

    @abstractmethod
    def labels(self, batch: SnippetBatch) -> PseudoLabels:
        """Labels of the snippets of a batch, ``(B, T)``, on its device; those of padding are ignored."""

    def completed(self, batch: SnippetBatch, scores: Callable[[], SnippetScores]) -> PseudoLabels:
        """The labels of a batch with what the scores of a model, a student or a teacher, add to them.

        Args:
            batch: Videos or crops of them.
            scores: Gives the model's scores of the batch; most sources do not ask.
        """
        return self.labels(batch)


class InstanceSource(ABC):
    """Hands a student the instances of whole training videos."""

    mark: str = ""  # what the benchmark's name must add, if these instances say more than video labels

    @property
    def note(self) -> str:
        """What a reader of a table must know about these instances; empty if nothing."""
        return ""

    @abstractmethod
    def read(self, data: VideoData) -> list[Tensor]:
        """Read the instances of each training video, in the order of the split.

        Args:
            data: The data of the training.

        Returns:
            For each video ``(N, 5)``: start and end as indices of its grid, class, weight, and 1 if it is unknown
            whether there is an action, so that nothing is learned there.

        Raises:
            WTALError: If they cannot be read, or belong to other videos.
        """

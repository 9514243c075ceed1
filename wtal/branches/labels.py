"""The contracts of sources of labels, of snippets and of whole instances: a teacher, a file, clicks, the segments."""

from abc import ABC, abstractmethod

from torch import Tensor

from wtal.data.contract import VideoData
from wtal.types import PseudoLabels, SnippetBatch

__all__ = ["InstanceSource", "LabelSource"]


class LabelSource(ABC):
    """Hands a branch the labels of the snippets of a batch.

    A branch that has a source prepares it before training, refreshes it before each epoch, and asks it for labels in
    each step. Sources of fixed labels need only :meth:`prepare` and :meth:`labels`.
    """

    version: int = 0  # grows whenever the labels change
    mark: str = ""  # what the benchmark's name must add, if these labels say more than video labels
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

    def refresh(self, epoch: int) -> None:  # noqa: B027
        """Switch to newer labels, if any; called before each training epoch.

        Args:
            epoch: The epoch that begins, counted from 0.
        """

    @abstractmethod
    def labels(self, batch: SnippetBatch) -> PseudoLabels:
        """Labels of the snippets of a batch, ``(B, T)``, on its device; those of padding are ignored."""


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

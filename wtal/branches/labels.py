"""The contract of whatever labels snippets for a branch: a teacher, a file, clicks, another process, the segments."""

from abc import ABC, abstractmethod

from wtal.data.contract import VideoData
from wtal.types import PseudoLabels, SnippetBatch

__all__ = ["LabelSource"]


class LabelSource(ABC):
    """Hands a branch the labels of the snippets of a batch.

    A branch that has a source prepares it before training, lets it refresh itself before each epoch, and asks it for
    labels in each step. Sources of a fixed set of labels need :meth:`prepare` and :meth:`labels` alone.
    """

    version: int = 0  # grows whenever the labels change
    mark: str = ""  # what the name of the benchmark must add, if these labels tell more than the video labels do

    @property
    def note(self) -> str:
        """What a reader of a table must know of these labels; empty if nothing."""
        return ""

    def prepare(self, data: VideoData) -> None:  # noqa: B027  most sources need none
        """Make the labels of the training videos ready, once before training.

        Args:
            data: The data of the training.

        Raises:
            WTALError: If the labels cannot be had, or belong to other videos.
        """

    def refresh(self, epoch: int) -> None:  # noqa: B027
        """Take over labels that have become newer; called before each training epoch.

        Args:
            epoch: The epoch that begins, counted from 0.
        """

    @abstractmethod
    def labels(self, batch: SnippetBatch) -> PseudoLabels:
        """Labels of the snippets of a batch, ``(B, T)``, on its device; what they say of padding is ignored."""

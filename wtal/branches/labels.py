"""The contract of a source of snippet labels: a teacher, a file, clicks, another process, the segments."""

from abc import ABC, abstractmethod

from wtal.data.contract import VideoData
from wtal.types import PseudoLabels, SnippetBatch

__all__ = ["LabelSource"]


class LabelSource(ABC):
    """Hands a branch the labels of the snippets of a batch.

    A branch that has a source prepares it before training, refreshes it before each epoch, and asks it for labels in
    each step. Sources of fixed labels need only :meth:`prepare` and :meth:`labels`.
    """

    version: int = 0  # grows whenever the labels change
    mark: str = ""  # what the benchmark's name must add, if these labels say more than video labels

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

"""A teacher's pseudo-labels for every snippet of every training video."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wtal.branches.labels import LabelSource
from wtal.errors import CheckpointError
from wtal.types import PseudoLabels, SnippetBatch

__all__ = ["PseudoLabelBuffer"]

_UNSEEN = -2  # below every label, so that an element-wise maximum over processes joins what each wrote


class PseudoLabelBuffer(LabelSource):
    """Pseudo-labels on the full grid of all training videos, one video after the other in one tensor.

    They are training state, not weights: the loop keeps them in the checkpoint. In a module's buffers they would tie
    the weights to a training set, and DDP would broadcast them at every step.

    Args:
        lengths: Number of snippets of each training video, in the order of ``SnippetBatch.video``.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.offsets = torch.tensor([0, *lengths]).cumsum(0)
        total = int(self.offsets[-1])
        self.label = torch.full((total,), -1, dtype=torch.int8)
        self.class_index = torch.full((total,), -1, dtype=torch.int16)

    def to(self, device: torch.device) -> "PseudoLabelBuffer":
        """Move the tensors in place."""
        self.offsets, self.label, self.class_index = (
            t.to(device) for t in (self.offsets, self.label, self.class_index)
        )
        return self

    def labels(self, batch: SnippetBatch) -> PseudoLabels:
        """Labels of the snippets of a batch."""
        return self.lookup(batch.video, batch.grid_index)

    def lookup(self, video: Tensor, grid_index: Tensor) -> PseudoLabels:
        """Labels of some snippets.

        Args:
            video: Rows of the videos, ``(B,)``.
            grid_index: Indices on their grids, ``(B, T)``; the caller must mask the result at padding.
        """
        place = self.offsets[video][:, None] + grid_index
        return PseudoLabels(self.label[place], self.class_index[place])

    def begin(self) -> None:
        """Forget all labels before a new pass of the teacher."""
        self.label.fill_(_UNSEEN)
        self.class_index.fill_(_UNSEEN)

    def write(self, video: Tensor, grid_index: Tensor, mask: Tensor, pseudo: PseudoLabels) -> None:
        """Store the labels of full-length videos, padding left out; see :meth:`lookup` for the arguments."""
        place = (self.offsets[video][:, None] + grid_index)[mask]
        self.label[place], self.class_index[place] = pseudo.label[mask], pseudo.class_index[mask]

    def end(self, reduce_max: Callable[[Tensor], Tensor]) -> None:
        """Merge what the processes wrote.

        Args:
            reduce_max: Element-wise maximum over processes.

        Raises:
            RuntimeError: If any snippet is left unlabelled by all processes.
        """
        self.label = reduce_max(self.label)
        self.class_index = reduce_max(self.class_index.int()).to(torch.int16)  # gloo cannot reduce int16
        if (self.label == _UNSEEN).any():
            raise RuntimeError("The pass over the training videos left snippets without a pseudo-label.")
        self.version += 1

    def moved(self, rows: Sequence[int | None], lengths: Sequence[int]) -> "PseudoLabelBuffer":
        """The labels for another set of training videos; those of new videos are ignored until a teacher sees them.

        Args:
            rows: For each video of the new set its row in this one; None if it is new.
            lengths: Number of snippets of each video of the new set.
        """
        made = PseudoLabelBuffer(lengths).to(self.label.device)
        made.version = self.version
        bounds, new_bounds = self.offsets.tolist(), made.offsets.tolist()
        for row, former in enumerate(rows):
            if former is not None:
                here, there = slice(*new_bounds[row : row + 2]), slice(*bounds[former : former + 2])
                made.label[here], made.class_index[here] = self.label[there], self.class_index[there]
        return made

    def shares(self) -> dict[str, float]:
        """Share of foreground, background and ignored snippets."""
        kinds = {"foreground": 1, "background": 0, "ignored": -1}
        return {name: (self.label == kind).float().mean().item() for name, kind in kinds.items()}

    def agreement(self, other: "PseudoLabelBuffer") -> float:
        """Share of the snippets labelled in both buffers that have the same label.

        It is NaN where it would mean nothing: if no snippet is labelled in both, or if one teacher hands over only
        foreground and the other only background, so that they can only differ.
        """
        both = (self.label >= 0) & (other.label >= 0)
        shared = [kind for kind in (0, 1) if (self.label == kind).any() and (other.label == kind).any()]
        if not both.any() or not shared:
            return float("nan")
        return (self.label[both] == other.label[both]).float().mean().item()

    def state_dict(self) -> dict[str, Tensor]:
        """Only tensors, so that a checkpoint loads with ``weights_only=True``."""
        return {"offsets": self.offsets.cpu(), "label": self.label.cpu(), "class_index": self.class_index.cpu()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore saved labels.

        Raises:
            CheckpointError: If they belong to a training set of other videos or lengths.
        """
        if not torch.equal(state["offsets"], self.offsets.cpu()):
            raise CheckpointError(
                f"The checkpoint's pseudo-labels cover {len(state['offsets']) - 1} training videos of other lengths "
                f"than the {len(self.offsets) - 1} here: resume on the training set that the checkpoint was made on."
            )
        class_index = state["class_index"] if "class_index" in state else state["klass"]  # before version 0.2
        self.label, self.class_index = state["label"].to(self.label.device), class_index.to(self.label.device)

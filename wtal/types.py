"""The few types that every part of the project shares.

A *snippet* is one feature row; ``B`` videos, ``T`` snippets, ``D`` channels, ``C`` classes. Names of times in seconds
end in ``_s``; a position on a video's snippet grid is an ``index``. No type that a training step sees contains
ground-truth segments, so the types enforce weak supervision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "Benchmark",
    "BranchOutput",
    "Clips",
    "Detections",
    "InstanceScores",
    "Instances",
    "Pixels",
    "PseudoLabels",
    "SnippetBatch",
    "SnippetScores",
    "Split",
    "TaskName",
    "TimeGrid",
    "Video",
    "VideoResult",
]

Split = Literal["train", "val", "test"]
TaskName = Literal["localization", "anomaly"]


@dataclass(frozen=True)
class TimeGrid:
    """Where the snippets of a video lie in time.

    Snippet ``i`` sees the frames ``[i * stride, i * stride + window)``, counted from ``offset_s``. It stands for
    the *cell* of one stride around the centre of its window, so that cells tile the video without overlap.

    Args:
        fps: Frames per second of the decoded video.
        stride: Frames between the starts of neighbouring snippets.
        window: Frames that one snippet covers.
        offset_s: Time of the first frame of snippet 0, in seconds.

    >>> TimeGrid(fps=25, stride=16, window=16).cell_s(2)
    (1.28, 1.92)
    >>> TimeGrid(fps=30, stride=4, window=16).cell_s(0)  # centred at frame 8
    (0.2, 0.3333333333333333)
    """

    fps: float = 25.0
    stride: float = 16.0
    window: float = 16.0
    offset_s: float = 0.0

    @property
    def step_s(self) -> float:
        """Seconds from one snippet to the next."""
        return self.stride / self.fps

    def edge_s(self, index: float) -> float:
        """Start in seconds of the cell of snippet ``index``; ``edge_s(T)`` is the end of the last one."""
        return self.offset_s + (index * self.stride + (self.window - self.stride) / 2) / self.fps

    def cell_s(self, index: int) -> tuple[float, float]:
        """Start and end in seconds of the cell of snippet ``index``."""
        return self.edge_s(index), self.edge_s(index + 1)

    def index_of(self, time_s: float) -> float:
        """Fractional index of a time: the inverse of :meth:`edge_s`."""
        return ((time_s - self.offset_s) * self.fps - (self.window - self.stride) / 2) / self.stride


@dataclass(frozen=True)
class Video:
    """What is known about a video besides its features and segments.

    Args:
        video_id: Name of the video in the annotations.
        num_snippets: Number of its snippets, ``T``.
        grid: Time grid of the snippets.
        duration_s: Length of the video in seconds; detections are clipped to it.
    """

    video_id: str
    num_snippets: int
    grid: TimeGrid
    duration_s: float


@dataclass(frozen=True)
class Benchmark:
    """How detections are measured, and the name that every table states beside the numbers.

    Args:
        name: Name such as ``"thumos14-212"``, followed by whatever changes what a number means, such as ``supervised``.
        tious: Temporal IoU thresholds.
        averages: Ranges of tIoU, both ends included, over which the mAP is averaged and reported.
        task: What is to be found, and so how the answer is measured and shown; see :func:`~wtal.tasks.task_of`.
    """

    name: str
    tious: tuple[float, ...]
    averages: tuple[tuple[float, float], ...]
    task: TaskName = "localization"

    @classmethod
    def as_thumos14(cls, name: str) -> "Benchmark":
        """A benchmark with the thresholds and averages that papers report on THUMOS14."""
        return cls(name, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), ((0.1, 0.5), (0.3, 0.7), (0.1, 0.7)))


class Pixels(NamedTuple):
    """``N`` snippets as encoders see them; None is what is not asked for."""

    rgb: Tensor | None = None  # (N, window, H, W, 3) uint8
    flow: Tensor | None = None  # (N, window, H, W, 2) uint8
    images: Tensor | None = None  # (N, images, 3, h, w)

    def part(self, of: slice) -> "Pixels":
        """The pixels of some of the snippets."""
        return Pixels(*(None if tensor is None else tensor[of] for tensor in self))

    @property
    def length(self) -> int:
        """Number of snippets."""
        return next(len(tensor) for tensor in self if tensor is not None)


class Clips(NamedTuple):
    """Snippets of one video that a training step encodes again."""

    place: Tensor  # (N,) long, their places in the crop
    pixels: Pixels


class SnippetBatch(NamedTuple):
    """Videos, cropped and padded, as a training or inference step sees them.

    ``mask`` alone says what is padding: a row of zeros may be a real snippet. A stream that the data lack is missing
    from ``streams``.
    """

    streams: Mapping[str, Tensor]  # by name, (B, T, D) with a width of its own
    mask: Tensor  # (B, T) bool, True on real snippets
    grid_index: Tensor  # (B, T) long, index on the video's own grid, to look up pseudo-labels
    labels: Tensor  # (B, C) float multi-hot, of the whole video
    video: Tensor  # (B,) long, row in the split's list of videos
    clips: Mapping[str, tuple[Clips, ...]] = {}  # by stream, in training from video: for each video, what is encoded
    films: Mapping[str, tuple[Any, ...]] = {}  # by stream, at full length: the Film of each video, not decoded yet


@dataclass
class BranchOutput:
    """What a branch predicts for each snippet; heads extend it with what their own losses need."""

    cas: Tensor  # (B, T, C) class logits
    background: Tensor  # (B, T) logit of the background class
    attention: Tensor  # (B, T) actionness in [0, 1]
    embedding: Tensor  # (B, T, E)

    @property
    def plain(self) -> Tensor:
        """Logits of all classes with that of the background last, ``(B, T, C + 1)``."""
        return torch.cat([self.cas, self.background[..., None]], dim=2)

    @property
    def suppressed(self) -> Tensor:
        """The plain logits times actionness, ``(B, T, C + 1)``.

        Source:
            HAM-Net, arXiv:2101.00545, section 3.2.
        """
        return self.attention[..., None] * self.plain


class SnippetScores(NamedTuple):
    """What the localizer reads for one video, from one branch or from the fusion of both."""

    probability: Tensor  # (T, C) class probability of each snippet, in [0, 1]
    attention: Tensor  # (T,) actionness in [0, 1]
    video: Tensor  # (C,) class probability of the video, in [0, 1]

    def of_classes(self, labels: Tensor) -> "SnippetScores":
        """The scores of one video for some of the classes only."""
        return SnippetScores(self.probability[:, labels], self.attention, self.video[labels])


class Instances(NamedTuple):
    """Instances that a model predicts by itself, at ``P`` places; a batch has a leading dimension."""

    score: Tensor  # (P, C) in [0, 1]; 0 where a place is padding
    bounds: Tensor  # (P, 2) start and end, as indices on the grid of the snippets


class InstanceScores(SnippetScores):
    """Scores of a model that also predicts whole instances; whoever knows snippets alone reads it as such.

    Args:
        probability: See :class:`SnippetScores`.
        attention: See :class:`SnippetScores`.
        video: See :class:`SnippetScores`.
        instances: The instances.
    """

    instances: Instances | None

    def __new__(
        cls, probability: Tensor, attention: Tensor, video: Tensor, instances: Instances | None = None
    ) -> "InstanceScores":
        """Snippet scores with instances."""
        made = super().__new__(cls, probability, attention, video)
        made.instances = instances
        return made

    def of_classes(self, labels: Tensor) -> "InstanceScores":
        """The scores of one video for some of the classes only."""
        some = None if self.instances is None else self.instances._replace(score=self.instances.score[:, labels])
        return InstanceScores(self.probability[:, labels], self.attention, self.video[labels], some)


class PseudoLabels(NamedTuple):
    """A label for each snippet, from a teacher or from any other source."""

    label: Tensor  # (B, T) int8: 1 foreground, 0 background, -1 ignored
    class_index: Tensor  # (B, T) int16: class of a foreground snippet, else -1


class Detections(NamedTuple):
    """Action instances of one video, best first."""

    start_s: Tensor  # (N,) float64
    end_s: Tensor  # (N,) float64
    label: Tensor  # (N,) long, index of the class name
    score: Tensor  # (N,) float64


class VideoResult(NamedTuple):
    """Scores and detections of one source for one video."""

    scores: SnippetScores  # without padding, float16, on the CPU
    detections: Detections

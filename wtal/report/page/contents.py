"""What a page shows: methods with their detections, ground truth, trainings and pseudo-labels."""

from dataclasses import dataclass, field

import pandas as pd

from wtal.results.ground_truth import GroundTruth
from wtal.results.journal import Given, Taken
from wtal.results.pseudo_instances import PseudoInstances
from wtal.results.record import About
from wtal.results.scores import StudentLabels, TestScores
from wtal.results.stream import StreamRecord
from wtal.views import CBP, VLP, View

__all__ = ["Exchanged", "Followed", "Material", "Method", "Training", "Wall"]


@dataclass(frozen=True)
class Method:
    """One row of the page's tables and one lane of its timelines.

    Args:
        source: Name of the source, as in the name of its file.
        name: The unique name that is displayed.
        colour: Name of one of the page's colours.
        detections: Rows of :data:`~wtal.results.predictions.COLUMNS`.
        scores: Its snippet scores, if there are any.
        leading: Whether it is visible from the start; other methods are shown on demand.
    """

    source: str
    name: str
    colour: str
    detections: pd.DataFrame
    scores: TestScores | None = None
    leading: bool = True


@dataclass(frozen=True)
class Training:
    """The course of a training.

    Args:
        name: Name of the run.
        epochs: One row per epoch, indexed by its number: the columns of Lightning's ``metrics.csv``, NaN where nothing
            was logged.
        exchange: Whether the branches exchanged their roles.
        pair: The two branches; the first teaches the second in the turns ``B``, and learns from it in the turns ``F``.
    """

    name: str
    epochs: pd.DataFrame
    exchange: bool = False
    pair: tuple[View, View] = (CBP, VLP)


@dataclass(frozen=True)
class Exchanged:
    """The packets of labels of both branches of an asynchronous training.

    Args:
        name: Name of the run.
        pair: The two branches.
        given: Packets that each branch published, by its name.
        taken: Changes of the packet that each branch learned from, by its name.
        bound: Largest age that a packet in use may have; None if it is unknown.
    """

    name: str
    pair: tuple[View, View]
    given: dict[str, list[Given]]
    taken: dict[str, list[Taken]]
    bound: int | None = None

    @property
    def begin_s(self) -> float:
        """Time of the first event."""
        return min(event.time_s for view in self.pair for event in self.events_of(view.name))

    def events_of(self, branch: str) -> list[Given | Taken]:
        """All events of a branch."""
        return [*self.given[branch], *self.taken[branch]]

    def steps_of(self, branch: str) -> int:
        """Number of steps of a branch, as far as its journal tells."""
        return max((event.step for event in self.events_of(branch)), default=0)

    def lessons(self) -> list[tuple[View, View]]:
        """Teacher and student of each direction in which a branch learned from the other."""
        return [(one, other) for one, other in (self.pair, self.pair[::-1]) if self.taken[other.name]]


@dataclass(frozen=True)
class Wall:
    """How long a training of two branches took.

    Args:
        name: Name of the run.
        seconds: Its wall time.
        at_once: Whether both branches trained at the same time.
        epochs: Largest number of epochs.
    """

    name: str
    seconds: float
    at_once: bool
    epochs: int | None


@dataclass(frozen=True)
class Followed:
    """A training on videos that kept coming.

    Args:
        name: Name of the run.
        record: What was noted.
        views: Views of its sources.
    """

    name: str
    record: StreamRecord
    views: tuple[View, ...]


@dataclass(frozen=True)
class Material:
    """Everything that a page shows.

    Args:
        methods: The methods, in the order of the tables.
        truth: Ground truth of the test videos; None if it is unknown, in which case nothing is measured.
        about: Features, benchmark and checkpoint behind the numbers.
        training: One entry per run that was trained.
        comparison: One row per method and seed, as in ``comparison.csv``.
        pseudo: The last pseudo-labels of the training videos.
        instances: Pseudo-instances of the training videos, from which a student learned.
        train_segments: Segments of the training videos, only displayed; given by the annotations.
        points: Points inside instances, with ``video_id``, ``label`` and ``time_s``; more can be clicked in the page.
        notes: Further remarks for the reader.
        exchanged: What the branches of each asynchronous training handed over.
        walls: How long each training of a pair took.
        followed: The trainings on videos that kept coming.
    """

    methods: list[Method]
    truth: GroundTruth | None
    about: About
    training: list[Training] = field(default_factory=list)
    comparison: pd.DataFrame | None = None
    pseudo: StudentLabels | None = None
    instances: PseudoInstances | None = None
    train_segments: pd.DataFrame | None = None
    points: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    exchanged: list[Exchanged] = field(default_factory=list)
    walls: list[Wall] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)

    @property
    def shows_training(self) -> bool:
        """Whether training videos are shown."""
        return self.pseudo is not None or self.instances is not None

"""Two branches that teach each other, the loop in which they do, and other sources of labels for a branch."""

from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.fusion import Fusion
from wtal.collaboration.labels import FileLabels, KnownLabels, SupervisedLabels
from wtal.collaboration.loop import CollaborationLoop, Pair
from wtal.collaboration.module import CollaborationModule
from wtal.collaboration.online import OnlineScorer, emissions_of
from wtal.collaboration.optimizer import BranchOptimizer, BranchScheduler
from wtal.collaboration.points import PointLabels
from wtal.collaboration.prequential import Prequential
from wtal.collaboration.pseudo_labels import Thresholds
from wtal.collaboration.schedule import Lesson, Schedule, Step
from wtal.collaboration.stream import FollowStream

__all__ = [
    "BranchOptimizer",
    "BranchScheduler",
    "CollaborationLoop",
    "CollaborationModule",
    "FileLabels",
    "FollowStream",
    "Fusion",
    "KnownLabels",
    "Lesson",
    "OnlineScorer",
    "Pair",
    "PointLabels",
    "Prequential",
    "PseudoLabelBuffer",
    "Schedule",
    "Step",
    "SupervisedLabels",
    "Thresholds",
    "emissions_of",
]

"""Two branches that teach each other, the loop in which they do, and other sources of labels for a branch."""

from wtal.collaboration.fusion import Fusion
from wtal.collaboration.labels import FileLabels, PointLabels, SupervisedLabels
from wtal.collaboration.module import CollaborationModule
from wtal.collaboration.pseudo_labels import Thresholds
from wtal.collaboration.schedule import Schedule

__all__ = [
    "CollaborationModule",
    "FileLabels",
    "Fusion",
    "PointLabels",
    "Schedule",
    "SupervisedLabels",
    "Thresholds",
]

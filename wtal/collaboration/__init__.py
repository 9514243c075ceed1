"""Both branches at once, and the loop in which they teach each other."""

from wtal.collaboration.buffer import PseudoLabelBuffer
from wtal.collaboration.fusion import Fusion
from wtal.collaboration.loop import CollaborationLoop
from wtal.collaboration.module import CollaborationModule
from wtal.collaboration.optimizer import BranchOptimizer, BranchScheduler
from wtal.collaboration.pseudo_labels import Thresholds
from wtal.collaboration.schedule import Lesson, Schedule, Step

__all__ = [
    "BranchOptimizer",
    "BranchScheduler",
    "CollaborationLoop",
    "CollaborationModule",
    "Fusion",
    "Lesson",
    "PseudoLabelBuffer",
    "Schedule",
    "Step",
    "Thresholds",
]

"""Both branches at once, and the loop in which they teach each other."""

from wtal.collaboration.fusion import Fusion
from wtal.collaboration.module import CollaborationModule
from wtal.collaboration.pseudo_labels import Thresholds
from wtal.collaboration.schedule import Schedule

__all__ = ["CollaborationModule", "Fusion", "Schedule", "Thresholds"]

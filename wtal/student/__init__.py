"""The student: a regressor of whole instances, taught by the instances that a finished run finds, or by segments."""

from wtal.results.pseudo_instances import PseudoInstances
from wtal.student.module import StudentModule, StudentWeights
from wtal.student.pseudo_instances import Selection
from wtal.student.sources import FileInstances, SupervisedInstances
from wtal.student.targets import Targets

__all__ = [
    "FileInstances",
    "PseudoInstances",
    "Selection",
    "StudentModule",
    "StudentWeights",
    "SupervisedInstances",
    "Targets",
]

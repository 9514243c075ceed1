"""The student: a regressor of whole instances, taught by the instances that a finished run finds, or by segments."""

from wtal.student.module import StudentModule, StudentWeights
from wtal.student.sources import FileInstances, SupervisedInstances

__all__ = [
    "FileInstances",
    "StudentModule",
    "StudentWeights",
    "SupervisedInstances",
]

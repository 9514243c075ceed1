"""The task of a benchmark."""

from wtal.tasks.anomaly import AnomalyTask
from wtal.tasks.localization import LocalizationTask
from wtal.tasks.task import Task
from wtal.types import Benchmark

__all__ = ["task_of"]


def task_of(benchmark: Benchmark) -> Task:
    """The task that a benchmark names; whoever measures or shows an answer asks here."""
    return AnomalyTask() if benchmark.task == "anomaly" else LocalizationTask()

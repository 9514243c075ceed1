"""What a task is: its ground truth, its metric, and the columns that tables show."""

from wtal.tasks.anomaly import AnomalyQuality, AnomalyTask, anomaly_score
from wtal.tasks.choice import task_of
from wtal.tasks.localization import DetectionQuality, LocalizationTask
from wtal.tasks.task import Task

__all__ = [
    "AnomalyQuality",
    "AnomalyTask",
    "DetectionQuality",
    "LocalizationTask",
    "Task",
    "anomaly_score",
    "task_of",
]

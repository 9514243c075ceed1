"""What a task is: its ground truth, its metric, and the columns that tables show."""

from wtal.tasks.localization import DetectionQuality, LocalizationTask
from wtal.tasks.task import Task

__all__ = ["DetectionQuality", "LocalizationTask", "Task"]

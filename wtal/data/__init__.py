"""The user's files: annotations and features to batches of snippets.

The classes are imported when they are asked for: whoever reads annotations alone then waits for no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wtal.data.activitynet import ActivityNet12DataModule, ActivityNet13DataModule
    from wtal.data.annotations import Annotations, read_annotations
    from wtal.data.custom import CustomDataModule
    from wtal.data.datamodule import SnippetDataModule
    from wtal.data.dataset import SnippetDataset
    from wtal.data.features import FeatureSource
    from wtal.data.synthetic import SyntheticDataModule, SyntheticParams
    from wtal.data.thumos14 import THUMOS14DataModule

__all__ = [
    "ActivityNet12DataModule",
    "ActivityNet13DataModule",
    "Annotations",
    "CustomDataModule",
    "FeatureSource",
    "SnippetDataModule",
    "SnippetDataset",
    "SyntheticDataModule",
    "SyntheticParams",
    "THUMOS14DataModule",
    "read_annotations",
]

_HOME = {
    "ActivityNet12DataModule": "activitynet",
    "ActivityNet13DataModule": "activitynet",
    "Annotations": "annotations",
    "CustomDataModule": "custom",
    "FeatureSource": "features",
    "SnippetDataModule": "datamodule",
    "SnippetDataset": "dataset",
    "SyntheticDataModule": "synthetic",
    "SyntheticParams": "synthetic",
    "THUMOS14DataModule": "thumos14",
    "read_annotations": "annotations",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"wtal.data.{_HOME[name]}"), name)

"""The user's files: annotations and features to batches of snippets."""

from wtal.data.activitynet import ActivityNet12DataModule
from wtal.data.annotations import Annotations, read_annotations
from wtal.data.custom import CustomDataModule
from wtal.data.datamodule import SnippetDataModule
from wtal.data.dataset import SnippetDataset
from wtal.data.features import FeatureSource
from wtal.data.synthetic import SyntheticDataModule, SyntheticParams
from wtal.data.thumos14 import THUMOS14DataModule

__all__ = [
    "ActivityNet12DataModule",
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

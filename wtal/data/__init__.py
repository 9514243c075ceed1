"""From the user's files, annotations and features, to batches of snippets."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.data.activitynet import ActivityNet12DataModule, ActivityNet13DataModule
    from wtal.data.agreement import Alignment, Arrangement, VideoAgreement
    from wtal.data.annotations import Annotations, read_annotations
    from wtal.data.anomaly import AnomalyDataModule
    from wtal.data.anomaly_lists import ListedVideo, read_video_list
    from wtal.data.anomaly_names import FeatureFile
    from wtal.data.anomaly_truth import AnnotatedVideo, Interval, read_frame_annotations
    from wtal.data.appending import StoreAppender
    from wtal.data.axes import ArraySample, FeatureArray
    from wtal.data.bank import BankRows, FeatureBank
    from wtal.data.contract import VideoData
    from wtal.data.custom import CustomDataModule, OwnFiles
    from wtal.data.datamodule import SnippetDataModule, SplitVideos
    from wtal.data.dataset import Item, SnippetDataset, SnippetFeatures
    from wtal.data.durations import DurationCheck
    from wtal.data.egocentric import BEOIDDataModule, GTEADataModule
    from wtal.data.feature_comparison import FeatureComparison, FeatureSet
    from wtal.data.features import FeatureSource, open_features
    from wtal.data.filming import Filming
    from wtal.data.inspection import DataReport, SplitReport, StreamReport, inspect
    from wtal.data.layouts import FoundFeatures
    from wtal.data.made_up import MadeUpDataModule
    from wtal.data.manifest import Manifest, read_manifest
    from wtal.data.points import Points
    from wtal.data.remote_store import RemoteAppender
    from wtal.data.reservoir import Reservoir
    from wtal.data.resumable import EpochSampler, FixedOrder, ResumableLoader
    from wtal.data.store import FeatureStore, Grids, StoreWriter, open_store
    from wtal.data.stream import Arrivals, StreamDataModule
    from wtal.data.synthetic import MadeVideo, SyntheticDataModule, SyntheticParams, write_synthetic
    from wtal.data.synthetic_anomaly import SyntheticAnomalyDataModule, SyntheticAnomalyParams
    from wtal.data.thumos14 import THUMOS14DataModule
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "ActivityNet12DataModule",
    "ActivityNet13DataModule",
    "Alignment",
    "AnnotatedVideo",
    "Annotations",
    "AnomalyDataModule",
    "Arrangement",
    "ArraySample",
    "Arrivals",
    "BEOIDDataModule",
    "BankRows",
    "CustomDataModule",
    "DataReport",
    "DurationCheck",
    "EpochSampler",
    "FeatureArray",
    "FeatureBank",
    "FeatureComparison",
    "FeatureFile",
    "FeatureSet",
    "FeatureSource",
    "FeatureStore",
    "Filming",
    "FixedOrder",
    "FoundFeatures",
    "GTEADataModule",
    "Grids",
    "Interval",
    "Item",
    "ListedVideo",
    "MadeUpDataModule",
    "MadeVideo",
    "Manifest",
    "OwnFiles",
    "Points",
    "RemoteAppender",
    "Reservoir",
    "ResumableLoader",
    "SnippetDataModule",
    "SnippetDataset",
    "SnippetFeatures",
    "SplitReport",
    "SplitVideos",
    "StoreAppender",
    "StoreWriter",
    "StreamDataModule",
    "StreamReport",
    "SyntheticAnomalyDataModule",
    "SyntheticAnomalyParams",
    "SyntheticDataModule",
    "SyntheticParams",
    "THUMOS14DataModule",
    "VideoAgreement",
    "VideoData",
    "inspect",
    "open_features",
    "open_store",
    "read_annotations",
    "read_frame_annotations",
    "read_manifest",
    "read_video_list",
    "write_synthetic",
]

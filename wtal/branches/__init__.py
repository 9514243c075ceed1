"""The two branches, each a LightningModule that also trains alone, and the contracts of sources of labels."""

from wtal.branches.branch import Branch, DistillationWeights
from wtal.branches.cbp import CBPBranch
from wtal.branches.encoded_stream import EncodedStream, Encoding
from wtal.branches.head_module import HeadModule
from wtal.branches.labels import Clicks, InstanceSource, LabelSource, Point
from wtal.branches.localization import LocalizationModule
from wtal.branches.vlp import VLPBranch
from wtal.views import View

__all__ = [
    "Branch",
    "CBPBranch",
    "Clicks",
    "DistillationWeights",
    "EncodedStream",
    "Encoding",
    "HeadModule",
    "InstanceSource",
    "LabelSource",
    "LocalizationModule",
    "Point",
    "VLPBranch",
    "View",
]

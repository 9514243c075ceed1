"""The two branches, each a LightningModule that also trains alone, and the contract of a source of snippet labels."""

from wtal.branches.branch import Branch, DistillationWeights
from wtal.branches.cbp import CBPBranch
from wtal.branches.labels import LabelSource
from wtal.branches.localization import LocalizationModule
from wtal.branches.vlp import VLPBranch
from wtal.views import View

__all__ = [
    "Branch",
    "CBPBranch",
    "DistillationWeights",
    "LabelSource",
    "LocalizationModule",
    "VLPBranch",
    "View",
]

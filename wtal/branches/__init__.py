"""The two branches, each a LightningModule that also fits alone."""

from wtal.branches.branch import Branch, DistillationWeights
from wtal.branches.cbp import CBPBranch
from wtal.branches.localization import DetectionQuality, LocalizationModule
from wtal.branches.vlp import VLPBranch

__all__ = [
    "Branch",
    "CBPBranch",
    "DetectionQuality",
    "DistillationWeights",
    "LocalizationModule",
    "VLPBranch",
]

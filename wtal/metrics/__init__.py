"""How good detections are, and how they fail."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.metrics.detection_map import TemporalMAP
    from wtal.metrics.diagnosis import ACTIVITYNET_BINS, KINDS, THUMOS14_BINS, Bins, Diagnosis, diagnose, kinds_of
    from wtal.metrics.error_analysis import ErrorProfile, error_profile
    from wtal.metrics.rule_sets import RULE_SETS, RuleSet, RuleSetName, Score, evaluate
    from wtal.metrics.video_map import VideoMAP
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "ACTIVITYNET_BINS",
    "KINDS",
    "RULE_SETS",
    "THUMOS14_BINS",
    "Bins",
    "Diagnosis",
    "ErrorProfile",
    "RuleSet",
    "RuleSetName",
    "Score",
    "TemporalMAP",
    "VideoMAP",
    "diagnose",
    "error_profile",
    "evaluate",
    "kinds_of",
]

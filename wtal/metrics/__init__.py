"""How good detections and scores of frames are, and how they fail."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.metrics.detection_map import TemporalMAP, stacked_rows
    from wtal.metrics.diagnosis import ACTIVITYNET_BINS, KINDS, THUMOS14_BINS, Bins, Diagnosis, diagnose, kinds_of
    from wtal.metrics.error_analysis import ErrorProfile, error_profile
    from wtal.metrics.fine_grained import FINE_TIOUS, fine_grained_map, frame_proposals
    from wtal.metrics.frame_scores import (
        FRAME_RULE_SETS,
        FRAMES_OF_SNIPPET,
        FrameRules,
        FrameScore,
        VideoFrames,
        frame_mask,
        frame_score,
        precision_area,
        roc_area,
    )
    from wtal.metrics.online import OnlineScore, online_score
    from wtal.metrics.prequential import faded_mean, forgetting
    from wtal.metrics.rule_names import FrameRulesName, RuleSetName
    from wtal.metrics.rule_sets import RULE_SETS, RuleSet, Score, evaluate
    from wtal.metrics.video_map import VideoMAP
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "ACTIVITYNET_BINS",
    "FINE_TIOUS",
    "FRAMES_OF_SNIPPET",
    "FRAME_RULE_SETS",
    "KINDS",
    "RULE_SETS",
    "THUMOS14_BINS",
    "Bins",
    "Diagnosis",
    "ErrorProfile",
    "FrameRules",
    "FrameRulesName",
    "FrameScore",
    "OnlineScore",
    "RuleSet",
    "RuleSetName",
    "Score",
    "TemporalMAP",
    "VideoFrames",
    "VideoMAP",
    "diagnose",
    "error_profile",
    "evaluate",
    "faded_mean",
    "fine_grained_map",
    "forgetting",
    "frame_mask",
    "frame_proposals",
    "frame_score",
    "kinds_of",
    "online_score",
    "precision_area",
    "roc_area",
    "stacked_rows",
]

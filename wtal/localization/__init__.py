"""From snippet scores to detections."""

from wtal.localization.floor import floors_of, lowest_score
from wtal.localization.instances import InstanceLocalizer
from wtal.localization.localizer import Localizer
from wtal.localization.online import Emission, OnlineLocalizer, OnlineRules
from wtal.localization.proposals import Proposals, propose, stretch, upsample
from wtal.localization.scored import VideoScores

__all__ = [
    "Emission",
    "InstanceLocalizer",
    "Localizer",
    "OnlineLocalizer",
    "OnlineRules",
    "Proposals",
    "VideoScores",
    "floors_of",
    "lowest_score",
    "propose",
    "stretch",
    "upsample",
]

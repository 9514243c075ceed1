"""Features of your own videos, and detections in them."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.extraction.detection import Found, detect_actions
    from wtal.extraction.live import LiveChunk, LiveDetector
    from wtal.extraction.module import Extractor
    from wtal.extraction.pipeline import Extraction, Networks, Running, extract_features, load_networks
    from wtal.extraction.settled import Settled, settle
    from wtal.extraction.sounds import LogMel, extract_sounds
    from wtal.extraction.writing import Outcome, ShowProgress, WriteFeatures
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "Extraction",
    "Extractor",
    "Found",
    "LiveChunk",
    "LiveDetector",
    "LogMel",
    "Networks",
    "Outcome",
    "Running",
    "Settled",
    "ShowProgress",
    "WriteFeatures",
    "detect_actions",
    "extract_features",
    "extract_sounds",
    "load_networks",
    "settle",
]

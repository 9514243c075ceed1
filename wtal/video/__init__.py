"""Video files: found, decoded, cropped, turned into optical flow and snippets."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.video.decode import Frame, FrameReader, VideoInfo, probe
    from wtal.video.files import find_videos
    from wtal.video.film import Film, Look, SnippetCache
    from wtal.video.flow import flow_stream
    from wtal.video.live import LiveReader
    from wtal.video.snippets import Cut, Job, Snippet, SnippetBatches, Snippets
    from wtal.video.sound import SoundReader
    from wtal.video.tvl1 import TVL1, tvl1_flow
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "TVL1",
    "Cut",
    "Film",
    "Frame",
    "FrameReader",
    "Job",
    "LiveReader",
    "Look",
    "Snippet",
    "SnippetBatches",
    "SnippetCache",
    "Snippets",
    "SoundReader",
    "VideoInfo",
    "find_videos",
    "flow_stream",
    "probe",
    "tvl1_flow",
]

"""The former place of the reader of videos, kept for older code; see :mod:`wtal.video`."""

from wtal.video.decode import Frame, FrameReader, VideoInfo, probe

__all__ = ["Frame", "FrameReader", "VideoInfo", "probe"]

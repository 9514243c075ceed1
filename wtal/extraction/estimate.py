"""How long the optical flow of videos will take, before it is computed."""

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from wtal.errors import VideoError
from wtal.io.text import counted
from wtal.video.decode import FrameReader
from wtal.video.flow import flow_stream
from wtal.video.flow_methods import FlowMethod

__all__ = ["as_clock", "remark_on_flow", "seconds_a_frame"]

_SKIPPED = 12  # frames at the beginning, where many films are black
_MEASURED = 3  # frames of which the flow is measured


def remark_on_flow(paths: Sequence[Path], total_s: float, fps: float, processes: int) -> str:
    """One sentence on the time that TV-L1, the fast preset and DIS take; empty if no video can be read.

    Args:
        paths: Video files; the first one that can be read is measured.
        total_s: Their duration.
        fps: Frames per second of which flow is computed.
        processes: Number of processes that compute flow side by side, each of a video of its own.
    """
    frames = next((frames for frames in map(_some_frames, paths) if len(frames) > 1), None)
    if frames is None:
        return ""
    methods: tuple[FlowMethod, ...] = ("tvl1", "tvl1_fast", "dis")
    tvl1, fast, dis = (as_clock(total_s * fps * seconds_a_frame(frames, m) / processes) for m in methods)
    side = f" by {processes} processes" if processes > 1 else ""
    return (
        f"The optical flow of {counted(len(paths), 'video')}, {as_clock(total_s)} long, takes about {tvl1} with "
        f"TV-L1{side} (which I3D was trained on); with `--preset fast` about {fast}, with `--flow dis` "
        f"about {dis}."
    )


def seconds_a_frame(frames: Sequence[np.ndarray], method: FlowMethod) -> float:
    """Seconds that the flow between two neighbouring frames takes on this machine."""
    began = time.perf_counter()
    for _ in flow_stream(frames, method):
        pass
    return (time.perf_counter() - began) / max(1, len(frames) - 1)


def _some_frames(path: Path) -> list[np.ndarray]:
    """A few frames of a video, from its beginning but not the very first; none if it cannot be read."""
    try:
        frames = list(islice(FrameReader(path), _SKIPPED + _MEASURED))
    except VideoError:  # reported when its turn comes
        return []
    return frames[-_MEASURED:]


def as_clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> as_clock(3725.4), as_clock(59)
    ('1:02:05', '0:00:59')
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"

"""The clock of a video, from time stamps that may be missing or wrong.

Pictures are counted from the first one; :attr:`Clock.start_s` is where that one lies on the clock of the container,
which players show: sound may begin before the picture.
"""

from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

__all__ = ["END_TOLERANCE_S", "Clock", "StatedTime", "clock_begins", "stated_time"]

END_TOLERANCE_S = 0.5  # by which an undamaged file may end before the duration it states
_MAX_STEP_S = 10  # between two pictures, where the duration of the container does not cover more
_MAX_HELD_S = 600  # between two pictures, whatever the container states
_MAX_START_S = 86400  # before the first picture
_FROM_ZERO = {"mp4", "mov", "matroska", "webm"}  # containers whose clock begins at 0, wherever their first stamp is


@dataclass(frozen=True)
class StatedTime:
    """Start and duration of a video as its header states them.

    Attributes:
        start_s: Start in the time of the file.
        duration_s: Seconds, 0.0 where the header states none.
        of_stream: Whether they are those of the stream, not of the container, whose sound may be longer.
    """

    start_s: float
    duration_s: float
    of_stream: bool

    @property
    def end_s(self) -> float:
        """Where the video ends, in the time of the file."""
        return self.start_s + self.duration_s


def stated_time(container: InputContainer, stream: VideoStream) -> StatedTime:
    """Start and duration as the header states them."""
    unit = float(stream.time_base or 0)
    start_s = (stream.start_time or 0) * unit
    if stream.duration is not None and stream.duration > 0:
        duration_s = stream.duration * unit
        if container.format.name == "avi" and stream.average_rate:  # FFmpeg shortens that of a file that is cut off
            duration_s = max(duration_s, float(stream.frames / stream.average_rate))
        return StatedTime(start_s, duration_s, of_stream=True)
    return StatedTime(start_s, max(container.duration or 0, 0) / av.time_base, of_stream=False)


def clock_begins(container: InputContainer) -> Fraction:
    """The time stamp at which a player's clock shows 0.

    In MP4 and Matroska that is 0. Elsewhere, as in a transport stream that was cut from a broadcast, the first stamp is
    arbitrary, and players count from the earliest one of all streams.
    """
    start = Fraction(container.start_time or 0, av.time_base)
    return min(start, Fraction(0)) if _FROM_ZERO & set(container.format.name.split(",")) else start


class Clock:
    """Time of each picture in seconds since the first, never decreasing.

    Args:
        container: The opened file.
        stream: Its video stream.

    Attributes:
        now: Seconds at which the latest picture appears; minus one period before the first.
        end: Seconds at which it ends.
        shift: Offset from the time of the file to that of the clock; None before the first time stamp.
        stated: Start and duration as the header states them.
        zero: The time stamp at which a player's clock shows 0.
        start_s: Seconds on the clock of the container at which the first picture appears; see :func:`clock_begins`.
        jump: Size and place of the last jump of the time stamps that was left out; None without any.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.unit = stream.time_base or Fraction(1, 90000)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self.period = min(1 / rate, Fraction(1)) if rate > 0 else Fraction(1, 25)
        self.stated = stated_time(container, stream)
        self.jump: str | None = None
        self.shift: Fraction | None = None
        self.start_s = 0.0
        self.zero = clock_begins(container)
        self.now = -self.period
        self.end = Fraction(0)

    def tick(self, picture: VideoFrame) -> Fraction:
        """Seconds at which the next picture appears."""
        unit = picture.time_base or self.unit
        stamp = picture.pts if picture.pts is not None else picture.dts
        self.now = self.now + self.period if stamp is None else self._at(stamp * unit)
        self.end = self.now + self._length(picture.duration * unit)
        return self.now

    def _at(self, stamp: Fraction) -> Fraction:
        following = self.now + self.period
        covered = float(stamp) <= self.stated.end_s + END_TOLERANCE_S
        if self.shift is None:
            self.shift = following - stamp
            start_s = float(stamp - following - self.zero)
            self.start_s = start_s if 0 < start_s <= (_MAX_START_S if covered else _MAX_STEP_S) else 0.0
        step = stamp + self.shift - self.now
        if -1 <= step <= (_MAX_HELD_S if covered else _MAX_STEP_S):
            return self.now + max(step, Fraction(0))
        self.jump = f"{float(step):.1f} s at {float(self.now):.1f} s"
        self.shift = following - stamp
        return following

    def _length(self, length: Fraction) -> Fraction:
        """Length of a picture, up to the end of the stream: a last picture may be stated to last a millisecond."""
        length = length if 0 < length <= _MAX_STEP_S else self.period
        if not self.stated.of_stream or self.shift is None:
            return length
        left = Fraction(self.stated.end_s) - (self.now - self.shift)
        return min(length, left) if left > 0 else length

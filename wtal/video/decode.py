"""Pictures of any video on an exact clock of constant rate, by PyAV.

Every file is a stranger's: it is read as a Python file object by demuxers of real containers only, so that a
playlist under another name opens neither the network nor another file.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wtal.errors import VideoError
from wtal.io.extras import from_extra

with from_extra("video"):
    import av
    import av.error
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Disposition, Stream
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

__all__ = ["Frame", "FrameReader", "VideoInfo", "probe"]

# Demuxers that read one file of moving pictures. Not among them: playlists and references to other files (hls, dash,
# concat, sdp, webm_dash_manifest ...), devices, single pictures and text.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,asf_o,ogg,rm,nut,mxf,gxf,wtv,dv,ivf,nsv,amv,"
    "gif,apng,swf,yuv4mpegpipe,h264,hevc,m4v,mpegvideo,mjpeg,av1,obu,vc1"
)
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none", "max_pixels": str(2**26)}
_MAX_ASPECT = 16  # long side over short side; beyond it a resized picture would be huge
_MAX_STEP_S = 10  # between two pictures, where the container's duration does not vouch for more
_MAX_HELD_S = 600  # between two pictures, whatever the container says
_MAX_S = 86400  # of the whole video
_TOLERANCE_S = 0.5  # by which an undamaged file may end before the duration it states

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video file after its first picture.

    Attributes:
        path: The file.
        width: Pixels as shown, after the rotation; non-square pixels are not stretched.
        height: The same.
        fps: Average rate of the stream, 0.0 where the container states none.
        duration_s: Seconds as the container states them, 0.0 where it states none.
        rotation: Degrees by which the stored picture is turned counterclockwise: 0, 90, 180 or 270.
    """

    path: Path
    width: int
    height: int
    fps: float
    duration_s: float
    rotation: int


def probe(path: Path) -> VideoInfo:
    """Read the header and the first picture of a video.

    Raises:
        VideoError: The file is missing, forbidden, empty, no video, or none of its pictures can be decoded.
    """
    path = Path(path)
    with _opened(path, threads=1) as (container, stream):
        picture = next(_pictures(container, stream, _Log(path)), None)
        if picture is None:
            raise VideoError(f"{path}: no picture can be decoded; convert the video again from its source.")
        width, height = _shown_size(path, picture)
        fps, duration_s = float(stream.average_rate or 0), _stated(container, stream).duration_s
        return VideoInfo(path, width, height, fps, duration_s, _rotation(picture))


class Frame:
    """One picture of a pass, upright; it is converted to RGB when it is first looked at.

    Args:
        picture: As decoded.
        converters: Of the pass.
    """

    def __init__(self, picture: VideoFrame, converters: "_Converters") -> None:
        self._picture, self._converters = picture, converters
        self._made: dict[int | None, Picture] = {}  # a picture may stand for several frames

    def rgb(self, short_side: int | None = None) -> Picture:
        """Pixels ``(H, W, 3)``, not to be written into; see :class:`FrameReader`.

        Raises:
            VideoError: If they cannot be converted.
        """
        if short_side not in self._made:
            self._made[short_side] = self._converters[short_side](self._picture)
        return self._made[short_side]


class FrameReader:
    """Pictures of a video at a constant rate, one pass at a time; every pass starts anew.

    Time is that of the presentation time stamps, counted from the first picture. A picture appears at the frame
    nearest to its time and stays until the next one appears: the rule of ``ffmpeg -vf fps=25`` (round near), so it may
    be up to half a frame early. The last one stays for the duration it states. Where a time stamp is missing, the
    decoding time or the stream's rate stands in; where it jumps back by more than a second, or ahead by more than ten
    that the stated duration does not cover, the clock goes on by one picture and ``damage`` says so.

    A picture is resized (swscale, bilinear) in the step that converts it to RGB, then turned upright. All pictures have
    the size of the first one, should the resolution change. Non-square pixels are not stretched (as in the public
    extractors of I3D features), alpha is dropped, mirroring is ignored. Memory is constant in the video's length.

    Args:
        path: The video; its first video stream is read, cover pictures left aside.
        fps: Frames per second to give.
        short_side: Pixels of the short side; the long one keeps the aspect, rounded to even. None keeps the size.
        threads: Of the decoder.

    Attributes:
        damage: After a pass, one sentence if the file ended early or was damaged, else None.
        duration_s: After a pass, seconds given: frames / fps.
        count: Frames given so far.
    """

    def __init__(self, path: Path, fps: float = 25.0, short_side: int | None = 256, threads: int = 1) -> None:
        if not (math.isfinite(fps) and fps > 0):
            raise ValueError(f"fps must be positive, not {fps}")
        if threads < 1 or (short_side is not None and short_side < 1):
            raise ValueError(f"threads and short_side must be positive, not {threads} and {short_side}")
        self.path = Path(path)
        self.fps = fps
        self.short_side = short_side
        self.threads = threads
        self.damage: str | None = None
        self.duration_s = 0.0
        self.count = 0

    def __iter__(self) -> Iterator[Picture]:
        """Give ``(H, W, 3)`` RGB pictures, each the caller's own.

        Raises:
            VideoError: As :func:`probe`.
        """
        for frame in self.frames():
            yield frame.rgb(self.short_side).copy()

    def frames(self) -> Iterator[Frame]:
        """Give the same frames, of which only those that are looked at are converted.

        Raises:
            VideoError: As :func:`probe`.
        """
        self.damage, self.duration_s, self.count = None, 0.0, 0
        log, converters = _Log(self.path), _Converters(self.path)
        rate, last_frame = Fraction(self.fps), math.ceil(_MAX_S * self.fps)
        with _opened(self.path, self.threads) as (container, stream):
            clock = _Clock(container, stream, log)
            held: Frame | None = None
            for picture in _pictures(container, stream, log):
                appears = min(_nearest(clock.tick(picture) * rate), last_frame)
                if held is not None:
                    yield from self._until(appears, held)
                held = Frame(picture, converters)
                if appears >= last_frame:
                    log.longer_than_a_day = True
                    break
            if held is None:
                raise VideoError(f"{self.path}: no picture can be decoded; convert the video again from its source.")
            yield from self._until(max(min(_nearest(clock.end * rate), last_frame), 1), held)
            self.duration_s = self.count / self.fps
            self.damage = log.sentence(clock)

    def _until(self, end: int, frame: Frame) -> Iterator[Frame]:
        """A picture as often as it is on the screen before a frame."""
        while self.count < end:
            self.count += 1
            yield frame


@contextmanager
def _opened(path: Path, threads: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container and its first video stream with a decoder."""
    try:
        if not path.exists():
            raise VideoError(f"{path}: the file does not exist.")
        if not path.is_file():  # a pipe or a device would block for ever
            raise VideoError(f"{path} is no file; name a video.")
        if path.stat().st_size == 0:
            raise VideoError(f"{path} is empty; fetch the video again.")
        file = path.open("rb")
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        try:
            container = av.open(file, mode="r", options=_OPTIONS, metadata_errors="replace", buffer_size=2**18)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(
                f"{path} is no video that can be read, or its index is cut off; fetch or convert it again."
            ) from error
        with container:
            yield container, _first_stream(path, container, threads)


def _first_stream(path: Path, container: InputContainer, threads: int) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = {"a cover picture" if s.type == "video" else s.type for s in container.streams} or {"nothing"}
        raise VideoError(f"{path} has no video stream, only {' and '.join(sorted(kinds))}.")
    stream = streams[0]
    if stream.codec_context is None:
        raise VideoError(f"{path}: the codec of its video is unknown; convert it, for example to H.264.")
    stream.thread_count = threads
    stream.thread_type = "AUTO" if threads > 1 else "SLICE"
    return stream


def _pictures(container: InputContainer, stream: VideoStream, log: "_Log") -> Iterator[VideoFrame]:
    """Decode all that can be decoded, in the order of presentation; what cannot is counted."""
    for packet in _packets(container, log):
        if packet.stream.index == stream.index:
            try:
                pictures = stream.decode(packet)
            except (av.error.FFmpegError, ValueError):
                log.packets += 1
                continue
            log.corrupt += sum(picture.is_corrupt for picture in pictures)
            yield from pictures
    try:
        yield from stream.decode(None)
    except av.error.EOFError:
        return
    except (av.error.FFmpegError, ValueError):
        log.packets += 1


def _packets(container: InputContainer, log: "_Log") -> "Iterator[Packet[Stream]]":
    """Demux every stream: sound alone may tell where the file ends."""
    try:
        for packet in container.demux():
            if packet.size == 0:
                continue  # the mark to flush a decoder
            if packet.pts is not None and packet.time_base is not None:
                log.last_packet_s = max(
                    log.last_packet_s, float((packet.pts + (packet.duration or 0)) * packet.time_base)
                )
            yield packet
    except (av.error.FFmpegError, OSError):
        log.unreadable = True


@dataclass
class _Log:
    """What went wrong in one pass."""

    path: Path
    packets: int = 0
    corrupt: int = 0
    jump: str | None = None
    unreadable: bool = False
    longer_than_a_day: bool = False
    last_packet_s: float = -math.inf

    def sentence(self, clock: "_Clock") -> str | None:
        """Say all of it at once, or None."""
        stated, said = clock.stated, []
        end_s = float(clock.end - (clock.shift or 0))
        stated_end_s = min(stated.end_s, stated.duration_s)  # some containers count from zero, some from the start
        reached_s = end_s if stated.of_stream else max(end_s, self.last_packet_s)
        if self.longer_than_a_day:
            said.append(f"is cut after {_MAX_S} s")
        elif self.unreadable or stated_end_s - reached_s > _TOLERANCE_S:
            of = f" of {stated.duration_s:.1f}" if stated.duration_s else ""
            said.append(f"ends after {float(clock.end):.1f}{of} s: the rest is cut off or damaged")
        if self.packets:
            said.append(f"has damaged pictures that are left out ({self.packets}), the one before is held")
        if self.corrupt:
            said.append(f"has damaged pictures that are given as the decoder mends them ({self.corrupt})")
        if self.jump:
            said.append(self.jump)
        return f"{self.path} {'; it '.join(said)}." if said else None


@dataclass(frozen=True)
class _Stated:
    """When a video starts and how long it lasts, as its header says.

    Attributes:
        start_s: In the file's own time.
        duration_s: Seconds, 0.0 where the header does not say.
        of_stream: Else of the container, whose sound may be longer than the pictures.
    """

    start_s: float
    duration_s: float
    of_stream: bool

    @property
    def end_s(self) -> float:
        """Where the video ends."""
        return self.start_s + self.duration_s


def _stated(container: InputContainer, stream: VideoStream) -> _Stated:
    unit = float(stream.time_base or 0)
    start_s = (stream.start_time or 0) * unit
    if stream.duration is not None and stream.duration > 0:
        duration_s = stream.duration * unit
        if container.format.name == "avi" and stream.average_rate:  # FFmpeg shortens that of a file that is cut off
            duration_s = max(duration_s, float(stream.frames / stream.average_rate))
        return _Stated(start_s, duration_s, of_stream=True)
    return _Stated(start_s, max(container.duration or 0, 0) / av.time_base, of_stream=False)


class _Clock:
    """Seconds of each picture since the first, never falling.

    Attributes:
        now: Seconds at which the latest picture appears; minus one period before the first.
        end: Seconds at which it ends.
        shift: From the file's time to that of the clock; None before the first time stamp.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, log: _Log) -> None:
        self.unit = stream.time_base or Fraction(1, 90000)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self.period = min(1 / rate, Fraction(1)) if rate > 0 else Fraction(1, 25)
        self.stated = _stated(container, stream)
        self.log = log
        self.shift: Fraction | None = None
        self.now = -self.period
        self.end = Fraction(0)

    def tick(self, picture: VideoFrame) -> Fraction:
        """When the next picture appears."""
        unit = picture.time_base or self.unit
        stamp = picture.pts if picture.pts is not None else picture.dts
        self.now = self.now + self.period if stamp is None else self._at(stamp * unit)
        self.end = self.now + self._length(picture.duration * unit)
        return self.now

    def _at(self, stamp: Fraction) -> Fraction:
        following = self.now + self.period
        if self.shift is None:
            self.shift = following - stamp
        step = stamp + self.shift - self.now
        vouched = float(stamp) <= self.stated.end_s + _TOLERANCE_S
        if -1 <= step <= (_MAX_HELD_S if vouched else _MAX_STEP_S):
            return self.now + max(step, Fraction(0))
        jump = f"{float(step):.1f} s at {float(self.now):.1f} s"
        self.log.jump = f"has time stamps that jump by {jump}, which is left out"
        self.shift = following - stamp
        return following

    def _length(self, length: Fraction) -> Fraction:
        """Of a picture, not beyond the end of the stream: a last picture may be stated to last a millisecond."""
        length = length if 0 < length <= _MAX_STEP_S else self.period
        if not self.stated.of_stream or self.shift is None:
            return length
        left = Fraction(self.stated.end_s) - (self.now - self.shift)
        return min(length, left) if left > 0 else length


class _Converters(dict[int | None, "_ToRGB"]):
    """By short side; each keeps what it has prepared."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __missing__(self, short_side: int | None) -> "_ToRGB":
        self[short_side] = made = _ToRGB(self.path, short_side)
        return made


class _ToRGB:
    """Resizes, converts and turns pictures, all to the size of the first one."""

    def __init__(self, path: Path, short_side: int | None) -> None:
        self.path = path
        self.short_side = short_side
        self.size: tuple[int, int] | None = None
        self.swscale = VideoReformatter()

    def __call__(self, picture: VideoFrame) -> Picture:
        """``(H, W, 3)``, C-contiguous."""
        if self.size is None:
            self.size = _resized(*_shown_size(self.path, picture), self.short_side)
        rotation = _rotation(picture)
        width, height = self.size if rotation % 180 == 0 else self.size[::-1]
        try:
            converted = self.swscale.reformat(
                picture, width, height, "rgb24", interpolation="BILINEAR", dst_color_range="JPEG", threads=1
            )
            rgb = converted.to_ndarray()
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoError(f"{self.path}: {picture.format.name} pictures cannot be converted to RGB.") from error
        if converted is picture:  # nothing to do: the memory is still the decoder's
            rgb = rgb.copy()
        return np.ascontiguousarray(np.rot90(rgb, rotation // 90))


def _rotation(picture: VideoFrame) -> int:
    """Degrees counterclockwise that bring a picture upright: 0, 90, 180 or 270."""
    return round(picture.rotation / 90) % 4 * 90


def _shown_size(path: Path, picture: VideoFrame) -> tuple[int, int]:
    """Width and height after the rotation."""
    short, long = sorted((picture.width, picture.height))
    if long > _MAX_ASPECT * short:
        raise VideoError(f"{path} has pictures of {picture.width} x {picture.height} pixels: that is no video.")
    return (picture.width, picture.height) if _rotation(picture) % 180 == 0 else (picture.height, picture.width)


def _resized(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Size with a given short side and a long one that keeps the aspect, rounded to even.

    >>> _resized(1920, 1080, 256), _resized(240, 320, 256), _resized(7, 5, None)
    ((456, 256), (256, 342), (7, 5))
    """
    if short_side is None:
        return width, height
    short, long = sorted((width, height))
    other = max(2 * round(long * short_side / short / 2), short_side)
    return (other, short_side) if width >= height else (short_side, other)


def _nearest(frames: Fraction) -> int:
    """Round half up.

    >>> [_nearest(Fraction(n, 4)) for n in (0, 1, 2, 3, 6)]
    [0, 0, 1, 1, 2]
    """
    return math.floor(frames + Fraction(1, 2))

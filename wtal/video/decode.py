"""Pictures of any video at an exact constant rate, decoded by PyAV.

No file is trusted: each is read as a Python file object, and only by demuxers of real containers, so that a playlist
under another name opens neither the network nor another file.
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
from wtal.video.clock import END_TOLERANCE_S, Clock

__all__ = ["CONTAINERS", "Frame", "FrameReader", "VideoInfo", "probe"]

# Demuxers that read a single file of moving pictures. Excluded: playlists and references to other files (hls, dash,
# concat, sdp, webm_dash_manifest ...), devices, single pictures and text.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,asf_o,ogg,rm,nut,mxf,gxf,wtv,dv,ivf,nsv,amv,"
    "gif,apng,swf,yuv4mpegpipe,h264,hevc,m4v,mpegvideo,mjpeg,av1,obu,vc1"
)
_OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none", "max_pixels": str(2**26)}
_MAX_ASPECT = 16  # long side over short side; beyond it a resized picture would be huge
_MAX_S = 86400  # length of the whole video

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video file, as its header and its first picture give them.

    Attributes:
        path: Path of the file.
        width: Width in pixels as shown, after the rotation; non-square pixels are not stretched.
        height: Height in pixels as shown.
        fps: Average frame rate of the stream, 0.0 where the container states none.
        duration_s: Seconds on the clock that players show at which the last picture ends, as the container states it;
            0.0 where it states none. Sound may go on longer.
        start_s: Seconds on that clock at which the first picture appears, 0.0 in most videos.
        rotation: Degrees by which the stored picture is turned counterclockwise: 0, 90, 180 or 270.
    """

    path: Path
    width: int
    height: int
    fps: float
    duration_s: float
    start_s: float
    rotation: int


def probe(path: Path) -> VideoInfo:
    """Read the header and the first picture of a video.

    Raises:
        VideoError: If the file is missing, not readable, empty or not a video, or none of its pictures can be decoded.
    """
    path = Path(path)
    with opened(path, threads=1) as (container, stream):
        picture = next(pictures_of(container, stream, DecodingLog(path)), None)
        if picture is None:
            raise VideoError(f"{path}: no picture can be decoded; convert the video again from its source.")
        width, height = _shown_size(path, picture)
        clock = Clock(container, stream)
        clock.tick(picture)
        fps, stated = float(stream.average_rate or 0), clock.stated
        end_s = stated.end_s - float(clock.zero) if stated.of_stream else stated.duration_s
        return VideoInfo(path, width, height, fps, end_s, clock.start_s, _rotation(picture))


class Frame:
    """One picture of a pass, upright, which is converted to RGB on demand.

    Args:
        picture: The decoded picture.
        converters: Converters of the pass.
    """

    def __init__(self, picture: VideoFrame, converters: "Converters") -> None:
        self._picture, self._converters = picture, converters
        self._made: dict[int | None, Picture] = {}  # a picture may stand for several frames

    def rgb(self, short_side: int | None = None) -> Picture:
        """Pixels ``(H, W, 3)``, which must not be modified; see :class:`FrameReader`.

        Raises:
            VideoError: If the picture cannot be converted.
        """
        if short_side not in self._made:
            self._made[short_side] = self._converters[short_side](self._picture)
        return self._made[short_side]


class FrameReader:
    """Pictures of a video at a constant rate, one pass at a time; every pass starts at the beginning.

    Time is that of the presentation time stamps, counted from the first picture. A picture appears at the frame
    nearest to its time and stays until the next one appears: the rule of ``ffmpeg -vf fps=25`` (round near), so it may
    be up to half a frame early. The last one stays for its stated duration. A missing time stamp is replaced by the
    decoding time, or else by the rate of the stream; where a time stamp jumps back by more than a second, or ahead by
    more than ten that the stated duration does not cover, the clock advances by one picture and ``damage`` reports it.
    A player shows the first picture at ``start_s``, which is later than 0 where the sound begins before the picture.

    A picture is resized (swscale, bilinear) in the step that converts it to RGB, then turned upright. All pictures have
    the size of the first one, even if the resolution changes. Non-square pixels are not stretched (as in the public
    extractors of I3D features), alpha is dropped, mirroring is ignored. Memory does not grow with the length of the
    video.

    Args:
        path: Path of the video; its first video stream is read, cover pictures are skipped.
        fps: Frames per second to yield.
        short_side: Short side in pixels; the long side keeps the aspect ratio, rounded to even. None keeps the
            size.
        threads: Threads of the decoder.

    Attributes:
        damage: After a pass, one sentence if the file ended early or was damaged, else None.
        start_s: After a pass, the time on a player's clock of the first frame; less than half a frame counts as 0.
        duration_s: After a pass, the time on a player's clock at which the last frame ends: ``start_s`` + number of
            frames / fps.
        count: Number of frames so far.
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
        self.start_s = self.duration_s = 0.0
        self.count = 0

    def __iter__(self) -> Iterator[Picture]:
        """Yield RGB pictures ``(H, W, 3)``, each a copy that the caller may modify.

        Raises:
            VideoError: See :func:`probe`.
        """
        for frame in self.frames():
            yield frame.rgb(self.short_side).copy()

    def frames(self) -> Iterator[Frame]:
        """Yield the same frames, each converted to RGB only on demand.

        Raises:
            VideoError: See :func:`probe`.
        """
        self.damage, self.start_s, self.duration_s, self.count = None, 0.0, 0.0, 0
        log, converters = DecodingLog(self.path), Converters(self.path)
        rate, last_frame = Fraction(self.fps), math.ceil(_MAX_S * self.fps)
        with opened(self.path, self.threads) as (container, stream):
            clock = Clock(container, stream)
            held: Frame | None = None
            for picture in pictures_of(container, stream, log):
                appears = min(nearest(clock.tick(picture) * rate), last_frame)
                if held is not None:
                    yield from self._until(appears, held)
                held = Frame(picture, converters)
                if appears >= last_frame:
                    log.longer_than_a_day = True
                    break
            if held is None:
                raise VideoError(f"{self.path}: no picture can be decoded; convert the video again from its source.")
            yield from self._until(max(min(nearest(clock.end * rate), last_frame), 1), held)
            self.start_s = clock.start_s if clock.start_s * self.fps >= 0.5 else 0.0
            self.duration_s = self.start_s + self.count / self.fps
            self.damage = log.sentence(clock)

    def _until(self, end: int, frame: Frame) -> Iterator[Frame]:
        """Repeat a frame up to the frame with index ``end``."""
        while self.count < end:
            self.count += 1
            yield frame


@contextmanager
def opened(path: Path, threads: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container and its first video stream with a decoder."""
    try:
        if not path.exists():
            raise VideoError(f"{path}: the file does not exist.")
        if not path.is_file():  # a pipe or a device would block forever
            raise VideoError(f"{path} is not a file; give the path of a video.")
        if path.stat().st_size == 0:
            raise VideoError(f"{path} is empty; download the video again.")
        file = path.open("rb")
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        try:
            container = av.open(file, mode="r", options=_OPTIONS, metadata_errors="replace", buffer_size=2**18)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(
                f"{path} is not a readable video, or its index is cut off; download or convert it again."
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


def pictures_of(container: InputContainer, stream: VideoStream, log: "DecodingLog") -> Iterator[VideoFrame]:
    """Decode all pictures in the order of presentation; those that cannot be decoded are counted."""
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


def _packets(container: InputContainer, log: "DecodingLog") -> "Iterator[Packet[Stream]]":
    """Demux every stream, as only the sound may show where the file ends."""
    try:
        for packet in container.demux():
            if packet.size == 0:
                continue  # marks the end of a stream
            if packet.pts is not None and packet.time_base is not None:
                log.last_packet_s = max(
                    log.last_packet_s, float((packet.pts + (packet.duration or 0)) * packet.time_base)
                )
            yield packet
    except (av.error.FFmpegError, OSError):
        log.unreadable = True


@dataclass
class DecodingLog:
    """Problems of one pass."""

    path: Path
    packets: int = 0  # packets that could not be decoded
    corrupt: int = 0  # pictures that the decoder repaired
    unreadable: bool = False
    longer_than_a_day: bool = False
    last_packet_s: float = -math.inf

    def sentence(self, clock: Clock) -> str | None:
        """All problems in one sentence, or None."""
        problems = []
        if self.longer_than_a_day:
            problems.append(f"is cut after {_MAX_S} s")
        elif self.unreadable or self._ends_early(clock):
            of = f" of {clock.stated.duration_s:.1f}" if clock.stated.duration_s else ""
            problems.append(f"ends after {float(clock.end):.1f}{of} s: the rest is cut off or damaged")
        if self.packets:
            problems.append(f"has damaged pictures that are left out ({self.packets}), each replaced by the one before")
        if self.corrupt:
            problems.append(f"has damaged pictures that the decoder has repaired ({self.corrupt})")
        if clock.jump:
            problems.append(f"has time stamps that jump by {clock.jump}, which is ignored")
        return f"{self.path} {'; it '.join(problems)}." if problems else None

    def _ends_early(self, clock: Clock) -> bool:
        stated = clock.stated
        end_s = float(clock.end - (clock.shift or 0))
        stated_end_s = min(stated.end_s, stated.duration_s)  # some containers count from zero, some from the start
        reached_s = end_s if stated.of_stream else max(end_s, self.last_packet_s)
        return stated_end_s - reached_s > END_TOLERANCE_S


class Converters(dict[int | None, "_ToRGB"]):
    """Converters by short side; each keeps its prepared state."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __missing__(self, short_side: int | None) -> "_ToRGB":
        self[short_side] = made = _ToRGB(self.path, short_side)
        return made


class _ToRGB:
    """Resizes, converts and turns pictures, all to the size of the first."""

    def __init__(self, path: Path, short_side: int | None) -> None:
        self.path = path
        self.short_side = short_side
        self.size: tuple[int, int] | None = None
        self.swscale = VideoReformatter()

    def __call__(self, picture: VideoFrame) -> Picture:
        """RGB pixels ``(H, W, 3)``, C-contiguous."""
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
        if converted is picture:  # no conversion took place: the memory still belongs to the decoder
            rgb = rgb.copy()
        return np.ascontiguousarray(np.rot90(rgb, rotation // 90))


def _rotation(picture: VideoFrame) -> int:
    """Degrees counterclockwise that turn a picture upright: 0, 90, 180 or 270."""
    return round(picture.rotation / 90) % 4 * 90


def _shown_size(path: Path, picture: VideoFrame) -> tuple[int, int]:
    """Width and height after the rotation."""
    short, long = sorted((picture.width, picture.height))
    if long > _MAX_ASPECT * short:
        raise VideoError(f"{path} has pictures of {picture.width} x {picture.height} pixels, too narrow for a video.")
    return (picture.width, picture.height) if _rotation(picture) % 180 == 0 else (picture.height, picture.width)


def _resized(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Size with a given short side and a long side that keeps the aspect ratio, rounded to even.

    >>> _resized(1920, 1080, 256), _resized(240, 320, 256), _resized(7, 5, None)
    ((456, 256), (256, 342), (7, 5))
    """
    if short_side is None:
        return width, height
    short, long = sorted((width, height))
    other = max(2 * round(long * short_side / short / 2), short_side)
    return (other, short_side) if width >= height else (short_side, other)


def nearest(frames: Fraction) -> int:
    """Round half up.

    >>> [nearest(Fraction(n, 4)) for n in (0, 1, 2, 3, 6)]
    [0, 0, 1, 1, 2]
    """
    return math.floor(frames + Fraction(1, 2))

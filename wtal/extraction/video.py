"""Video files as pictures on a clock: whatever their frame rate, by what their timestamps say."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from wtal.errors import VideoError

__all__ = ["Frame", "FrameReader", "VideoInfo", "probe"]

# What a file may be. A playlist, which would have other files opened, is none of these.
_CONTAINERS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,flv,asf,ogg,mxf,dv,rm,gif,yuv4mpegpipe"
_MAX_PIXELS = 2**26  # of a frame: twice 8K; a header may say anything
_MAX_GAP_S = 3600.0  # for which one picture may stand


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself.

    Args:
        path: Of the file.
        width: In pixels, as shown.
        height: In pixels, as shown.
        fps: Mean frame rate; 0 where it does not say.
        duration_s: Of its pictures; 0 where it does not say.
        rotation: By how many degrees the stored pictures are turned counterclockwise to be shown.
    """

    path: Path
    width: int
    height: int
    fps: float
    duration_s: float
    rotation: int


def probe(path: Path) -> VideoInfo:
    """Look at a file and its first picture.

    Raises:
        VideoError: If there is no such file or no picture in it.
    """
    with _opened(path) as (file, stream):
        first = next((frame for frame in _decoded(file, stream) if isinstance(frame, VideoFrame)), None)
        if first is None:
            raise VideoError(_no_picture(path))
        turned = first.rotation % 180 == 90
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        return VideoInfo(
            path, width, height, float(stream.average_rate or 0), _duration_s(file, stream), first.rotation
        )


class Frame:
    """One picture; it is converted to RGB only if it is looked at.

    Args:
        picture: As decoded.
        size: Width and height as stored that all pictures of the video are brought to.
        converters: Of the video, by size; each keeps what it has prepared.
    """

    def __init__(
        self, picture: VideoFrame, size: tuple[int, int], converters: dict[int | None, VideoReformatter]
    ) -> None:
        self._picture, self._size, self._converters = picture, size, converters
        self._made: dict[int | None, np.ndarray] = {}

    def rgb(self, short_side: int | None = None) -> np.ndarray:
        """Pixels ``(H, W, 3)`` uint8, upright.

        Args:
            short_side: Scale bilinearly so that the shorter side has so many pixels; the other one is rounded to even.
                None keeps the size. Pixels count as square, as in every public extractor.
        """
        if short_side not in self._made:  # a picture that stands for several frames is converted once
            width, height = _scaled(self._size, short_side)
            converter = self._converters.setdefault(short_side, VideoReformatter())
            converted = converter.reformat(self._picture, width, height, "rgb24", interpolation=Interpolation.BILINEAR)
            turned = np.rot90(converted.to_ndarray(), round(self._picture.rotation / 90))
            self._made[short_side] = np.ascontiguousarray(turned)
        return self._made[short_side]


def _scaled(size: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    """Width and height.

    >>> _scaled((1920, 1080), 256), _scaled((480, 854), 256), _scaled((300, 300), 256)
    ((456, 256), (256, 456), (256, 256))
    """
    if short_side is None:
        return size
    scale = short_side / min(size)
    width, height = (short_side if side == min(size) else 2 * round(side * scale / 2) for side in size)
    return width, height


class FrameReader:
    """The pictures of a video on an even clock, one pass at a time.

    Frame ``n`` is what is on the screen half a tick after ``n / fps`` seconds, counted from the first picture: the
    nearest picture, as with ``-vf fps`` of ffmpeg. A picture that is shown for long stands for several frames; one that
    no frame shows is decoded and not converted.

    Args:
        path: Of the file.
        fps: Frames a second.
        threads: Of the decoder.
    """

    def __init__(self, path: Path, fps: float = 25.0, threads: int = 1) -> None:
        self.path, self.fps, self.threads = path, fps, threads
        self._rate = Fraction(fps).limit_denominator(1001)
        self.count = 0  # frames of the pass so far
        self.damage: str | None = None  # after a pass, what could not be read, in one sentence

    def __iter__(self) -> Iterator[Frame]:
        """Decode.

        Raises:
            VideoError: If there is no such file or no picture in it.
        """
        self.count, self.damage = 0, None
        with _opened(self.path, self.threads) as (file, stream):
            announced_s, usual = _duration_s(file, stream), 1 / Fraction(stream.average_rate or 25)
            converters: dict[int | None, VideoReformatter] = {}
            held: Frame | None = None
            size, start, shown, end, broken = (0, 0), Fraction(0), Fraction(0), Fraction(0), 0  # times in seconds
            for picture in _decoded(file, stream):
                if not isinstance(picture, VideoFrame):
                    broken += 1
                    continue
                broken += picture.is_corrupt
                time = None if picture.pts is None or not picture.time_base else picture.pts * picture.time_base
                if held is None:
                    size, start = (picture.width, picture.height), time or Fraction(0)
                else:  # without a timestamp a picture follows the one before
                    shown = max(shown, end if time is None else time - start)
                if shown - self.count / self.fps > _MAX_GAP_S:
                    broken += 1
                    break
                while held is not None and self.count < self._tick(shown):
                    self.count += 1
                    yield held
                held = Frame(picture, size, converters)
                end = shown + (
                    picture.duration * picture.time_base if picture.duration and picture.time_base else usual
                )
            if held is None:
                raise VideoError(_no_picture(self.path))
            for _ in range(max(self._tick(end), 1) - self.count):
                self.count += 1
                yield held
        end_s = float(end)
        if end_s < announced_s - max(1.0, 0.02 * announced_s):
            self.damage = f"{self.path} ends after {end_s:.1f} of {announced_s:.1f} s: the rest is cut off or damaged."
        elif broken:
            self.damage = f"{self.path} is damaged: {broken} pictures could not be read whole."

    def _tick(self, time_s: Fraction) -> int:
        """The first frame that shows what begins at a time; exact, as halves are frequent (30 to 25 fps)."""
        return math.floor(time_s * self._rate + Fraction(1, 2))


# Files --------------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, threads: int = 1) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and its pictures.

    Raises:
        VideoError: If there is no such file or no picture in it.
    """
    if not path.is_file():
        raise VideoError(f"There is no video {path}: correct the path.")
    if not path.stat().st_size:
        raise VideoError(f"{path} is empty: get it again.")
    try:
        file = av.open(
            str(path),
            options={"max_pixels": str(_MAX_PIXELS)},
            container_options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path} cannot be read as a video ({_reason(error)}): is it one, and whole?") from error
    with file:
        streams = [s for s in file.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise VideoError(f"{path} has sound or other data, and no pictures: leave it out.")
        if streams[0].codec_context is None:
            raise VideoError(f"{path} is coded in a way that FFmpeg cannot read: convert it, to H.264 for example.")
        streams[0].codec_context.thread_count = threads
        yield file, streams[0]


def _decoded(file: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | Exception]:
    """Pictures as they are shown one after another, and in the place of what cannot be read the reason."""
    try:
        for packet in file.demux(stream):
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                yield error
    except (av.FFmpegError, OSError) as error:  # of the file itself: no more is to be had
        yield error


def _duration_s(file: InputContainer, stream: VideoStream) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return 0.0 if file.duration is None else file.duration / av.time_base


def _no_picture(path: Path) -> str:
    return f"{path} has no picture that can be read: get it again, or leave it out."


def _reason(error: Exception) -> str:
    """What FFmpeg says, without the path."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")

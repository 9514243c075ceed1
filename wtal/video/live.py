"""Pictures of a camera, of a network stream or of a file, as they come."""

import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from threading import Condition, Thread
from typing import Generic, TypeVar

import numpy as np

from wtal.errors import VideoError
from wtal.io.extras import from_extra

with from_extra("video"):
    import av
    import av.error
    import cv2
    from av.video.frame import VideoFrame
from wtal.video.clock import Clock
from wtal.video.decode import Converters, DecodingLog, Frame, FrameReader, nearest, pictures_of, probe

__all__ = ["LiveReader"]

_OPTIONS = {"rtsp_transport": "tcp", "protocol_whitelist": "rtsp,rtp,tcp,udp,tls", "max_pixels": str(2**26)}
_SILENCE_S = 15.0  # after which a network stream counts as lost
_WAITING = 64  # pictures that wait for a model that is slower than the stream
_Item = TypeVar("_Item")


class LiveReader:
    """Frames at a constant rate from a source that may go on for ever; memory does not grow with time.

    The frames of a file are those of a :class:`~wtal.video.decode.FrameReader`. Those of a camera or of a network
    stream are counted from its first picture, by the time at which pictures arrive or by their time stamps. If they
    arrive faster than they are taken, the oldest ones are left out and the one before stays; time goes on.

    Args:
        source: Path of a file, the number of a camera or its device (``/dev/video0``), or an ``rtsp://`` address.
        fps: Frames per second to yield.
        passes: How many times a file is played, one after the other; None for ever.

    Attributes:
        title: The source without a password.
        is_file: Whether it is a file, which has an end.
        start_s: Time on a player's clock of the first frame of a file.
        count: Number of frames so far.
        left_out: Number of pictures that were left out, as they came too fast.
        damage: After the end of a file, one sentence if it was damaged, else None.

    Raises:
        VideoError: If the source is an address of another kind, or a file that cannot be read.
    """

    def __init__(self, source: str, fps: float = 25.0, passes: int | None = 1) -> None:
        self.source, self.fps, self.passes = source, fps, passes
        self.title = re.sub(r"(?<=://)[^/@]*@", "", source)
        self._is_camera = re.fullmatch(r"\d+|/dev/video\d+", source) is not None
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", source)
        if scheme and scheme[1].lower() not in ("rtsp", "rtsps"):
            raise VideoError(
                f"{self.title} is no stream that can be read: give an address that begins with rtsp:// or rtsps://, "
                "the number of a camera, or a file."
            )
        self.is_file = not self._is_camera and not scheme
        start_s = probe(Path(source)).start_s if self.is_file else 0.0
        self.start_s = start_s if start_s * fps >= 0.5 else 0.0  # as a FrameReader counts it
        self.count = self.left_out = 0
        self.damage: str | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            VideoError: If the source cannot be opened, or a camera or a network stream ends.
        """
        for frame in self._of_file() if self.is_file else self._of_stream():
            self.count += 1
            yield frame

    def _of_file(self) -> Iterator[Frame]:
        done = 0
        while self.passes is None or done < self.passes:
            reader = FrameReader(Path(self.source), self.fps)
            yield from reader.frames()
            self.damage, done = reader.damage, done + 1

    def _of_stream(self) -> Iterator[Frame]:
        converters, rate, held, shown = Converters(Path(self.title)), Fraction(self.fps), None, 0
        ahead = _Ahead(self._camera() if self._is_camera else self._network())
        with closing(ahead):
            for time_s, picture in ahead:
                appears = nearest(time_s * rate)
                while held is not None and shown < appears:
                    shown += 1
                    yield held
                held, self.left_out = Frame(picture, converters), ahead.left_out
        raise VideoError(
            f"{self.title} has sent nothing more after {shown / self.fps:.1f} s: the connection is lost; look at the "
            "camera or the network, and start again."
        )

    def _camera(self) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Pictures of a camera, with the seconds since the first."""
        number = int(re.sub(r"\D", "", self.source))
        capture = cv2.VideoCapture(number)  # PyAV's wheels have no drivers of cameras
        try:
            if not capture.isOpened():
                raise VideoError(
                    f"Camera {number} cannot be opened: connect it, close other programs that use it, or give another "
                    "number."
                )
            began: float | None = None
            while True:
                is_there, pixels = capture.read()
                if not is_there:
                    return
                now = time.monotonic()
                began = now if began is None else began
                yield Fraction(now - began), VideoFrame.from_ndarray(np.asarray(pixels, np.uint8), format="bgr24")
        finally:
            capture.release()

    def _network(self) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Pictures of a network stream, with the seconds since the first."""
        try:
            container = av.open(self.source, options=_OPTIONS, timeout=_SILENCE_S, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(
                f"{self.title} cannot be opened ({error.strerror if isinstance(error, OSError) else error}): look at "
                "the address, the password and the network."
            ) from error
        with container:
            streams = container.streams.video
            if not streams:
                raise VideoError(f"{self.title} sends no video: give the address of a stream that does.")
            clock = Clock(container, streams[0])
            for picture in pictures_of(container, streams[0], DecodingLog(Path(self.title))):
                yield clock.tick(picture), picture


class _Ahead(Generic[_Item]):
    """Takes items from an iterator in a thread as fast as they come, and keeps the last of those that wait."""

    def __init__(self, items: Iterator[_Item]) -> None:
        self.left_out = 0
        self._waiting: deque[_Item] = deque()
        self._changed, self._is_over = Condition(), False
        self._error: BaseException | None = None
        Thread(target=self._take, args=(items,), daemon=True).start()  # which must not keep the program alive

    def _take(self, items: Iterator[_Item]) -> None:
        try:
            for item in items:
                with self._changed:
                    if self._is_over:
                        return
                    if len(self._waiting) == _WAITING:
                        self._waiting.popleft()
                        self.left_out += 1
                    self._waiting.append(item)
                    self._changed.notify()
        except BaseException as error:  # handed over to the reader
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify()

    def __iter__(self) -> Iterator[_Item]:
        while True:
            with self._changed:
                while not self._waiting and not self._is_over:
                    self._changed.wait(1.0)  # a plain wait would not see Ctrl-C everywhere
                if not self._waiting:
                    break
                item = self._waiting.popleft()
            yield item
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Let the thread end after its next item."""
        with self._changed:
            self._is_over = True

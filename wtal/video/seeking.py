"""Some frames of a video without decoding the rest: the same pictures as in a pass from the beginning."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from wtal.io.extras import from_extra

with from_extra("video"):
    import av
    import av.error
    from av.container import InputContainer
    from av.video.stream import VideoStream
from wtal.video.clock import Clock
from wtal.video.decode import Converters, DecodingLog, Frame, FrameReader, nearest, opened, pictures_of

__all__ = ["frames_at"]

_NEAR = 48  # frames that are decoded on the way rather than sought


@dataclass(frozen=True)
class _Schedule:
    """When each picture of a video appears, read from its packets; nothing is decoded.

    Attributes:
        stamps: Time stamp of each picture, in order.
        appears: Index of the frame at which it appears, see :class:`~wtal.video.decode.FrameReader`.
        count: Number of frames.
    """

    stamps: tuple[int, ...]
    appears: tuple[int, ...]
    count: int

    def stamp_at(self, frame: int) -> int:
        """Time stamp of the picture that a frame shows."""
        return self.stamps[bisect_right(self.appears, frame) - 1]


@dataclass(frozen=True)
class _Stamped:
    """What a clock reads of a picture, known from its packet."""

    pts: int
    dts: int | None
    time_base: Fraction | None
    duration: int


@lru_cache(maxsize=1024)
def _schedule(path: Path, fps: float, size: int) -> _Schedule | None:
    """The schedule of a video of some bytes; None if its packets do not tell, so that all of it must be decoded."""
    with opened(path, threads=1) as (container, stream):
        clock, packets = Clock(container, stream), _packets(container, stream)
        if packets is None:
            return None
        packets.sort(key=lambda packet: packet.pts)
        rate, tick = Fraction(fps), _ticking(clock)
        appears = tuple(nearest(tick(packet) * rate) for packet in packets)
        stamps = tuple(packet.pts for packet in packets)
        if not stamps or len(set(stamps)) < len(stamps) or clock.jump is not None:
            return None
        return _Schedule(stamps, appears, max(nearest(clock.end * rate), 1))


def _packets(container: InputContainer, stream: VideoStream) -> list[_Stamped] | None:
    """The packets of a stream; None if one has no time stamp, or the file is damaged."""
    packets: list[_Stamped] = []
    try:
        for packet in container.demux(stream):
            if packet.size and packet.pts is None:
                return None
            if packet.size and packet.pts is not None:
                packets.append(_Stamped(packet.pts, packet.dts, packet.time_base, packet.duration or 0))
    except (av.error.FFmpegError, OSError):
        return None
    return packets


def _ticking(clock: Clock) -> Any:  # noqa: ANN401  a clock reads the same four attributes of pictures and of packets
    return clock.tick


def frames_at(path: Path, fps: float, runs: Sequence[range]) -> Iterator[list[Frame]]:
    """The frames of each run, with a seek to every run that does not lie near the one before.

    A file whose time stamps are missing or jump, or that does not yield the picture that its packets announce, is
    decoded from the beginning instead, so the frames are always those of a
    :class:`~wtal.video.decode.FrameReader`. One run is held at a time.

    Args:
        path: The video.
        fps: Frames per second.
        runs: Indices of frames, the runs in order. There are no frames beyond the end of the video.

    Raises:
        VideoError: As :class:`~wtal.video.decode.FrameReader` does.
    """
    path, done = Path(path), 0
    schedule = _schedule(path, fps, path.stat().st_size) if path.is_file() else None
    if schedule is not None:
        for found in _sought(path, schedule, runs):
            yield found
            done += 1
    if done < len(runs):
        yield from _read_through(path, fps, runs[done:])


def _sought(path: Path, schedule: _Schedule, runs: Sequence[range]) -> Iterator[list[Frame]]:
    """Frames of each run, up to the first picture that is not found."""
    log, converters = DecodingLog(path), Converters(path)
    with opened(path, threads=1) as (container, stream):
        size = (stream.codec_context.width, stream.codec_context.height)
        pictures, after, held = pictures_of(container, stream, log), 0, None
        for run in runs:
            run, frames = range(run.start, min(run.stop, schedule.count)), list[Frame]()
            if run and not 0 <= run.start - after <= _NEAR:
                container.seek(schedule.stamp_at(run.start), stream=stream, backward=True)
                pictures, held = pictures_of(container, stream, log), None
            for frame in run:
                stamp = schedule.stamp_at(frame)
                while held is None or held.pts is None or held.pts < stamp:
                    held = next(pictures, None)
                    if held is None:
                        return
                if held.pts != stamp or (held.width, held.height) != size:
                    return
                frames.append(Frame(held, converters))
            after = run.stop
            yield frames


def _read_through(path: Path, fps: float, runs: Sequence[range]) -> Iterator[list[Frame]]:
    """Frames of each run of a pass from the beginning."""
    kept: dict[int, Frame] = {}
    frames, at = FrameReader(path, fps).frames(), 0
    for run in runs:
        kept = {index: frame for index, frame in kept.items() if index in run}
        while at < run.stop and (frame := next(frames, None)) is not None:
            kept |= {at: frame} if at in run else {}
            at += 1
        yield [kept[index] for index in run if index in kept]

"""The sound of any file, a recording or a film, as samples at a constant rate, decoded by PyAV.

As for pictures, no file is trusted: only demuxers of real containers read it, as a Python file object.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wtal.errors import VideoError
from wtal.io.extras import from_extra

with from_extra("video"):
    import av
    import av.error
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import InputContainer
from wtal.video.clock import clock_begins
from wtal.video.decode import CONTAINERS

__all__ = ["SoundReader"]

_CONTAINERS = f"{CONTAINERS},wav,w64,flac,mp3,aac,aiff,au,caf,amr,ac3,eac3,wv,tta,ape"
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"}
_NOTICEABLE_S = 0.02  # by which a sound may begin late without any effect


class SoundReader:
    """The first audio stream of a file, the mean of its channels, one pass at a time.

    Gaps between its packets are not filled.

    Args:
        path: The file.
        rate: Samples per second.

    Attributes:
        start_s: After a pass, seconds on the clock that players show at which the sound begins.
        damage: After a pass, one sentence if a part could not be decoded, else None.
        count: Number of samples so far.
    """

    def __init__(self, path: Path, rate: int) -> None:
        self.path, self.rate = Path(path), rate
        self.start_s, self.damage, self.count = 0.0, None, 0  # type: tuple[float, str | None, int]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Blocks of samples in [-1, 1], ``(N,)`` each.

        Raises:
            VideoError: If the file is missing, unreadable, or has no sound, or nothing of it can be decoded.
        """
        self.start_s, self.damage, self.count = 0.0, None, 0
        resampler = AudioResampler(format="fltp", rate=self.rate)
        with _opened(self.path) as (container, stream):
            for frame in self._frames(container, stream):
                if not self.count and frame.pts is not None and frame.time_base is not None:
                    start_s = float(frame.pts * frame.time_base - clock_begins(container))
                    self.start_s = start_s if start_s >= _NOTICEABLE_S else 0.0
                yield from self._resampled(resampler, frame)
        if not self.count:
            raise VideoError(f"{self.path}: no sound can be decoded; convert the file again from its source.")
        yield from self._resampled(resampler, None)

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
        broken = 0
        packets = container.demux(stream)
        while True:
            try:
                frames = next(packets).decode()
            except StopIteration:
                break
            except (av.error.FFmpegError, ValueError):
                broken += 1
                if broken > 1000:  # a damaged index can fail for ever
                    break
                continue
            for frame in frames:
                assert isinstance(frame, AudioFrame)
                yield frame
        if broken:
            self.damage = f"{self.path}: {broken} packets of its sound cannot be decoded and are left out."

    def _resampled(self, resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        try:
            made = resampler.resample(frame)
        except (av.error.FFmpegError, ValueError) as error:
            self.damage = f"{self.path}: its sound changes its form ({error}); the rest is left out."
            return
        for one in made:
            samples = one.to_ndarray().mean(axis=0, dtype=np.float32)  # FFmpeg's own mono adds channels up
            self.count += len(samples)
            if len(samples):
                yield samples


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    if not path.is_file():
        raise VideoError(f"{path} is not a file; give the path of a recording or a film.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty; download it again.")
    with path.open("rb") as file:
        try:
            container = av.open(file, mode="r", options=_OPTIONS, metadata_errors="replace", buffer_size=2**18)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(f"{path} is not a readable recording or film; download or convert it again.") from error
        with container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                raise VideoError(f"{path} has no sound.")
            yield container, stream

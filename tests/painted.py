"""Small videos."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest


@pytest.fixture(scope="session")
def painted_video() -> Callable[..., Path]:
    """Writes a small video of 25 frames a second, each brighter than the one before."""

    def write(path: Path, count: int, size: tuple[int, int] = (320, 240), fps: int = 25) -> Path:
        with av.open(str(path), "w") as file:
            stream = file.add_stream("mpeg4", rate=Fraction(fps))
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.bit_rate = 2_000_000
            for n in range(count):
                pixels = np.full((size[1], size[0], 3), 40 + 2 * n % 200, np.uint8)
                pixels[:, : 5 * n % size[0]] //= 2
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            file.mux(stream.encode(None))
        return path

    return write

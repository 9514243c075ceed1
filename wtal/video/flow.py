"""Optical flow between neighbouring frames, in the 8 bits of the public flow images."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from wtal.errors import ConfigError
from wtal.io.extras import from_extra

__all__ = ["FlowMethod", "flow_stream", "quantize", "to_network_range"]

FlowMethod = Literal["tvl1", "dis"]
Frame = npt.NDArray[np.uint8]

BOUND = 20.0  # pixels a frame; I3D was trained on flow that is cut there


def flow_stream(frames: Iterable[Frame], method: FlowMethod = "tvl1") -> Iterator[Frame]:
    """One flow image a frame: the ``i``-th is the motion from frame ``i`` to frame ``i + 1``.

    The last one repeats the one before, as nothing follows; of a single frame it is that of no motion. So a window of
    flow holds as many images as one of RGB. A frame's flow comes when the next frame is taken, and no more than two
    frames are held.

    OpenCV works in one thread from the first frame on, in the whole process: a second one spares TV-L1 but a seventh of
    its time, so take a process more.

    Args:
        frames: RGB frames in order, ``(H, W, 3)`` each.
        method: ``tvl1`` is what the public weights were trained on, ``dis`` a hundred times as fast.

    Yields:
        Flow images, ``(H, W, 2)``, x first: see :func:`quantize`.

    Raises:
        ConfigError: If the OpenCV that is installed has no TV-L1.

    Source:
        TV-L1 with OpenCV's own settings, as in Carreira and Zisserman, arXiv:1705.07750. DIS: Kroeger et al.,
        arXiv:1603.03590, OpenCV's medium preset.
    """
    with from_extra("video"):
        import cv2  # only who makes flow needs it

    matcher = _matcher(method)
    before: Frame | None = None
    image: Frame | None = None
    for frame in frames:
        grey: Any = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if before is not None:
            image = quantize(matcher.calc(before, grey, None))
            yield image
        before = grey
    if before is not None:
        yield quantize(np.zeros((*before.shape, 2), np.float32)) if image is None else image


def _matcher(method: FlowMethod) -> Any:  # noqa: ANN401  OpenCV names no common type
    """What finds the flow between two grey frames."""
    with from_extra("video"):
        import cv2

    cv2.setNumThreads(1)
    if method == "tvl1" and not hasattr(cv2, "optflow"):  # another package of OpenCV has written over it
        raise ConfigError(
            "TV-L1 flow is in OpenCV's contributed part, which is missing: uninstall all packages of OpenCV and "
            "install opencv-contrib-python-headless again, or take `dis`."
        )
    if method == "tvl1":
        return cv2.optflow.DualTVL1OpticalFlow.create()
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def quantize(flow: npt.NDArray[np.float32]) -> Frame:
    """Flow as an image: [-20, 20] pixels, beyond which it is cut, on 0 to 255.

    Half a step, 0.078 pixels, is lost at most; no motion is 127.5 and becomes 128.

    Source:
        yjxiong/dense_flow, and google-deepmind/kinetics-i3d, issue 24, on how the training data were made.

    >>> quantize(np.array([-30.0, -20.0, 0.0, 3.0, 20.0], np.float32)).tolist()
    [0, 0, 128, 147, 255]
    """
    return np.rint((flow.clip(-BOUND, BOUND) + BOUND) * (255 / (2 * BOUND))).astype(np.uint8)


def to_network_range(images: torch.Tensor) -> torch.Tensor:
    """RGB or flow images of 8 bits in [-1, 1], as float32.

    >>> to_network_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([-1.0000, -0.6000,  1.0000])
    """
    return images.div(127.5).sub_(1)

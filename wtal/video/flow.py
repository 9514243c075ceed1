"""Optical flow between neighbouring frames, as 8-bit images like the public ones."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wtal.errors import ConfigError
from wtal.io.extras import from_extra
from wtal.video.flow_methods import FlowMethod
from wtal.video.tvl1 import FAST, TVL1, tvl1_flow

__all__ = ["flow_stream", "quantize", "to_network_range"]

Frame = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]

BOUND = 20.0  # pixels per frame; I3D was trained on flow that is clipped there


def flow_stream(frames: Iterable[Frame], method: FlowMethod = "tvl1") -> Iterator[Frame]:
    """One flow image per frame: the ``i``-th is the motion from frame ``i`` to frame ``i + 1``.

    The last image repeats the one before, as no frame follows; for a single frame it shows no motion. A window of flow
    thus holds as many images as one of RGB. The flow of a frame is yielded when the next frame is read, and at most
    two frames are held.

    From the first frame on, OpenCV works in a single thread, in the whole process: a second thread would save only a
    seventh of the time of TV-L1, so use more processes instead.

    Args:
        frames: RGB frames in order, ``(H, W, 3)`` each.
        method: ``tvl1``, which the public weights were trained on, as OpenCV computes it; ``tvl1_torch``, the same to
            some thousandths of a pixel; ``tvl1_fast``, coarser; or ``dis``, which is a hundred times faster.

    Yields:
        Flow images, ``(H, W, 2)``, x first: see :func:`quantize`.

    Raises:
        ConfigError: If the installed OpenCV has no TV-L1.

    Source:
        TV-L1 with the default settings of OpenCV, as in Carreira and Zisserman, arXiv:1705.07750. DIS: Kroeger et al.,
        arXiv:1603.03590, OpenCV's medium preset.
    """
    with from_extra("video"):
        import cv2  # needed only to compute flow

    flow_of = _matcher(method)
    before: Frame | None = None
    image: Frame | None = None
    for frame in frames:
        grey: Any = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if before is not None:
            image = quantize(flow_of(before, grey))
            yield image
        before = grey
    if before is not None:
        yield quantize(np.zeros((*before.shape, 2), np.float32)) if image is None else image


def _matcher(method: FlowMethod) -> Callable[[Frame, Frame], Flow]:
    """The function that computes the flow ``(H, W, 2)`` between two grey frames."""
    with from_extra("video"):
        import cv2

    cv2.setNumThreads(1)
    if method in ("tvl1_torch", "tvl1_fast"):
        return partial(_flow_by_torch, settings=FAST if method == "tvl1_fast" else TVL1())
    if method == "tvl1" and not hasattr(cv2, "optflow"):  # overwritten by another OpenCV package
        raise ConfigError(
            "TV-L1 flow needs OpenCV's contributed modules, which are missing: uninstall all OpenCV packages and "
            "install opencv-contrib-python-headless again, or use `dis`."
        )
    matcher: Any = (
        cv2.optflow.DualTVL1OpticalFlow.create()
        if method == "tvl1"
        else cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    )
    return lambda before, after: matcher.calc(before, after, None)


def _flow_by_torch(before: Frame, after: Frame, settings: TVL1) -> Flow:
    """The flow ``(H, W, 2)`` between two grey frames."""
    flow = tvl1_flow(torch.from_numpy(before)[None], torch.from_numpy(after)[None], settings)
    return flow[0].permute(1, 2, 0).numpy()


def quantize(flow: Flow) -> Frame:
    """Flow as an 8-bit image: clipped to [-20, 20] pixels, which map to 0 to 255.

    The error is at most half a step, 0.078 pixels; no motion, 127.5, becomes 128.

    Source:
        yjxiong/dense_flow, and google-deepmind/kinetics-i3d, issue 24, on how the training data were made.

    >>> quantize(np.array([-30.0, -20.0, 0.0, 3.0, 20.0], np.float32)).tolist()
    [0, 0, 128, 147, 255]
    """
    return np.rint((flow.clip(-BOUND, BOUND) + BOUND) * (255 / (2 * BOUND))).astype(np.uint8)


def to_network_range(images: torch.Tensor) -> torch.Tensor:
    """Scale RGB or flow images of 8 bits to [-1, 1], as float32.

    >>> to_network_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([-1.0000, -0.6000,  1.0000])
    """
    return images.div(127.5).sub_(1)

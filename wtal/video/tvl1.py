"""TV-L1 optical flow of many pairs of frames at once, in torch: OpenCV's algorithm several times as fast."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wtal.io.extras import from_extra

__all__ = ["FAST", "TVL1", "tvl1_flow"]

_SMALLEST = 16  # pixels of the short side of the coarsest scale
_FLAT = torch.finfo(torch.float32).eps  # squared gradient below which a pixel says nothing


@dataclass(frozen=True)
class TVL1:
    """Settings of the flow; the defaults are OpenCV's.

    Args:
        tau: Time step of the dual variables.
        attachment: Weight of the brightness constancy, lambda in the paper.
        theta: How loosely smoothness and brightness constancy are coupled.
        scales: Number of scales of the pyramid.
        scale_step: Size of a scale against the finer one.
        warps: How many times the second frame is warped on each scale.
        inner: Iterations between two median filters.
        outer: Median filters after each warp, at most.
        epsilon: Root mean square change of the flow, in pixels, below which a pair has converged.
        median: Whether the flow is median filtered.
    """

    tau: float = 0.25
    attachment: float = 0.15
    theta: float = 0.3
    scales: int = 5
    scale_step: float = 0.8
    warps: int = 5
    inner: int = 30
    outer: int = 10
    epsilon: float = 0.01
    median: bool = True


FAST = TVL1(warps=2)  # quickest of those tried that keeps I3D's features, see experiments/docs/pages/speed.md


@torch.no_grad()
def tvl1_flow(
    first: Tensor,
    second: Tensor,
    settings: TVL1 = TVL1(),
    together: int | None = None,
) -> Tensor:
    """Optical flow from the first to the second frame of each pair.

    A pair's flow does not depend on those beside it: one that has converged stays as it is while others go on. On a
    CPU, OpenCV does the warping and the median filter.

    Args:
        first: Grey frames with values from 0 to 255, ``(N, H, W)``.
        second: The frames after them, ``(N, H, W)``.
        settings: Settings of the algorithm.
        together: Number of pairs that are computed together; None for one on a CPU, whose caches hold no more, and for
            all elsewhere.

    Returns:
        Flow in pixels, ``(N, 2, H, W)`` float32, x first.

    Raises:
        ValueError: If shapes disagree.

    Source:
        Zach, Pock and Bischof, DAGM 2007, https://doi.org/10.1007/978-3-540-74936-3_22; order of the steps, stopping
        and median filter as in OpenCV's ``DualTVL1OpticalFlow``. Its flow from pixels without any gradient differs.

    >>> ramp = torch.arange(32.0).square().div(4).expand(1, 32, 32)
    >>> tvl1_flow(ramp, ramp.roll(1, dims=-1))[0, 0, 16, 16].round().item()
    1.0
    """
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(f"Pairs of frames are both (N, H, W), got {tuple(first.shape)} and {tuple(second.shape)}.")
    if not len(first):
        return first.new_zeros((0, 2, *first.shape[1:]), dtype=torch.float32)
    size = together or (1 if first.device.type == "cpu" else len(first))
    starts = range(0, len(first), size)
    pairs = ((first[start : start + size], second[start : start + size]) for start in starts)
    return torch.cat([_coarse_to_fine(*some, settings) for some in pairs])


def _coarse_to_fine(first: Tensor, second: Tensor, settings: TVL1) -> Tensor:
    """The flow of some pairs together."""
    pyramid = [(first[:, None].float(), second[:, None].float())]
    for _ in range(settings.scales - 1):
        size = [round(side * settings.scale_step) for side in pyramid[-1][0].shape[2:]]
        if min(size) < _SMALLEST:
            break
        before, after = (_resize(image, size, 1 / settings.scale_step) for image in pyramid[-1])
        pyramid.append((before, after))
    flow = first.new_zeros((len(first), 2, *pyramid[-1][0].shape[2:]), dtype=torch.float32)
    for before, after in reversed(pyramid):
        if flow.shape[2:] != before.shape[2:]:
            flow = _resize(flow, before.shape[2:]) / settings.scale_step
        flow = _refine(before, after, flow, settings)
    return flow


def _refine(first: Tensor, second: Tensor, flow: Tensor, settings: TVL1) -> Tensor:
    """Improve the flow ``(N, 2, H, W)`` on one scale."""
    edged = F.pad(second, (1, 1, 1, 1), mode="replicate")
    dx, dy = edged[..., 1:-1, 2:] - edged[..., 1:-1, :-2], edged[..., 2:, 1:-1] - edged[..., :-2, 1:-1]
    target = torch.cat([second, dx / 2, dy / 2], dim=1)
    descent = _Descent(flow.contiguous(), (torch.zeros_like(flow), torch.zeros_like(flow)), settings)
    for _ in range(settings.warps):
        moved = _warp(target, descent.flow)
        gradient = moved[:, 1:].contiguous()
        square = gradient.square().sum(dim=1, keepdim=True)
        inverse = torch.where(square > _FLAT, 1 / square, 0.0)
        constant = (moved[:, :1] - first - (gradient * descent.flow).sum(dim=1, keepdim=True)) * inverse
        descent.aim(gradient, inverse, constant)
        _settle(descent)
    return descent.flow


def _settle(all_pairs: "_Descent") -> None:
    """Iterate each pair until its flow hardly changes; the others go on without it."""
    settings = all_pairs.settings
    limit, last = settings.epsilon**2 * all_pairs.flow[0, 0].numel(), settings.outer * settings.inner - 1
    descent, moving = all_pairs, torch.arange(len(all_pairs.flow), device=all_pairs.flow.device)
    for iteration in range(last + 1):
        if settings.median and iteration % settings.inner == 0:
            descent.flow.copy_(_median(descent.flow))
        changes = descent.step().tolist()
        if min(changes) > limit and iteration < last:
            continue
        if descent is not all_pairs:
            for whole, part in zip((all_pairs.flow, *all_pairs.dual), (descent.flow, *descent.dual), strict=True):
                whole[moving] = part
        if max(changes) <= limit or iteration == last:
            break
        going = torch.tensor([change > limit for change in changes], device=moving.device)
        descent, moving = descent.only(going), moving[going]


class _Descent:
    """The iterations of some pairs after a warp, in place and in few passes over memory.

    Rows follow each other in memory, so that a neighbour is one step away along x and ``W`` along y. The dual variables
    are theta times those of the paper, and zero where a neighbour would lie outside: differences need no border.

    Args:
        flow: Flow, ``(N, 2, H, W)``; changed in place.
        dual: Dual variables along x and along y, each ``(N, 2, H, W)`` for both components of the flow.
        settings: Settings of the algorithm.
    """

    def __init__(self, flow: Tensor, dual: tuple[Tensor, Tensor], settings: TVL1) -> None:
        self.flow, self.dual, self.settings = flow, dual, settings
        self.change, self.norm, self.one = torch.empty_like(flow), torch.empty_like(flow), flow.new_ones(())
        self.residual = torch.empty_like(flow[:, :1])
        self.rise = (torch.zeros_like(flow), torch.zeros_like(flow))
        # each axis: pixels but for the first, of flow and change; but for the last, of flow, dual and slope
        self._axes = [
            (*(part.view(-1)[step:] for part in (flow, self.change)), *(part.view(-1)[:-step] for part in (flow, p, g)))
            for step, p, g in zip((1, flow.shape[3]), dual, self.rise, strict=True)
        ]
        self._edges = (self.rise[0][..., -1], self.rise[1][..., -1, :])

    def aim(self, gradient: Tensor, inverse: Tensor, constant: Tensor) -> None:
        """Set what the second frame says after a warp.

        Args:
            gradient: Gradient of the warped frame, ``(N, 2, H, W)``.
            inverse: One over its square; zero where there is none, ``(N, 1, H, W)``.
            constant: Brightness error of the flow zero, times ``inverse``, ``(N, 1, H, W)``.
        """
        self.given = (gradient, inverse, constant)
        slope, flow = gradient * inverse, self.flow
        self._terms = ((slope[:, :1], flow[:, :1]), (slope[:, 1:], flow[:, 1:]))

    def only(self, chosen: Tensor) -> "_Descent":
        """The iterations of the chosen pairs alone, ``(N,)`` bool."""
        along_x, along_y = self.dual
        some = _Descent(self.flow[chosen], (along_x[chosen], along_y[chosen]), self.settings)
        some.aim(*(part[chosen] for part in self.given))
        return some

    def step(self) -> Tensor:
        """One iteration; returns the summed squared change of each pair's flow, ``(N,)``."""
        gradient, _, constant = self.given
        bound, tau = self.settings.attachment * self.settings.theta, self.settings.tau

        first, second = self._terms
        torch.addcmul(constant, *first, out=self.residual)
        self.residual.addcmul_(*second).clamp_(-bound, bound)
        torch.add(*self.dual, out=self.change)  # the divergence, with the two differences below
        for _, change, _, dual, _ in self._axes:
            change.sub_(dual)
        self.change.addcmul_(self.residual, gradient, value=-1)
        self.flow.add_(self.change)

        for ahead, _, here, _, rise in self._axes:
            torch.sub(ahead, here, out=rise)
        for edge in self._edges:
            edge.zero_()
        rise_x, rise_y = self.rise
        torch.mul(rise_x, rise_x, out=self.norm)
        self.norm.addcmul_(rise_y, rise_y).sqrt_()
        torch.add(self.one, self.norm, alpha=tau / self.settings.theta, out=self.norm)
        for part, rise in zip(self.dual, self.rise, strict=True):
            part.add_(rise, alpha=tau).div_(self.norm)
        return torch.stack([torch.dot(one, one) for one in self.change.flatten(1)])


def _warp(images: Tensor, flow: Tensor) -> Tensor:
    """Images ``(N, C, H, W)`` as seen from where the flow ``(N, 2, H, W)`` leads: bicubic, and zero outside."""
    height, width = images.shape[2:]
    rows, columns = (torch.arange(n, device=flow.device, dtype=flow.dtype) for n in (height, width))
    x, y = flow[:, 0] + columns, flow[:, 1] + rows[:, None]
    if images.device.type == "cpu":
        return _warp_by_opencv(images, x, y)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    return F.grid_sample(images, grid, "bicubic", "zeros", align_corners=True)


def _warp_by_opencv(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The same at places ``(N, H, W)``, in a third of torch's time."""
    with from_extra("video"):
        import cv2
    pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
    seen = [cv2.remap(*one, cv2.INTER_CUBIC) for one in zip(pixels, x.numpy(), y.numpy(), strict=True)]
    return torch.from_numpy(np.stack(seen)).view(pixels.shape).permute(0, 3, 1, 2).contiguous()


def _median(maps: Tensor) -> Tensor:
    """Median of the 5 by 5 pixels around each one, edges repeated, of maps ``(N, C, H, W)``."""
    if maps.device.type == "cpu":
        return _median_by_opencv(maps)
    edged = F.pad(maps, (2, 2, 2, 2), mode="replicate")
    return edged.unfold(2, 5, 1).unfold(3, 5, 1).flatten(4).median(dim=-1).values


def _median_by_opencv(maps: Tensor) -> Tensor:
    """The same in a fortieth of torch's time."""
    with from_extra("video"):
        import cv2
    planes = [cv2.medianBlur(plane, 5) for plane in maps.flatten(0, 1).numpy()]
    return torch.from_numpy(np.stack(planes)).view(maps.shape)


def _resize(images: Tensor, size: "torch.Size | list[int]", step: float | None = None) -> Tensor:
    """Resize ``(N, C, H, W)`` linearly as OpenCV does, by a given step between pixels or by the ratio of the sizes."""
    down, across = (
        _interpolation(old, new, step or old / new).to(images) for old, new in zip(images.shape[2:], size, strict=True)
    )
    return down @ images @ across.T


def _interpolation(old: int, new: int, step: float) -> Tensor:
    """Weights ``(new, old)`` of linear interpolation.

    >>> _interpolation(4, 2, 2.0)
    tensor([[0.5000, 0.5000, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.5000, 0.5000]])
    """
    place = ((torch.arange(new) + 0.5) * step - 0.5).clamp(0, old - 1)
    return (1 - (torch.arange(old) - place[:, None]).abs()).clamp(min=0)

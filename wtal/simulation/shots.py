"""How a simulated video is cut into shots, and in which of them its scene is shown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wtal.simulation.noise import Floats
from wtal.simulation.params import ShotParams
from wtal.simulation.videos import Instance

__all__ = ["Shots", "draw_shots"]

_INEXACT_S = 0.25  # a cut at a boundary is about this far from it
_SHORTEST_S = 1.0


@dataclass(frozen=True)
class Shots:
    """Shots of one video; times are seconds.

    Args:
        edges_s: Where shots begin, and the end of the last, ``(S + 1,)``.
        contexts_s: Start and end of the scene shown around each instance, ``(I, 2)``.
        same_scene: Whether each shot, if it is no context, shows the scene of some class, ``(S,)``.
    """

    edges_s: Floats
    contexts_s: Floats
    same_scene: NDArray[np.bool_]

    def at(self, times_s: Floats) -> NDArray[np.int64]:
        """The shot at each time."""
        return np.clip(np.searchsorted(self.edges_s, times_s, side="right") - 1, 0, len(self.edges_s) - 2)


def draw_shots(instances: Sequence[Instance], end_s: float, params: ShotParams, rng: np.random.Generator) -> Shots:
    """Draw the shots of a video.

    An instance and its context are one shot. There is no cut inside an instance, even where contexts overlap.

    Args:
        instances: What happens in the video.
        end_s: Its end in seconds.
        params: Parameters.
        rng: Random numbers.
    """
    spans_s = np.array([[event.start_s, event.end_s] for event in instances]).reshape(-1, 2)
    contexts_s = np.clip(spans_s + [-1, 1] * _margins(spans_s.shape, params, rng), 0, end_s)
    free = _renewals(end_s, params, rng)
    free = free[~_within(free, contexts_s)]
    at_contexts = contexts_s.ravel()
    at_contexts = at_contexts[~_within(at_contexts, spans_s)]
    edges_s = np.unique(np.concatenate([[0.0, end_s], free, at_contexts]))
    return Shots(edges_s, contexts_s, rng.random(len(edges_s) - 1) < params.same_scene)


def _margins(shape: tuple[int, ...], params: ShotParams, rng: np.random.Generator) -> Floats:
    """Seconds of context before and after each instance."""
    shown = params.context_s * rng.lognormal(0, params.context_spread, shape)
    cut = np.abs(rng.normal(0, _INEXACT_S, shape))
    return np.where(rng.random(shape) < params.cut_at_boundary, cut, shown)


def _renewals(end_s: float, params: ShotParams, rng: np.random.Generator) -> Floats:
    """Random cuts at a mean distance of a shot."""
    count = int(end_s / _SHORTEST_S) + 1
    cuts = np.cumsum(np.maximum(_SHORTEST_S, rng.exponential(params.length_s, count)))
    return cuts[cuts < end_s]


def _within(times_s: Floats, spans_s: Floats) -> NDArray[np.bool_]:
    """Whether each time lies inside any of the spans."""
    inside = (spans_s[:, :1] < times_s) & (times_s < spans_s[:, 1:])
    return np.asarray(inside.any(axis=0))

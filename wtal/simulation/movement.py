"""One movement in time: its discriminative parts, and its preparation and follow-through."""

from typing import NamedTuple

import numpy as np

from wtal.simulation.noise import Floats, smoothed
from wtal.simulation.params import MovementParams

__all__ = ["Movement", "draw_movement"]

_PLACE_SPREAD = 0.12  # of a climax within its instance, around the place that is typical of the class
_EVENNESS = 6.0  # of the lengths of two climaxes
_BETWEEN = 0.7  # evidence between two climaxes, relative to the rest
_FAR_S = 6.0  # from where on nothing of a movement remains


class Movement(NamedTuple):
    """Courses of one movement, ``(n,)`` each, relative to full evidence."""

    climax: Floats
    before: Floats
    after: Floats


def draw_movement(
    times_s: Floats,
    start_s: float,
    end_s: float,
    place: float,
    rest: float,
    outside: float,
    params: MovementParams,
    rng: np.random.Generator,
) -> Movement:
    """Draw one movement of full strength.

    Args:
        times_s: Points in time, equally spaced, ``(n,)``.
        start_s: Start of the movement.
        end_s: End of the movement.
        place: Where its climax lies, from 0 (start) to 1 (end).
        rest: Evidence in the rest of it.
        outside: Evidence right before and after it.
        params: Parameters.
        rng: Random numbers.
    """
    parts = _climaxes(start_s, end_s, place, params, rng)
    climax = np.zeros(len(times_s))
    for begin_s, stop_s in parts:
        climax[(times_s >= begin_s) & (times_s < stop_s)] = 1.0
    first_s, last_s = parts[:, 0].min(), parts[:, 1].max()
    remaining = (times_s >= start_s) & (times_s < end_s) & (climax == 0)
    between = remaining & (times_s > first_s) & (times_s < last_s)
    early = times_s < (first_s + last_s) / 2
    level = np.where(between, _BETWEEN * rest, np.where(remaining, rest, 0.0))
    before, after = level * (early | between), level * (~early | between)
    before = before + _fading(start_s - times_s, outside, params, rng)
    after = after + _fading(times_s - end_s, outside, params, rng)
    spread = params.smoothing_s / max(times_s[1] - times_s[0], 1e-9) if len(times_s) > 1 else 0.0
    return Movement(*(smoothed(course, spread) for course in (climax, before, after)))


def _climaxes(start_s: float, end_s: float, place: float, params: MovementParams, rng: np.random.Generator) -> Floats:
    """Start and end of one or two discriminative parts, ``(1 or 2, 2)``."""
    length_s = end_s - start_s
    share = rng.beta(params.climax * params.climax_certainty, (1 - params.climax) * params.climax_certainty)
    share = min(1.0, max(share, params.climax_min_s / length_s))
    places, lengths_s = np.array([place + rng.normal(0, _PLACE_SPREAD)]), np.array([share * length_s])
    if rng.random() < params.two_climaxes and share * length_s > 2 * params.climax_min_s:
        places = places + np.array([-0.5, 0.5]) * rng.uniform(0.4, 1.0, 2) * (1 - share / 2)
        lengths_s = lengths_s * rng.dirichlet([_EVENNESS, _EVENNESS])
    begins_s = np.clip(start_s + places * length_s - lengths_s / 2, start_s, end_s - lengths_s)
    return np.stack([begins_s, begins_s + lengths_s], axis=1)


def _fading(distance_s: Floats, level: float, params: MovementParams, rng: np.random.Generator) -> Floats:
    """Evidence outside a movement, by the distance to it."""
    time_s = params.outside_s * rng.exponential() + 1e-3
    near = (distance_s > 0) & (distance_s < _FAR_S)
    return np.where(near, level * np.exp(-np.maximum(distance_s, 0) / time_s), 0.0)

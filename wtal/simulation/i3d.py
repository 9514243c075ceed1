"""I3D-like features: incomplete, precise evidence."""

import numpy as np
from numpy.typing import NDArray

from wtal.simulation.evidence import Evidence
from wtal.simulation.noise import Floats, mixed, slow_noise, sparse_directions, unit
from wtal.simulation.params import I3DParams, StreamParams
from wtal.simulation.world import StreamWorld

__all__ = ["i3d_features"]

_ALIKE = 0.64  # share of the offset of a shot of the scene that all of them have


def i3d_features(
    evidence: Evidence, world: StreamWorld, params: I3DParams, response: StreamParams, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw one half of the I3D-like features of a video, RGB or flow.

    Args:
        evidence: What is to be seen.
        world: Directions of this half.
        params: Parameters of the space.
        response: Those of this half.
        rng: Random numbers.

    Returns:
        Non-negative features, ``(T, dim)``.
    """
    courses, directions = _class_courses(evidence, world, params, response, rng)
    motion = response.motion * unit(rng.dirichlet(np.ones(len(world.motion))) @ world.motion)
    length = len(evidence.shot)
    offset = world.level + params.video_offset * unit(rng.standard_normal(params.dim))
    rows = courses @ directions + np.outer(evidence.motion, motion) + offset
    rows += _shot_offsets(evidence, world, params, response, rng)[evidence.shot]
    rows += slow_noise(rng, length, params.nuisances, params.nuisance_memory) @ world.nuisance
    rows += params.noise * rng.standard_normal((length, params.dim), dtype=np.float32)
    return (0.5 * (rows + np.sqrt(rows**2 + params.softness**2))).astype(np.float32)


def _class_courses(
    evidence: Evidence, world: StreamWorld, params: I3DParams, response: StreamParams, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """All courses that belong to a class, ``(T, K)``, and the direction that each acts on, ``(K, dim)``.

    Every direction is in part the style of the video.
    """
    classes, length = evidence.classes, len(evidence.shot)
    rest = params.rest_response * response.movement
    courses = (
        response.movement * evidence.climax.reshape(length, -1),
        rest * evidence.before,
        rest * evidence.after,
        response.scene * evidence.scene,
    )
    directions = np.concatenate(
        [
            world.climax[classes].reshape(-1, params.dim),
            world.before[classes],
            world.after[classes],
            world.scene[classes],
        ]
    )
    return np.concatenate(courses, axis=1), mixed(
        sparse_directions(rng, *directions.shape), directions, params.own_style
    )


def _shot_offsets(
    evidence: Evidence, world: StreamWorld, params: I3DParams, response: StreamParams, rng: np.random.Generator
) -> Floats:
    """Offset of each shot, ``(S, dim)``: those of the scene resemble each other, others show one of a few scenes."""
    count = len(evidence.scene_shots)
    own = unit(rng.standard_normal((count, params.dim)))
    of_scene = mixed(np.broadcast_to(unit(rng.standard_normal(params.dim)), own.shape), own, _ALIKE)
    looks = response.scene * world.other[rng.integers(0, len(world.other), count)]
    return np.where(evidence.scene_shots[:, None], params.shot_offset * of_scene, params.shot_offset * own + looks)

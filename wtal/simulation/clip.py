"""CLIP-like features: over-complete evidence, in cosines with the texts of the classes."""

import numpy as np
from numpy.typing import NDArray

from wtal.simulation.evidence import Evidence
from wtal.simulation.noise import Floats, slow_noise, unit
from wtal.simulation.params import CLIPParams
from wtal.simulation.world import TextWorld

__all__ = ["clip_features"]

_SHOWN = 0.3  # evidence from which on a scene is shown
_MEMORY_OF_ALL, _MEMORY_OF_CLASS = 0.85, 0.80  # correlation of the slow fluctuations from snippet to snippet
_SCENE_LOOK = 0.25  # part of an image that is the look of its scene, relative to the parts in the parameters
_LEAST_REST = 0.05  # of the squared length of an image, for what the texts do not see


def clip_features(
    evidence: Evidence, world: TextWorld, params: CLIPParams, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw the CLIP-like features of a video.

    The part of an image in the span of the texts is the one that has the wanted cosines with them; the rest of it is
    orthogonal to all texts and makes the images of a shot, and those of a video, resemble each other.

    Args:
        evidence: What is to be seen.
        world: Texts and directions of images.
        params: Parameters of the space.
        rng: Random numbers.

    Returns:
        Unit rows, ``(T, dim)``.
    """
    cosines = params.base + params.span * _evidence_by_class(evidence, world, params, rng)
    gram = world.text @ world.text.T
    seen = np.linalg.solve(gram + 1e-6 * np.eye(len(gram)), cosines.T).T @ world.text
    rest = unit(_outside(_look(evidence, world, params, rng), world.text))
    room = np.maximum(1 - (seen**2).sum(axis=1, keepdims=True), _LEAST_REST)
    return unit(seen + np.sqrt(room) * rest).astype(np.float32)


def _evidence_by_class(evidence: Evidence, world: TextWorld, params: CLIPParams, rng: np.random.Generator) -> Floats:
    """Evidence of every class with all fluctuations, ``(T, C)``."""
    length, count = len(evidence.shot), len(world.text)
    level = np.full((length, count), params.elsewhere)
    for place, label in enumerate(evidence.classes):
        np.maximum(level, evidence.clip[:, place, None] * world.confusion[label], out=level)
    shown = evidence.clip.max(axis=1, initial=0) > _SHOWN
    level += world.class_offset * shown[:, None]
    level += rng.normal(0, params.video_offset) + rng.normal(0, 0.5 * params.video_offset, count)
    level += 0.6 * params.slow * rng.standard_normal((len(evidence.scene_shots), count))[evidence.shot]
    level += params.slow * slow_noise(rng, length, 1, _MEMORY_OF_ALL)
    level += 0.5 * params.slow * slow_noise(rng, length, count, _MEMORY_OF_CLASS)
    return np.asarray(level + params.fast * rng.standard_normal((length, count)))


def _look(evidence: Evidence, world: TextWorld, params: CLIPParams, rng: np.random.Generator) -> Floats:
    """What an image shows beyond its classes, ``(T, dim)``."""
    length, width = len(evidence.shot), len(world.image)
    look = params.image_common * world.image + params.image_video * unit(rng.standard_normal(width))
    shots = unit(rng.standard_normal((len(evidence.scene_shots), width)))[evidence.shot]
    noise = rng.standard_normal((length, width)) / np.sqrt(width)
    rows = look + params.image_shot * shots + params.image_noise * noise
    if len(evidence.classes):
        scene = world.scene[evidence.classes].mean(axis=0)
        rows += _SCENE_LOOK * np.outer(evidence.scene.max(axis=1), scene)
    return np.asarray(rows)


def _outside(rows: Floats, text: Floats) -> Floats:
    """The part of rows that is orthogonal to all texts."""
    basis = np.linalg.qr(text.T)[0]
    return np.asarray(rows - rows @ basis @ basis.T)

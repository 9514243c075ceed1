"""Pictures of the rendered benchmark: a shape that moves in its class's way before a scene that may be its class's."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RENDERED_CLASSES", "Action", "RenderedParams", "Storyboard", "frames_of", "scene_pictures", "storyboard"]

RENDERED_CLASSES = ("circling", "jumping", "pulsing", "shaking")
_SCENES = len(RENDERED_CLASSES) + 3  # the last three belong to no class

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RenderedParams:
    """Parameters of the videos. Lengths are in snippets of 8 frames.

    Args:
        seed: Seed of everything; equal parameters give equal files.
        train_videos: Number of training videos.
        test_videos: Number of test videos.
        size: Side of the square pictures in pixels.
        fps: Frames per second.
        min_length: Length of the shortest videos.
        max_length: Length of the longest videos.
        own_scene: Share of the instances that are shown before the scene of their class.
        around: Mean length of that scene before and after an instance.
        noise: Standard deviation of the noise of each pixel, of 255.
    """

    seed: int = 0
    train_videos: int = 32
    test_videos: int = 20
    size: int = 24
    fps: int = 10
    min_length: int = 18
    max_length: int = 28
    own_scene: float = 0.6
    around: float = 2.0
    noise: float = 12.0


@dataclass(frozen=True)
class Action:
    """One instance, in frames.

    Args:
        start: First frame.
        stop: Frame after the last.
        label: Index of the class.
    """

    start: int
    stop: int
    label: int


@dataclass(frozen=True)
class Storyboard:
    """What a video shows.

    Args:
        actions: The instances, in order.
        scene: Index of the scene of each frame, ``(F,)``.
    """

    actions: tuple[Action, ...]
    scene: NDArray[np.int64]


def storyboard(params: RenderedParams, rng: np.random.Generator) -> Storyboard:
    """Draw the instances of a video, mostly of one class, and its scenes."""
    length = 8 * int(rng.integers(params.min_length, params.max_length + 1))
    classes = rng.choice(len(RENDERED_CLASSES), size=1 + int(rng.random() < 0.15), replace=False)
    scene = np.full(length, rng.integers(len(RENDERED_CLASSES), _SCENES))
    actions: list[Action] = []
    place = int(rng.integers(8, 40))
    while True:
        size, label = int(rng.integers(24, 56)), int(rng.choice(classes))
        before, after = (int(8 * params.around * x) for x in rng.lognormal(0, 0.5, 2))
        if place + size > length - 8:
            break
        actions.append(Action(place, place + size, label))
        if rng.random() < params.own_scene:
            scene[max(0, place - before) : place + size + after] = label
        place += size + int(rng.integers(24, 80))
    return Storyboard(tuple(actions), scene)


def frames_of(board: Storyboard, params: RenderedParams, rng: np.random.Generator) -> Iterator[Picture]:
    """Render a video, ``(size, size, 3)`` each; the shape and its colours say nothing about the class."""
    scenes = [scene_picture(number, params.size) for number in range(_SCENES)]
    path, radius = _movement(board, params, rng)
    colour, sides = rng.uniform(90, 255, 3), int(rng.integers(3))
    for frame, scene in enumerate(board.scene):
        if frame % 64 == 0:  # another shape
            colour, sides = rng.uniform(90, 255, 3), int(rng.integers(3))
        picture = scenes[scene].copy()
        covered = _shape(path[frame], radius[frame], sides, params.size)
        picture += covered[..., None] * (colour - picture)
        yield _as_bytes(picture + rng.normal(0, params.noise, picture.shape))


def scene_pictures(label: int, params: RenderedParams, count: int, rng: np.random.Generator) -> list[Picture]:
    """Pictures of the bare scene of a class."""
    scene = scene_picture(label, params.size)
    return [_as_bytes(scene + rng.normal(0, params.noise, scene.shape)) for _ in range(count)]


def scene_picture(number: int, size: int) -> Floats:
    """Dark waves in a direction and a tint of the scene's own, ``(size, size, 3)``."""
    rng = np.random.default_rng([7, number])
    y, x = np.mgrid[:size, :size] / size
    angle = np.pi * number / _SCENES
    waves = np.sin(2 * np.pi * (2 + number % 3) * (x * np.cos(angle) + y * np.sin(angle)))
    return np.asarray(60 + 25 * waves[..., None] + rng.uniform(-35, 35, 3))


def _movement(board: Storyboard, params: RenderedParams, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Centre of the shape, ``(F, 2)``, and its radius, ``(F,)``: it drifts, and in an action moves as its class."""
    count, size = len(board.scene), params.size
    steps = rng.normal(0, 1, (count, 2))
    for n in range(1, count):  # a drift of about half a pixel a frame
        steps[n] = 0.95 * steps[n - 1] + 0.3 * steps[n]
    path = _reflected(size / 2 + np.cumsum(0.5 * steps, axis=0), 0.3 * size, 0.7 * size)
    radius = np.full(count, 0.16 * size)
    for action in board.actions:
        time = np.arange(action.stop - action.start)
        phase = 2 * np.pi * time / rng.uniform(4.5, 6.5) + rng.uniform(0, 2 * np.pi)
        swing = 0.11 * size
        here = slice(action.start, action.stop)
        match RENDERED_CLASSES[action.label]:
            case "circling":
                path[here] += swing * np.stack([np.sin(phase), np.cos(phase)], axis=1)
            case "jumping":
                path[here, 1] += 1.2 * swing * np.sin(phase)
            case "shaking":
                path[here, 0] += 1.2 * swing * np.sin(phase)
            case _:
                radius[here] *= 1 + 0.45 * np.sin(phase)
    return path, radius


def _reflected(path: Floats, low: float, high: float) -> Floats:
    """A path that turns back at the walls."""
    span = high - low
    return np.asarray(low + span - np.abs((path - low) % (2 * span) - span))


def _shape(centre: Floats, radius: float, sides: int, size: int) -> Floats:
    """Share of each pixel that the shape covers, ``(size, size)``: a disc, a square or a diamond."""
    y, x = np.mgrid[:size, :size] + 0.5
    across, down = np.abs(x - centre[0]), np.abs(y - centre[1])
    distance = (np.hypot(across, down), np.maximum(across, down) * 1.1, (across + down) * 0.8)[sides]
    return np.asarray(np.clip(radius - distance + 0.5, 0, 1))


def _as_bytes(picture: Floats) -> Picture:
    return np.asarray(np.rint(picture.clip(0, 255)), np.uint8)

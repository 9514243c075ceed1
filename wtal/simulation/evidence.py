"""What is to be seen in a simulated video, and when: the courses that both kinds of features are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wtal.simulation.movement import draw_movement
from wtal.simulation.noise import Floats, random_stream, slow_noise
from wtal.simulation.params import CLIPParams, I3DParams, MovementParams, ShotParams, SimulationParams
from wtal.simulation.shots import Shots, draw_shots
from wtal.simulation.videos import Instance, SimulatedVideo

__all__ = ["Evidence", "draw_evidence"]

_SCENE_ELSEWHERE = 0.8  # visibility of the scene away from instances
_REST_SPREAD = 0.4  # standard deviation of the logarithm of the evidence in the rest of an instance
_SHIFT_IN, _SHIFT_OUT = 0.30, 0.45  # shares of an instance by which its evidence may begin later or earlier
_BURST_S = (0.6, 8.0)
_MOTION_MEMORY = 0.8


@dataclass(frozen=True)
class Evidence:
    """Courses of one video with ``T`` snippets, ``P`` classes of its own and ``S`` shots.

    Args:
        classes: Class indices, ``(P,)``.
        foreground: Share of each snippet that is annotated, ``(T, P)``.
        climax: Discriminative parts by variant, ``(T, P, variants)``.
        before: Preparation, ``(T, P)``.
        after: Follow-through, ``(T, P)``.
        scene: Visibility of the scene, ``(T, P)``.
        clip: Evidence of the CLIP-like features, ``(T, P)``.
        motion: Motion of any kind, ``(T,)``.
        shot: Number of the shot, ``(T,)``.
        scene_shots: Whether each shot shows the scene of a class, ``(S,)``.
    """

    classes: NDArray[np.int64]
    foreground: Floats
    climax: Floats
    before: Floats
    after: Floats
    scene: Floats
    clip: Floats
    motion: Floats
    shot: NDArray[np.int64]
    scene_shots: NDArray[np.bool_]

    @property
    def i3d(self) -> Floats:
        """Evidence of the I3D-like features without noise, ``(T, P)``."""
        return np.asarray(self.climax.sum(axis=2) + np.maximum(self.before, self.after))


def draw_evidence(video: SimulatedVideo, places: Floats, params: SimulationParams, seed: int) -> Evidence:
    """Draw the courses of one video; they depend on the seed, its name, length and instances, and the parameters.

    Args:
        video: The video.
        places: Where the climax of each class lies, see :class:`~wtal.simulation.world.World`.
        params: Parameters.
        seed: Seed.
    """
    step_s = params.grid.step_s / params.steps
    times_s: Floats = (np.arange(video.length * params.steps, dtype=np.float64) + 0.5) * step_s
    classes = np.unique([label for event in video.instances for label in event.labels]).astype(int)
    if not video.instances:
        classes = _shared_scene(len(places), params.shots, random_stream(seed, video.name, "shared scene"))
    events = [_local(event, classes) for event in video.instances]
    shots = draw_shots(events, len(times_s) * step_s, params.shots, random_stream(seed, video.name, "shots"))
    rng = random_stream(seed, video.name, "scenes")
    foreground = _spread(times_s, events, [(e.start_s, e.end_s) for e in events], np.ones(len(events)), len(classes))
    scene, clip = _scenes(times_s, events, shots, foreground.shape, params.clip, rng)
    course = _Courses(times_s, places[classes], params.movement, params.i3d, random_stream(seed, video.name, "moves"))
    course.annotated(events)
    course.bursts(scene, foreground, step_s)
    wander = slow_noise(course.rng, video.length, 1, _MOTION_MEMORY)[:, 0] * 0.5 + 0.5
    outside = params.i3d.motion_outside * np.clip(wander, 0, 3)

    def averaged(fine: Floats) -> Floats:
        return np.asarray(fine.reshape(video.length, params.steps, *fine.shape[1:]).mean(axis=1))

    shot = shots.at(times_s)
    scene_shots = np.zeros(len(shots.same_scene), bool)
    scene_shots[shot[scene.any(axis=1)]] = True
    return Evidence(
        classes,
        averaged(foreground),
        averaged(course.climax),
        averaged(course.before),
        averaged(course.after),
        averaged(scene),
        averaged(clip),
        np.maximum(averaged(course.motion), outside),
        shot[params.steps // 2 :: params.steps],
        scene_shots,
    )


def _shared_scene(count: int, params: ShotParams, rng: np.random.Generator) -> NDArray[np.int64]:
    """The class whose scene a video without any instance shows, ``(1,)``, or none of them."""
    return rng.integers(0, count, int(rng.random() < params.shared_scene))


def _local(event: Instance, classes: NDArray[np.int64]) -> Instance:
    """An instance whose labels are places among the classes of its video."""
    return Instance(event.start_s, event.end_s, tuple(np.searchsorted(classes, event.labels).tolist()))


def _spread(
    times_s: Floats, events: Sequence[Instance], spans_s: Sequence[Sequence[float]] | Floats, levels: Floats, count: int
) -> Floats:
    """The highest level at each time among the spans, by class, ``(n, P)``."""
    course = np.zeros((len(times_s), count))
    for event, (start_s, end_s), level in zip(events, spans_s, levels, strict=True):
        inside = np.ix_((times_s >= start_s) & (times_s < end_s), event.labels)
        course[inside] = np.maximum(course[inside], level)
    return course


def _scenes(
    times_s: Floats,
    events: Sequence[Instance],
    shots: Shots,
    shape: tuple[int, ...],
    params: CLIPParams,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Visibility of the scenes, and the evidence that the CLIP-like features see, ``(n, P)`` each."""
    scene, clip = np.zeros(shape), np.full(shape, params.elsewhere)
    if not shape[1]:
        return scene, clip
    shot, count = shots.at(times_s), len(shots.same_scene)
    levels, shown = rng.normal(params.scene, params.scene_spread, count), rng.integers(0, shape[1], count)
    for number in np.flatnonzero(shots.same_scene):
        clip[shot == number, shown[number]] = np.clip(levels[number], 0, 1.1)
        scene[shot == number, shown[number]] = _SCENE_ELSEWHERE
    levels = np.clip(rng.normal(params.context, params.context_spread, len(events)), 0.2, 1.1)
    around = _spread(times_s, events, shots.contexts_s, levels, shape[1])
    scene[around > 0], clip = 1.0, np.maximum(clip, around)
    levels = np.clip(rng.normal(params.inside, params.inside_spread, len(events)), 0.3, 1.3)
    inside = _spread(times_s, events, [(event.start_s, event.end_s) for event in events], levels, shape[1])
    return scene, np.where(inside > 0, np.maximum(inside, 0.9 * clip), clip)


class _Courses:
    """The movements of one video, added one by one; ``n`` points in time, ``P`` classes."""

    def __init__(
        self, times_s: Floats, places: Floats, params: MovementParams, i3d: I3DParams, rng: np.random.Generator
    ) -> None:
        shape = len(times_s), len(places)
        self.times_s, self.places, self.params, self.i3d, self.rng = times_s, places, params, i3d, rng
        self.climax, self.before, self.after = np.zeros((*shape, i3d.variants)), np.zeros(shape), np.zeros(shape)
        self.motion = np.zeros(len(times_s))
        self.habits = rng.dirichlet(np.ones(i3d.variants), len(places))  # how often the video shows each variant

    def annotated(self, events: Sequence[Instance]) -> None:
        """Add the movement of each instance, with boundaries and a strength of its own."""
        params, rng = self.params, self.rng
        for event in events:
            length_s = event.end_s - event.start_s
            late, early = rng.normal(0, params.boundary_s + params.boundary_share * length_s, 2)
            start_s = event.start_s + np.clip(late, -_SHIFT_OUT * length_s, _SHIFT_IN * length_s)
            end_s = event.end_s + np.clip(early, -_SHIFT_IN * length_s, _SHIFT_OUT * length_s)
            strength = rng.lognormal(0, params.strength_spread)
            strength *= params.hidden_strength if rng.random() < params.hidden else 1.0
            rest = min(1.0, params.rest * rng.lognormal(0, _REST_SPREAD))
            self._add(Instance(start_s, end_s, event.labels), strength, rest, params.outside * rest)

    def bursts(self, scene: Floats, foreground: Floats, step_s: float) -> None:
        """Add movements like those of the class where its scene is shown, and nothing is annotated."""
        params, rng = self.params, self.rng
        shown, free = scene.max(axis=1, initial=0) > 0, foreground.max(axis=1, initial=0) == 0
        for _ in range(rng.poisson(params.bursts_per_minute * shown.sum() * step_s / 60)):
            place = int(rng.choice(np.flatnonzero(shown)))
            length_s = np.clip(rng.exponential(params.burst_s), *_BURST_S)
            strength = np.clip(rng.gamma(4, params.burst / 4), 0.1, 1.5)
            if free[place]:
                start_s = self.times_s[place]
                label = int(scene[place].argmax())
                self._add(Instance(start_s, start_s + length_s, (label,)), strength, params.rest, 0.0)

    def _add(self, event: Instance, strength: float, rest: float, outside: float) -> None:
        first = event.labels[0]
        move = draw_movement(
            self.times_s, event.start_s, event.end_s, self.places[first], rest, outside, self.params, self.rng
        )
        variant = self.rng.choice(self.i3d.variants, p=self.habits[first])
        share = strength / np.sqrt(len(event.labels))
        for label in event.labels:
            for course, added in (
                (self.climax[:, label, variant], move.climax),
                (self.before[:, label], move.before),
                (self.after[:, label], move.after),
            ):
                np.maximum(course, share * added, out=course)
        mild = self.i3d.motion_in_rest * (np.maximum(move.before, move.after) > 0.3 * rest)
        np.maximum(self.motion, min(1.0, strength) * np.maximum(move.climax, mild), out=self.motion)

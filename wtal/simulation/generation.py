"""Simulated features of annotated videos: drawn video by video, and written in the layout of real ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wtal.data.annotations import Annotations
from wtal.data.store import write_npy
from wtal.errors import ConfigError
from wtal.io.files import drafted, write_text
from wtal.simulation.clip import clip_features
from wtal.simulation.evidence import Evidence, draw_evidence
from wtal.simulation.i3d import i3d_features
from wtal.simulation.layouts import Layout, writer_of_clip, writer_of_i3d
from wtal.simulation.noise import random_stream
from wtal.simulation.overlay import write_overlays
from wtal.simulation.params import SimulationParams
from wtal.simulation.record import record_of, settle_record
from wtal.simulation.videos import SimulatedVideo, chosen, videos_of
from wtal.simulation.world import World, draw_world

__all__ = ["Simulated", "SimulatedFeatures", "simulate", "simulate_video"]


@dataclass(frozen=True)
class SimulatedFeatures:
    """Features of one video.

    Args:
        rgb: First half of the I3D-like features, ``(T, dim)``.
        flow: Their second half, ``(T, dim)``.
        clip: CLIP-like features, unit rows ``(T, dim)``.
        evidence: What they were drawn from.
    """

    rgb: NDArray[np.float32]
    flow: NDArray[np.float32]
    clip: NDArray[np.float32]
    evidence: Evidence


@dataclass(frozen=True)
class Simulated:
    """What a simulation has written.

    Args:
        videos: Number of videos.
        snippets: Number of their snippets.
        notes: What a user should know about what had to be assumed.
        note: What tables state about the features.
        command: Command of a training on them.
    """

    videos: int
    snippets: int
    notes: list[str]
    note: str
    command: str


def simulate_video(video: SimulatedVideo, world: World, params: SimulationParams, seed: int) -> SimulatedFeatures:
    """Draw the features of one video; they depend on nothing but the arguments."""
    evidence = draw_evidence(video, world.place, params, seed)
    space = params.i3d
    return SimulatedFeatures(
        i3d_features(evidence, world.rgb, space, space.rgb, random_stream(seed, video.name, "rgb")),
        i3d_features(evidence, world.flow, space, space.flow, random_stream(seed, video.name, "flow")),
        clip_features(evidence, world.clip, params.clip, random_stream(seed, video.name, "clip")),
        evidence,
    )


def simulate(
    annotations: Annotations,
    output: Path,
    params: SimulationParams = SimulationParams(),  # noqa: B008  frozen
    seed: int = 0,
    layout: Layout = "store",
    dtype: Literal["float16", "float32"] = "float16",
    videos: Sequence[str] = (),
    subsets: Sequence[str] = (),
    latents: bool = False,
    progress: Callable[[list[SimulatedVideo]], Iterable[SimulatedVideo]] = iter,
) -> Simulated:
    """Write simulated features of annotated videos. Finished videos are kept when it is started again.

    Args:
        annotations: Labels and segments.
        output: Folder of the features.
        params: Parameters.
        seed: Seed of everything.
        layout: See :func:`~wtal.simulation.layouts.writer_of_i3d`.
        dtype: Type of the numbers.
        videos: Names of videos; empty for all. What a video gets does not depend on which others are written.
        subsets: Subsets of videos; empty for all.
        latents: Also write the noise-free courses, from which ceilings are computed; no method may see them.
        progress: Wraps the videos to show progress.

    Raises:
        AnnotationError: If a video or subset does not exist, or a name cannot be that of a file.
        ConfigError: If the seed is negative, or the parameters do not fit the number of classes.
        FeatureError: If the folder holds other files, or features that were made from something else.
    """
    if seed < 0:
        raise ConfigError(f"`seed` is {seed}: give a whole number of 0 or more.")
    every, notes = videos_of(annotations, params.grid, seed)
    wanted = chosen(every, videos, subsets)
    world = draw_world(annotations.class_names, params, seed)
    record = record_of(annotations, params, seed, layout, dtype)
    settle_record(output, record)
    i3d, clip = (make(output, layout, params.grid, record["note"]) for make in (writer_of_i3d, writer_of_clip))
    _write_texts(output / "clip", world)
    for video in progress(wanted):
        courses = output / "latents" / f"{video.name}.npz"
        if video in i3d and video in clip and (not latents or courses.is_file()):
            continue
        drawn = simulate_video(video, world, params, seed)
        if latents:
            _write_latents(courses, drawn.evidence)
        if video not in i3d:
            i3d.add(video, {"rgb": drawn.rgb.astype(dtype), "flow": drawn.flow.astype(dtype)})
        if video not in clip:
            clip.add(video, {"clip": drawn.clip.astype(dtype)})
    i3d.finish(wanted)
    clip.finish(wanted)
    command = write_overlays(output, annotations, params, layout, record["note"], len(wanted) == len(every))
    return Simulated(len(wanted), sum(video.length for video in wanted), notes, record["note"], command)


def _write_texts(folder: Path, world: World) -> None:
    with drafted(folder / "text.npy") as draft:
        write_npy(draft, world.clip.text.astype(np.float32))
    write_text(folder / "classes.txt", "\n".join(world.class_names) + "\n")


def _write_latents(file: Path, evidence: Evidence) -> None:
    with drafted(file) as draft, draft.open("wb") as out:
        np.savez_compressed(out, **asdict(evidence))

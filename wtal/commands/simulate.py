"""Make simulated I3D and CLIP features of annotated videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import track

from wtal.data.annotations import read_annotations
from wtal.simulation.generation import simulate
from wtal.simulation.layouts import Layout
from wtal.simulation.params import SimulationParams

__all__ = ["run"]


def run(
    annotations: Path,
    output: Path,
    layout: Layout = "store",
    dtype: Literal["float16", "float32"] = "float16",
    seed: int = 0,
    videos: Sequence[str] = (),
    subset: Sequence[str] = (),
    annotation_fps: float | None = None,
    params: SimulationParams = SimulationParams(),  # noqa: B008  frozen
    latents: bool = False,
) -> None:
    """Make simulated features of annotated videos, to try a whole pipeline before any feature is extracted.

    I3D-like features show the discriminative parts of an action, CLIP-like ones its whole scene. Nothing looks at a
    video: numbers on such features say something about methods and code under controlled conditions, nothing about
    real videos, and every table calls them simulated. After an interruption start the command again.

    Args:
        annotations: Annotations in any form that `wtal fit` reads.
        output: Folder of the features; `simulation.json` in it says what they were made from.
        layout: ``store`` as `wtal extract` writes it, ``two_stream`` for ``SUBSET/rgb/VIDEO.npy`` and
            ``SUBSET/flow/VIDEO.npy``, ``joint`` for ``VIDEO.npy`` with both, ``wtalc`` for one object array of all
            videos; CLIP's always go to ``clip``.
        dtype: Type of the numbers.
        seed: Seed of everything.
        videos: Names of the videos to write; a video is the same whichever others are written.
        subset: Subsets of the videos to write.
        annotation_fps: Frame rate of the videos, for annotations whose times are frames.
        params: Parameters of the simulation, a YAML file or single ones such as ``--params.clip.context 0.5``.
        latents: Also write the noise-free courses, from which ceilings are computed; no method may see them.

    Raises:
        WTALError: As :func:`~wtal.simulation.generation.simulate` does.
    """
    console = Console(stderr=True)
    made = simulate(
        read_annotations(annotations, fps=annotation_fps),
        output,
        params,
        seed,
        layout,
        dtype,
        videos,
        subset,
        latents,
        progress=lambda todo: track(todo, "Simulating", console=console, transient=True),
    )
    for sentence in made.notes:
        print(f"Note: {sentence}")
    print(f"{output}: {made.videos} videos, {made.snippets} snippets, {made.note}.")
    if latents:
        print(f"{output / 'latents'} holds the truth without noise: it is for ceilings, and no method may see it.")
    print(f"Next:\n  {made.command}")

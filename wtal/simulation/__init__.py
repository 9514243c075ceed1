"""Simulated features over real annotations: incomplete, precise evidence (I3D) and over-complete evidence (CLIP)."""

from typing import TYPE_CHECKING

from wtal._lazy import lazy

if TYPE_CHECKING:
    from wtal.simulation.evidence import Evidence
    from wtal.simulation.generation import Simulated, SimulatedFeatures, simulate, simulate_video
    from wtal.simulation.layouts import FeatureWriter
    from wtal.simulation.movement import Movement
    from wtal.simulation.params import (
        CLIPParams,
        I3DParams,
        MovementParams,
        ShotParams,
        SimulationParams,
        StreamParams,
    )
    from wtal.simulation.rendered import RenderedDataModule
    from wtal.simulation.rendering import Action, RenderedParams, Storyboard
    from wtal.simulation.shots import Shots
    from wtal.simulation.videos import Instance, SimulatedVideo, videos_of
    from wtal.simulation.world import StreamWorld, TextWorld, World, draw_world
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "Action",
    "CLIPParams",
    "Evidence",
    "FeatureWriter",
    "I3DParams",
    "Instance",
    "Movement",
    "MovementParams",
    "RenderedDataModule",
    "RenderedParams",
    "ShotParams",
    "Shots",
    "Simulated",
    "SimulatedFeatures",
    "SimulatedVideo",
    "SimulationParams",
    "Storyboard",
    "StreamParams",
    "StreamWorld",
    "TextWorld",
    "World",
    "draw_world",
    "simulate",
    "simulate_video",
    "videos_of",
]

"""Parameters of simulated features: typed, each with its meaning, so that a whole setting can be written down."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from wtal.errors import ConfigError
from wtal.types import TimeGrid

__all__ = ["CLIPParams", "I3DParams", "MovementParams", "ShotParams", "SimulationParams", "StreamParams"]


def _check(params: object, place: str, shares: Iterable[str] = (), positive: Iterable[str] = ()) -> None:
    """Check numbers of a dataclass: shares lie in [0, 1], none is below 0, those that must be are above 0.

    Raises:
        ConfigError: If one is out of range.
    """
    shares, positive = set(shares), set(positive)
    for field in fields(params):  # type: ignore[arg-type]
        value = getattr(params, field.name)
        if not isinstance(value, int | float):
            continue
        allowed, wanted = value >= 0, "0 or more"
        if field.name in shares:
            allowed, wanted = 0 <= value <= 1, "in [0, 1]"
        elif field.name in positive:
            allowed, wanted = value > 0, "above 0"
        if not (allowed and math.isfinite(value)):
            raise ConfigError(f"`{place}.{field.name}` is {value:g}: give a number {wanted}.")


@dataclass(frozen=True)
class ShotParams:
    """How a video is cut into shots, and where its scene is shown. Times are seconds.

    Args:
        length_s: Mean length of a shot.
        cut_at_boundary: Probability that a shot begins where an instance begins, or ends where it ends.
        context_s: Median length of the scene shown before or after an instance, where there is no cut.
        context_spread: Standard deviation of its logarithm.
        same_scene: Probability that a shot without instances shows the scene of a class of the video.
        shared_scene: Probability that a video without any instance shows the scene of some class in such shots, as a
            normal video from the place of an anomaly does.
    """

    length_s: float = 9.0
    cut_at_boundary: float = 0.30
    context_s: float = 4.0
    context_spread: float = 0.8
    same_scene: float = 0.45
    shared_scene: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "params.shots", ("cut_at_boundary", "same_scene", "shared_scene"), ("length_s", "context_s"))


@dataclass(frozen=True)
class MovementParams:
    """Where a movement shows evidence of its class (I3D). Levels are relative to full evidence, 1; times are seconds.

    Args:
        climax: Mean share of an instance that is discriminative.
        climax_certainty: How little this share varies between instances (sum of the parameters of its beta
            distribution).
        climax_min_s: Shortest discriminative part.
        two_climaxes: Probability that an instance has two discriminative parts.
        rest: Evidence in the rest of an instance: preparation and follow-through.
        strength_spread: Standard deviation of the logarithm of an instance's strength.
        hidden: Share of the instances with hardly any evidence.
        hidden_strength: What their strength is multiplied by.
        boundary_s: Standard deviation of the boundaries of the evidence around the annotated ones.
        boundary_share: Share of the instance's length that is added to this deviation.
        smoothing_s: Standard deviation of the smoothing over time.
        outside_s: Time in which evidence of the rest fades outside the instance.
        outside: Its level there, relative to the rest.
        bursts_per_minute: Movements like those of the class that nobody annotated, per minute of scene.
        burst: Mean strength of a burst.
        burst_s: Mean length of a burst.
    """

    climax: float = 0.48
    climax_certainty: float = 5.0
    climax_min_s: float = 0.9
    two_climaxes: float = 0.35
    rest: float = 0.22
    strength_spread: float = 0.40
    hidden: float = 0.20
    hidden_strength: float = 0.35
    boundary_s: float = 0.30
    boundary_share: float = 0.08
    smoothing_s: float = 0.25
    outside_s: float = 0.5
    outside: float = 0.25
    bursts_per_minute: float = 2.4
    burst: float = 0.75
    burst_s: float = 2.0

    def __post_init__(self) -> None:
        shares = ("two_climaxes", "hidden", "boundary_share")
        _check(self, "params.movement", shares, ("climax", "climax_certainty", "climax_min_s", "burst_s"))
        if self.climax >= 1:
            raise ConfigError(f"`params.movement.climax` is {self.climax:g}: give a share below 1.")


@dataclass(frozen=True)
class StreamParams:
    """How strongly one half of the I3D-like features responds; the defaults are those of RGB.

    Args:
        movement: Response to the movement of a class.
        motion: Response to motion of any kind.
        scene: Response to the look of the scene.
    """

    movement: float = 7.0
    motion: float = 2.0
    scene: float = 3.0

    def __post_init__(self) -> None:
        _check(self, "params.i3d.rgb or flow")


@dataclass(frozen=True)
class I3DParams:
    """The space of the I3D-like features: RGB, then flow, non-negative.

    Args:
        dim: Number of channels of each half.
        variants: Number of ways in which a class is performed.
        climax_shared: Share of a discriminative movement that similar classes have in common.
        rest_shared: Share of preparation and follow-through that similar classes have in common.
        own_style: Share of a movement that is the style of the video.
        rest_response: Response to preparation and follow-through relative to that to the discriminative part.
        motion_in_rest: Motion in the rest of an instance, where that in the discriminative part is 1.
        motion_outside: Mean motion outside of instances.
        rgb: Responses of the first half.
        flow: Responses of the second half.
        video_offset: Length of an offset that a video has everywhere.
        shot_offset: Length of an offset that a shot has everywhere.
        nuisances: Number of disturbances that vary slowly and act on many channels.
        nuisance: Their strength.
        nuisance_memory: Their correlation from snippet to snippet.
        noise: Standard deviation of the white noise of a channel.
        rest_level: Mean level of a channel before rectification.
        rest_level_spread: Standard deviation of this level between channels.
        softness: Softness of the rectification.
    """

    dim: int = 1024
    variants: int = 3
    climax_shared: float = 0.25
    rest_shared: float = 0.70
    own_style: float = 0.50
    rest_response: float = 0.6
    motion_in_rest: float = 0.40
    motion_outside: float = 0.45
    rgb: StreamParams = StreamParams()
    flow: StreamParams = StreamParams(movement=9.0, motion=4.0, scene=0.5)
    video_offset: float = 4.0
    shot_offset: float = 3.0
    nuisances: int = 40
    nuisance: float = 0.8
    nuisance_memory: float = 0.90
    noise: float = 0.30
    rest_level: float = 0.05
    rest_level_spread: float = 0.45
    softness: float = 0.20

    def __post_init__(self) -> None:
        shares = ("climax_shared", "rest_shared", "own_style", "nuisance_memory")
        _check(self, "params.i3d", shares, ("dim", "variants", "nuisances"))


@dataclass(frozen=True)
class CLIPParams:
    """The space of the CLIP-like features and texts, of unit length. Levels are relative to full evidence, 1.

    Args:
        dim: Number of channels.
        base: Mean cosine of an image with a text that does not fit.
        span: What full evidence adds to it.
        text_common: Part that all texts have in common; the cosine of two texts is about its square.
        text_similar: Share of the rest that similar classes have in common.
        confusion: Evidence that a class lends to a similar one.
        leak: Mean evidence that it lends to any other one.
        inside: Evidence inside an instance.
        inside_spread: Its standard deviation between instances.
        context: Evidence in the context of an instance, in the same shot.
        context_spread: Its standard deviation between instances.
        scene: Evidence in other shots of the scene.
        scene_spread: Its standard deviation between shots.
        elsewhere: Evidence in unrelated shots.
        class_offset: Standard deviation of an offset of each class where a scene is shown, as some texts fit better.
        video_offset: Standard deviation of an offset of each video.
        slow: Standard deviation of fluctuations that vary slowly.
        fast: Standard deviation of those from snippet to snippet.
        image_common: Part that all images have in common, relative to the following three.
        image_video: Part that the images of a video have in common.
        image_shot: Part that those of a shot have in common.
        image_noise: White noise.
    """

    dim: int = 512
    base: float = 0.205
    span: float = 0.075
    text_common: float = 0.80
    text_similar: float = 0.35
    confusion: float = 0.55
    leak: float = 0.10
    inside: float = 0.95
    inside_spread: float = 0.12
    context: float = 0.78
    context_spread: float = 0.15
    scene: float = 0.62
    scene_spread: float = 0.20
    elsewhere: float = 0.08
    class_offset: float = 0.20
    video_offset: float = 0.18
    slow: float = 0.16
    fast: float = 0.12
    image_common: float = 0.62
    image_video: float = 0.48
    image_shot: float = 0.36
    image_noise: float = 0.34

    def __post_init__(self) -> None:
        _check(self, "params.clip", ("text_common", "text_similar", "base", "span"), ("dim", "image_noise"))


@dataclass(frozen=True)
class SimulationParams:
    """All parameters of simulated features.

    Args:
        shots: Shots and scenes.
        movement: Evidence of movements.
        i3d: I3D-like features.
        clip: CLIP-like features.
        fps: Frames per second.
        stride: Frames of a snippet; neighbouring ones do not overlap.
        steps: Points in time that are simulated within a snippet and averaged.
    """

    shots: ShotParams = ShotParams()
    movement: MovementParams = MovementParams()
    i3d: I3DParams = I3DParams()
    clip: CLIPParams = CLIPParams()
    fps: float = 25.0
    stride: int = 16
    steps: int = 4

    def __post_init__(self) -> None:
        _check(self, "params", positive=("fps", "stride", "steps"))

    @property
    def grid(self) -> TimeGrid:
        """Where the snippets lie in time."""
        return TimeGrid(self.fps, self.stride, self.stride)

"""What all simulated videos share: which classes are alike, how they look and move, and what their texts are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wtal.errors import ConfigError
from wtal.simulation.noise import Floats, mixed, random_stream, sparse_directions, unit
from wtal.simulation.params import CLIPParams, I3DParams, SimulationParams

__all__ = ["StreamWorld", "TextWorld", "World", "draw_world"]

_ALIKE = (  # classes of THUMOS14 whose movements or places resemble each other
    {"CliffDiving", "Diving"},
    {"HighJump", "LongJump", "PoleVault"},
    {"HammerThrow", "JavelinThrow", "Shotput", "ThrowDiscus"},
    {"BaseballPitch", "CricketBowling", "CricketShot"},
    {"BasketballDunk", "FrisbeeCatch", "VolleyballSpiking"},
    {"GolfSwing", "TennisSwing"},
    {"Billiards"},
    {"CleanAndJerk"},
    {"SoccerPenalty"},
)
_GROUP_SIZE = 3  # mean number of other classes that are alike
_PLACES = (0.35, 0.70)  # where the climax of a class lies within its instances
_OTHER_SCENES, _MOTIONS = 12, 3
_SCENE_OWN, _CLIMAX_OWN, _REST_OWN = 0.7, 0.6, 0.3  # shares of a class, or of a variant of it, in what is not shared
_CONFUSION_SPREAD = 0.15


@dataclass(frozen=True)
class StreamWorld:
    """Directions in the space of one half of the I3D-like features, unit rows unless noted.

    Args:
        climax: Discriminative movements, ``(C, variants, dim)``.
        before: Preparation, ``(C, dim)``.
        after: Follow-through, ``(C, dim)``.
        scene: Look of the scene of each class, ``(C, dim)``.
        other: Looks of unrelated scenes, ``(S, dim)``.
        motion: Motion of any kind, ``(M, dim)``.
        nuisance: Disturbances, with their strength, ``(N, dim)``.
        level: Levels of the channels before rectification, ``(dim,)``.
    """

    climax: Floats
    before: Floats
    after: Floats
    scene: Floats
    other: Floats
    motion: Floats
    nuisance: Floats
    level: Floats


@dataclass(frozen=True)
class TextWorld:
    """Texts and images in the space of the CLIP-like features.

    Args:
        text: Text of each class, unit rows ``(C, dim)``.
        image: Direction that all images share, ``(dim,)``; it is orthogonal to that of the texts.
        scene: Look of the scene of each class, beyond what the texts say, unit rows ``(C, dim)``.
        confusion: Evidence that the class of the row lends to that of the column, 1 on the diagonal, ``(C, C)``.
        class_offset: Offset of each class, ``(C,)``.
    """

    text: Floats
    image: Floats
    scene: Floats
    confusion: Floats
    class_offset: Floats


@dataclass(frozen=True)
class World:
    """What all videos share.

    Args:
        class_names: Names of the classes.
        place: Where the climax lies within the instances of each class, ``(C,)``.
        rgb: First half of the I3D-like features.
        flow: Their second half.
        clip: CLIP-like features and texts.
    """

    class_names: tuple[str, ...]
    place: Floats
    rgb: StreamWorld
    flow: StreamWorld
    clip: TextWorld


def draw_world(class_names: Sequence[str], params: SimulationParams, seed: int) -> World:
    """Draw what all videos share; it depends on the seed, the class names and the parameters.

    Raises:
        ConfigError: If the CLIP-like space has too few channels for so many texts.
    """
    if len(class_names) >= params.clip.dim:
        raise ConfigError(
            f"`params.clip.dim` is {params.clip.dim}, too few for the texts of {len(class_names)} classes: raise it."
        )
    rng = random_stream(seed, "world")
    groups = _groups(class_names, rng)
    return World(
        tuple(class_names),
        rng.uniform(*_PLACES, len(class_names)),
        _stream(groups, params.i3d, random_stream(seed, "world", "rgb")),
        _stream(groups, params.i3d, random_stream(seed, "world", "flow")),
        _texts(groups, params.clip, random_stream(seed, "world", "clip")),
    )


def _groups(class_names: Sequence[str], rng: np.random.Generator) -> NDArray[np.int64]:
    """The group of similar classes that each class is in; random for classes that are not THUMOS14's."""
    known = {name: number for number, group in enumerate(_ALIKE) for name in group}
    count = max(1, round(len(class_names) / _GROUP_SIZE))
    drawn = len(_ALIKE) + rng.integers(0, count, len(class_names))
    groups = [known.get(name, int(number)) for name, number in zip(class_names, drawn, strict=True)]
    return np.unique(groups, return_inverse=True)[1]


def _stream(groups: NDArray[np.int64], params: I3DParams, rng: np.random.Generator) -> StreamWorld:
    count, width = len(groups), params.dim

    def by_group() -> Floats:
        return sparse_directions(rng, int(groups.max()) + 1, width)[groups]

    def by_class() -> Floats:
        return sparse_directions(rng, count, width)

    own, shared = by_class(), by_group()
    variants = [mixed(own, by_class(), _CLIMAX_OWN) for _ in range(params.variants)]
    return StreamWorld(
        climax=np.stack([mixed(shared, variant, params.climax_shared) for variant in variants], axis=1),
        before=mixed(by_group(), mixed(own, by_class(), _REST_OWN), params.rest_shared),
        after=mixed(by_group(), mixed(own, by_class(), _REST_OWN), params.rest_shared),
        scene=mixed(by_class(), by_group(), _SCENE_OWN),
        other=sparse_directions(rng, _OTHER_SCENES, width),
        motion=sparse_directions(rng, _MOTIONS, width),
        nuisance=params.nuisance * sparse_directions(rng, params.nuisances, width),
        level=rng.normal(params.rest_level, params.rest_level_spread, width),
    )


def _texts(groups: NDArray[np.int64], params: CLIPParams, rng: np.random.Generator) -> TextWorld:
    count = len(groups)
    gap = np.linalg.qr(rng.standard_normal((params.dim, 2)))[0].T  # common directions of images and of texts
    of_group = rng.standard_normal((int(groups.max()) + 1, params.dim))
    of_class = rng.standard_normal((count, params.dim))
    of_group, of_class = (unit(rows - rows @ gap.T @ gap) for rows in (of_group, of_class))
    specific = mixed(of_group[groups], of_class, params.text_similar)
    alike = groups[:, None] == groups
    confusion = np.where(
        alike,
        np.clip(rng.normal(params.confusion, _CONFUSION_SPREAD, (count, count)), 0, 0.9),
        np.clip(rng.exponential(params.leak, (count, count)), 0, 0.6),
    )
    np.fill_diagonal(confusion, 1.0)
    return TextWorld(
        text=mixed(np.broadcast_to(gap[1], specific.shape), specific, params.text_common**2),
        image=gap[0],
        scene=unit(rng.standard_normal((count, params.dim))),
        confusion=confusion,
        class_offset=rng.normal(0, params.class_offset, count),
    )

"""How the features of new videos are made: as existing ones and those of the training, unless options say otherwise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from wtal.data.features import FeatureSource, part_of
from wtal.data.manifest import Manifest, read_manifest
from wtal.errors import WTALError
from wtal.extraction.pipeline import CROPS, Extraction
from wtal.training.checkpoint import Run
from wtal.video.flow_methods import FlowMethod

__all__ = ["Settled", "known_settings", "learned_settings", "settle"]

_RANDOM = "random weights"
_PATHS = ("rgb_weights", "flow_weights")
_NETWORKS = (*_PATHS, "clip_model", "clip_weights")


class Settled(NamedTuple):
    """Settings, and where those that no option gives come from.

    Attributes:
        making: The settings.
        stored: Settings that existing features in the same folder have; empty where there are none yet.
        remark: One sentence on settings that are neither options nor defaults; empty if there are none.
    """

    making: Extraction
    stored: dict[str, Any]
    remark: str


def settle(
    given: Mapping[str, Any],
    texts: Mapping[str, str],
    features: Path,
    trained: Run | None,
    learned: Mapping[str, Any] | None = None,
) -> Settled:
    """Settle how features are made.

    Args:
        given: Options, by the names of :class:`~wtal.extraction.pipeline.Extraction`; they come first.
        texts: ``model`` and ``pretrained`` of the checkpoint's text tower, which come second.
        features: Folder of the features; those that it already holds come next.
        trained: The run of the model; the features of its training come last.
        learned: :func:`learned_settings` of the run, where the run itself is not here, as of an exported model.
    """
    stored = known_settings({kind: read_manifest(features / kind) for kind in ("i3d", "clip")})
    names = {"clip_model": "model", "clip_weights": "pretrained"}
    tower = {name: texts[key] for name, key in names.items() if key in texts}
    before = {**(learned_settings(trained) if trained else learned or {}), **stored}
    making = Extraction(**{**before, "streams": _with_lacking(before.get("streams", ())), **tower, **given})
    default, chosen = Extraction(), (*tower, *given, "streams")
    unusual = [f"{n} {v}" for n, v in before.items() if n not in chosen and getattr(default, n) != v]
    return Settled(making, stored, f"As existing features were made: {', '.join(unusual)}." if unusual else "")


def _with_lacking(streams: Sequence[str]) -> tuple[str, ...]:
    """The streams, and all those of a network of which there is none yet."""
    i3d = tuple(stream for stream in streams if stream != "clip") or ("rgb", "flow")
    return (*i3d, "clip")


def known_settings(manifests: Mapping[str, Manifest | None]) -> dict[str, Any]:
    """Settings of an :class:`~wtal.extraction.pipeline.Extraction` that manifests state.

    Args:
        manifests: Manifests of the stores ``i3d`` and ``clip``; None, or one without any video, states nothing.
    """
    used = [m for m in manifests.values() if m is not None and m.videos and _is_extracted(m)]
    known: dict[str, Any] = {}
    for manifest in used:
        known |= _of_store(manifest)
    origins = {stream: str(m.origin[stream]) for m in used for stream in ("rgb", "flow", "clip") if stream in m.origin}
    if origins:
        known |= {"streams": tuple(origins), "random_weights": any(_RANDOM in text for text in origins.values())}
    return known


def _is_extracted(manifest: Manifest) -> bool:
    """Whether the settings of an extraction can make such features: not those of an encoder that was trained."""
    known = manifest.origin.keys() & {"rgb", "flow", "clip"}
    return "encoder" not in manifest.origin and (bool(known) or not manifest.origin)


def _of_store(manifest: Manifest) -> dict[str, Any]:
    """Settings that the manifest of one store states."""
    grid = manifest.grid
    known = _of_clip(manifest.origin) if "clip" in manifest.origin else _of_i3d(manifest)
    if grid.stride == int(grid.stride) and grid.window == int(grid.window):
        known |= {"fps": grid.fps, "stride": int(grid.stride), "window": int(grid.window)}
    there = {n: place for n, place in manifest.networks.items() if n in _NETWORKS}
    networks = {n: place for n, place in there.items() if n not in _PATHS or Path(place).is_file()}  # not moved since
    return known | {name: Path(place) if name in _PATHS else place for name, place in networks.items()}


def _of_i3d(manifest: Manifest) -> dict[str, Any]:
    flow, crops = manifest.origin.get("optical flow"), {text: name for name, text in CROPS.items()}
    known: dict[str, Any] = {"flow": flow} if flow in get_args(FlowMethod) else {}
    return known | ({"crops": crops[manifest.crop]} if manifest.crop in crops else {})


def _of_clip(origin: Mapping[str, Any]) -> dict[str, Any]:
    model, _, weights = str(origin["clip"]).removesuffix(")").rpartition(" (")
    known: dict[str, Any] = {"images": origin.get("frames a snippet", 1), "bgr": origin.get("colours") == "bgr"}
    known |= {"frames_per_snippet": origin["frames together"]} if "frames together" in origin else {}
    if model and "sha256" not in str(origin["clip"]):  # of a file, only the name is known
        known |= {"clip_model": model} | ({} if _RANDOM in weights else {"clip_weights": weights})
    return known


def learned_settings(trained: Run) -> dict[str, Any]:
    """The settings of the features that a model learned from, as far as they are known."""
    try:
        sources = {kind: part_of(source, kind) for kind, source in trained.data.streams.items()}
        known = known_settings({kind: read_manifest(source.path) for kind, source in sources.items()})
        return known or _of_source(sources.get("i3d") or sources.get("clip"))
    except WTALError:  # the training's data no longer exist
        return {}


def _of_source(source: FeatureSource | None) -> dict[str, Any]:
    """The time grid of features without a manifest, where all videos have the same."""
    if source is None or not isinstance(source.fps, int | float):
        return {}
    stated = {"fps": float(source.fps), "stride": source.stride, "window": source.window}
    return {n: value if n == "fps" else int(value) for n, value in stated.items() if value and value == int(value)}

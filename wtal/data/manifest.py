"""The manifest of a feature store: which videos it holds, how many snippets, and where they lie in time."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wtal.errors import FeatureError
from wtal.io.bounds import is_file_name
from wtal.io.files import write_text
from wtal.types import TimeGrid

__all__ = ["MANIFEST", "Manifest", "is_measure", "manifest_text", "parse_manifest", "read_manifest"]

MANIFEST = "manifest.json"
_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """Description of a feature store.

    Args:
        grid: Time grid of the snippets.
        dim: Number of channels.
        dtype: Data type of the arrays.
        videos: Number of snippets of each video.
        fps: Frame rate of each video; None if all have that of the grid.
        origin: Description of what the features were made from, to detect that they are out of date.
        crop: Part of each frame that was used: ``center``, ``ten, averaged``, ...
        notes: Anything else worth knowing, such as the colour order of the network's input.
        offset_s: Time of the first frame, on the clock that players show, of those videos whose picture begins later
            than 0; added to that of the grid.
        networks: Where the networks were found, by the names of options of ``wtal extract``: paths of weights, or names
            of open_clip. The origin, not this, tells whether features are alike.
    """

    grid: TimeGrid
    dim: int
    dtype: str
    videos: dict[str, int]
    fps: dict[str, float] | None = None
    origin: dict[str, Any] = field(default_factory=dict)
    crop: str = "not stated"
    notes: str = ""
    offset_s: dict[str, float] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the manifest into the folder of a store, whole or not at all."""
        write_text(folder / MANIFEST, manifest_text(self))


def manifest_text(manifest: Manifest) -> str:
    """The content of a manifest's file."""
    content = {"version": _VERSION, **asdict(manifest)}
    for name in ("offset_s", "networks"):  # version 0.2 does not know them
        if not content[name]:
            del content[name]
    return json.dumps(content, indent=1)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a store; None where there is no store.

    Raises:
        FeatureError: If the manifest is damaged or of another version.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise FeatureError(_damaged(path, error)) from error
    return parse_manifest(text, path)


def parse_manifest(text: str, place: Path | str) -> Manifest:
    """The manifest in a text.

    Args:
        text: Content of the file.
        place: Its path or address, for messages.

    Raises:
        FeatureError: If it is damaged or of another version.
    """
    try:
        return _parsed(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FeatureError(_damaged(place, error)) from error


def _damaged(place: Path | str, error: Exception) -> str:
    return f"{place} is not the manifest of a feature store ({error}): delete the folder and make it again."


def _parsed(content: dict[str, Any]) -> Manifest:
    """The manifest in the content of a file.

    Raises:
        ValueError: If it is of another version, a number of its grid is impossible, or a name leads out of the folder.
        AttributeError, KeyError, OverflowError, TypeError: If the content has another form.
    """
    if content.pop("version") != _VERSION:
        raise ValueError("another version of the program wrote it")
    grid = TimeGrid(**{name: float(value) for name, value in content.pop("grid").items()})
    fps = content.pop("fps", None)
    rates = None if fps is None else {name: float(rate) for name, rate in fps.items()}
    if not all(map(is_measure, (grid.fps, grid.stride, grid.window, *(rates or {}).values()))):
        raise ValueError("a number of its time grid is not above 0, or is too large")
    offsets_s = _offsets(content.pop("offset_s", {}), grid.offset_s)
    videos = {name: int(count) for name, count in content.pop("videos").items()}
    outside = next((name for name in videos if not is_file_name(name)), None)
    if outside is not None:
        raise ValueError(f"{outside!r} cannot be the name of a file")
    networks = {name: str(place) for name, place in content.pop("networks", {}).items()}
    return Manifest(
        grid,
        int(content.pop("dim")),
        content.pop("dtype"),
        videos,
        rates,
        offset_s=offsets_s,
        networks=networks,
        **content,
    )


def _offsets(content: Mapping[str, Any], of_grid_s: float) -> dict[str, float]:
    """The offsets of single videos."""
    offsets_s = {name: float(offset_s) for name, offset_s in content.items()}
    if not all(abs(offset_s) < 1e9 for offset_s in (of_grid_s, *offsets_s.values())):
        raise ValueError("the offset of its time grid is too large")
    return offsets_s


def is_measure(value: float) -> bool:
    """Whether a frame rate or a number of frames is plausible: above 0, and with quotients that cannot overflow."""
    return 1e-6 < value < 1e9

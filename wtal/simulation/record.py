"""What simulated features were made from, written beside them, so that anyone can make them again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wtal._version import __version__
from wtal.data.annotations import Annotations
from wtal.data.provenance import SIMULATION
from wtal.errors import FeatureError
from wtal.io.bounds import read_json
from wtal.io.files import write_text
from wtal.io.fingerprint import checksum
from wtal.simulation.layouts import Layout
from wtal.simulation.params import SimulationParams

__all__ = ["record_of", "settle_record"]

_GENERATOR = 1  # raised whenever equal settings would no longer give equal features


def record_of(
    annotations: Annotations, params: SimulationParams, seed: int, layout: Layout, dtype: str
) -> dict[str, Any]:
    """Everything that decides what the files of a simulation hold, and ``note``, which tables state about them."""
    digest = checksum(annotations.path)
    changed = "" if params == SimulationParams() else ", other parameters than the defaults"
    return {
        "note": f"simulated, seed {seed}{changed}, over {annotations.path.name} (sha256 {digest[:12]})",
        "generator": _GENERATOR,
        "wtal": __version__,
        "seed": seed,
        "annotations": {"name": annotations.path.name, "sha256": digest},
        "class_names": list(annotations.class_names),
        "layout": layout,
        "dtype": dtype,
        "params": asdict(params),
    }


def settle_record(output: Path, record: Mapping[str, Any]) -> None:
    """Write the record of a simulation into its folder, unless an equal one is there.

    Raises:
        FeatureError: If the folder holds features that were made from something else, or other files.
    """
    file = output / SIMULATION
    if not file.is_file():
        if output.is_dir() and any(output.iterdir()):
            raise FeatureError(f"{output} holds other files: choose another --output.")
        write_text(file, json.dumps(record, indent=1))
        return
    made = read_json(file, FeatureError)
    if not isinstance(made, dict):
        raise FeatureError(f"{file} is not the record of a simulation: choose another --output.")
    before, now = (dict(_leaves(content)) for content in (made, json.loads(json.dumps(record))))
    defaults = dict(_leaves({"params": asdict(SimulationParams())}))  # of parameters that an older version did not have
    for name in now.keys() - {"wtal", "note"}:
        was = before.get(name, defaults.get(name))
        if was != now[name]:
            raise FeatureError(
                f"{output} holds features that were simulated with `{name}` {was}, not {now[name]}: "
                "choose another --output."
            )


def _leaves(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield above + name, value

"""The small record that a training leaves: what it was, and what it reached."""

import json
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml
from pytorch_lightning import LightningDataModule, LightningModule

from wtal import __version__
from wtal.data import SnippetDataModule
from wtal.io.files import write_text

__all__ = ["make_record", "write_record"]

_PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "open_clip_torch", "numpy", "pandas", "jsonargparse")


def make_record(
    config: str,
    model: LightningModule,
    data: LightningDataModule,
    metrics: Mapping[str, float],
    selected: Mapping[str, float] | None,
    seconds: float,
) -> dict[str, Any]:
    """Everything that a row of a table must be able to say, in primitives.

    Args:
        config: The run's whole configuration, as YAML.
        model: What was trained.
        data: What it was trained on.
        metrics: Of the last checkpoint, on held-out videos if it was validated and on the test videos if it was tested.
        selected: The same of the checkpoint chosen on held-out videos; None if none was chosen.
        seconds: Of the training alone.
    """
    settings: dict[str, Any] = yaml.safe_load(config)
    features, benchmark = ("", type(data).__name__)
    if isinstance(data, SnippetDataModule):
        features, benchmark = data.features_note, data.benchmark.name
    return {
        "config": settings,
        "seed": settings.get("seed_everything"),
        "model": type(model).__name__,
        "features": features,
        "benchmark": benchmark,
        "weights": getattr(model, "note", ""),
        "metrics": dict(metrics),
        "selected": None if selected is None else dict(selected),
        "seconds": seconds,
        "memory_mib": _peak_memory_mib(),
        "git": _git_revision(),
        "versions": {"wtal": __version__, "python": platform.python_version(), **_versions()},
    }


def write_record(record: dict[str, Any], folder: Path) -> None:
    """Write ``record.json``, complete or not at all."""
    write_text(folder / "record.json", json.dumps(record, indent=1, default=str))


def _peak_memory_mib() -> float:
    """Of the GPU if there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _git_revision() -> str:
    """Of the code, with a plus sign if it was changed since; empty outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--abbrev=10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

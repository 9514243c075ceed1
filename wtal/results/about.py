"""What a run leaves beside its predictions: what they were made on, and the ground truth they are held against."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from wtal.errors import ConfigError, PredictionError
from wtal.io.bounds import read_json
from wtal.io.files import write_text
from wtal.views import View

__all__ = ["About", "read_about", "write_about", "write_ground_truth"]


@dataclass(frozen=True)
class About:
    """What every table of a run's numbers must say.

    Args:
        features: What the features are.
        benchmark: Its name.
        tious: Its thresholds of temporal IoU.
        weights: What a reader must know of the weights; else empty.
        checkpoint: Name of the file that they come from, or ``as in memory``.
        views: How figures show each source, where it is known.
    """

    features: str = ""
    benchmark: str = ""
    tious: tuple[float, ...] = ()
    weights: str = ""
    checkpoint: str = ""
    views: tuple[View, ...] = ()

    @property
    def caption(self) -> str:
        """One line under a table.

        >>> About("made up", "toy", (0.5,)).caption
        'features: made up; benchmark: toy'
        """
        said = {"features": self.features, "benchmark": self.benchmark, "": self.weights, "checkpoint": self.checkpoint}
        return "; ".join(f"{name}: {value}" if name else value for name, value in said.items() if value)


def write_about(path: Path, about: About) -> None:
    """Write it as JSON."""
    write_text(path, json.dumps(asdict(about), indent=1, ensure_ascii=False))


def read_about(path: Path) -> About:
    """Read what :func:`write_about` has written.

    Raises:
        PredictionError: If the file has another form.
    """
    try:
        content = dict(read_json(path, PredictionError).items())  # no other value has items
        content.setdefault("benchmark", content.get("protocol", ""))  # its name before version 0.2
        known = {field.name: content[field.name] for field in fields(About) if field.name in content}
        texts = {name: str(value) for name, value in known.items() if name not in ("tious", "views")}
        tious, views = tuple(map(float, known.get("tious", ()))), tuple(map(_view, known.get("views", ())))
        return About(**texts, tious=tious, views=views)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, ConfigError) as error:
        raise PredictionError(f"{path} is damaged ({str(error)[:80]}): delete it, or test the run anew.") from error


def _view(content: Mapping[str, Any]) -> View:
    return View(content["name"], title=str(content["title"])[:200], colour=str(content["colour"])[:7])


def write_ground_truth(path: Path, segments: pd.DataFrame, durations_s: Mapping[str, float], subset: str) -> None:
    """Write segments in ActivityNet's form.

    Args:
        path: Of the JSON file.
        segments: One row an instance: ``video_id``, ``label``, ``start_s``, ``end_s``.
        durations_s: Of each video of the subset, those without an instance included; NaN is left out.
        subset: Its name.
    """
    videos: dict[str, list[dict[str, object]]] = {video: [] for video in durations_s}
    columns = segments[["video_id", "label", "start_s", "end_s"]]
    for video, label, start_s, end_s in columns.itertuples(index=False):
        videos[video].append({"segment": [start_s, end_s], "label": label})
    database = {
        video: {"subset": subset, "annotations": found}
        | ({} if math.isnan(durations_s[video]) else {"duration": durations_s[video]})
        for video, found in videos.items()
    }
    write_text(path, json.dumps({"version": "ground truth of a run", "database": database}, ensure_ascii=False))

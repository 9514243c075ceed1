"""The file of pseudo-instances: annotations in ActivityNet's form, with a score and weights for each instance."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from wtal.errors import PredictionError, brief
from wtal.io.bounds import read_json
from wtal.io.files import write_text

__all__ = ["COLUMNS", "PseudoInstances", "read_pseudo_instances", "write_pseudo_instances"]

COLUMNS = ("video_id", "label", "start_s", "end_s", "score", "weight", "vote", "spread", "ignored")
_NUMBERS = ("score", "weight", "vote", "spread")


@dataclass(frozen=True)
class PseudoInstances:
    """Instances that a finished run finds in its training videos.

    Args:
        instances: One row per instance, with the columns :data:`COLUMNS`. ``score`` is that of the run's localizer,
            ``vote`` the agreement of the run's other sources and ``spread`` that of the bounds among alternatives,
            relative to the length; ``weight`` is how much the instance counts. Where ``ignored`` is 1, it is not known
            whether there is an instance.
        videos: Duration of each training video in seconds, by name; NaN if unknown.
        about: Where they come from: the teacher's checkpoint and settings.
        mark: What the benchmark's name must add, if the teacher learned from more than video labels.
    """

    instances: pd.DataFrame
    videos: Mapping[str, float]
    about: Mapping[str, Any] = field(default_factory=dict)
    mark: str = ""


def write_pseudo_instances(path: Path, found: PseudoInstances) -> None:
    """Write pseudo-instances as JSON: annotations that every reader of annotations also takes, marked as pseudo.

    Args:
        path: The file; an existing one is replaced once the new one is complete.
        found: The instances.
    """
    database: dict[str, dict[str, Any]] = {}
    for name, duration_s in found.videos.items():
        entry: dict[str, Any] = {"subset": "train", "annotations": [], "ignored": []}
        database[name] = {"duration": duration_s, **entry} if duration_s == duration_s else entry
    for row in found.instances[list(COLUMNS)].itertuples(index=False):
        numbers = {name: getattr(row, name) for name in _NUMBERS}
        one = {"label": row.label, "segment": [row.start_s, row.end_s], **numbers}
        database[str(row.video_id)]["ignored" if row.ignored else "annotations"].append(one)
    content = {"version": "pseudo-instances 1", "pseudo": True, "mark": found.mark, "about": dict(found.about)}
    write_text(path, json.dumps(content | {"database": database}, ensure_ascii=False, indent=1) + "\n")


def read_pseudo_instances(path: Path) -> PseudoInstances:
    """Read what :func:`write_pseudo_instances` has written.

    Raises:
        PredictionError: If the file is unreadable, has another form, or holds annotations that are not marked as
            pseudo.
    """
    if not path.is_file():
        raise PredictionError(f"{path} does not exist: make it from a finished run by `wtal distill`.")
    content = read_json(path, PredictionError)
    if not isinstance(content, dict) or content.get("pseudo") is not True:
        raise PredictionError(
            f"{path} is not a file of pseudo-instances: make one by `wtal distill`; true segments are read through "
            "SupervisedInstances alone."
        )
    try:
        database = dict(content["database"])
        rows = [row for name, entry in database.items() for row in _rows(name, entry)]
        videos = {str(name): float(entry.get("duration", "nan")) for name, entry in database.items()}
        table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[2:], float))
        return PseudoInstances(table, videos, dict(content.get("about", {})), str(content.get("mark", "")))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise PredictionError(f"{path} is damaged ({brief(str(error))}): make it again by `wtal distill`.") from error


def _rows(name: str, entry: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    rows = []
    for ignored, key in ((0, "annotations"), (1, "ignored")):
        for one in entry.get(key, ()):
            start_s, end_s = map(float, one["segment"])
            numbers = [float(one.get(field_name, 1.0)) for field_name in _NUMBERS]
            if not (0 <= start_s < end_s < float("inf")) or not all(0 <= number < float("inf") for number in numbers):
                raise ValueError(f"an instance of video {name} has impossible numbers")
            rows.append((str(name), str(one["label"]), start_s, end_s, *numbers, ignored))
    return rows

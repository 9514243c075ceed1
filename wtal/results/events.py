"""Sound events: detections and snippet scores measured by event-based F1 and PSDS, through `sed_scores_eval`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from wtal.errors import PredictionError
from wtal.io.extras import from_extra
from wtal.results.ground_truth import GroundTruth
from wtal.results.scores import TestScores

__all__ = ["PSDS", "Collar", "curves", "event_f1", "psds", "staircases"]

# As in DCASE's task 4: the first asks for exact times, the second for the right class.
PSDS = {
    "PSDS1": {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "alpha_ct": 0.0, "alpha_st": 1.0},
    "PSDS2": {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5, "alpha_st": 1.0},
}


@dataclass(frozen=True)
class Collar:
    """How far an event may lie from the true one.

    Args:
        onset_s: Largest distance of the onsets, in seconds.
        offset_s: Largest distance of the offsets, in seconds, if it is more than the share.
        offset_share: Largest distance of the offsets as a share of the length of the true event.

    Source:
        DCASE's task 4 and DESED, arXiv:1605.02401 (sed_eval).
    """

    onset_s: float = 0.2
    offset_s: float = 0.2
    offset_share: float = 0.2


def curves(scores: TestScores, classes: Sequence[str], durations_s: Mapping[str, float]) -> dict[str, pd.DataFrame]:
    """Actionness times probability of each class, snippet by snippet.

    Args:
        scores: Scores of a run.
        classes: Names of the classes that count.
        durations_s: Durations of the recordings that count, by name.

    Returns:
        For each recording a table of ``onset``, ``offset`` and one column a class, from 0 s to its end.

    Raises:
        PredictionError: If the scores lack a class or a recording.
    """
    lacking = [name for name in classes if name not in scores.class_names]
    lacking += [name for name in durations_s if name not in scores.grids.rows]
    if lacking:
        raise PredictionError(f"The scores have no {lacking[0]!r}: test the run on the data of this ground truth.")
    columns = [list(scores.class_names).index(name) for name in classes]
    tables = {}
    for name, duration_s in durations_s.items():
        row, place = scores.grids.rows[name], scores.grids.slices[name]
        values = scores.actionness[place, None].astype(float) * scores.probability[place][:, columns].astype(float)
        edges = scores.grids.first_s[row] + scores.grids.step_s[row] * np.arange(len(values) + 1)
        tables[name] = _table(edges, values, classes, duration_s)
    return tables


def staircases(
    found: pd.DataFrame, classes: Sequence[str], durations_s: Mapping[str, float]
) -> dict[str, pd.DataFrame]:
    """Detections as tables of 1 where a class is detected and 0 elsewhere; arguments as for :func:`curves`.

    Detections of one class that touch or overlap are one event.
    """
    rows = dict(list(found.groupby("video_id", sort=False)))
    tables = {}
    for name, duration_s in durations_s.items():
        table = rows.get(name, found[:0])
        times = np.clip(table[["start_s", "end_s"]].to_numpy(float), 0, duration_s)
        edges = np.unique(np.concatenate([[0.0, duration_s], times.ravel()]))
        values = np.zeros((len(edges) - 1, len(classes)))
        for (start_s, end_s), label in zip(times, table["label"], strict=True):
            if label in classes:
                values[(start_s <= edges[:-1]) & (edges[1:] <= end_s), classes.index(label)] = 1
        tables[name] = _table(edges, values, classes, duration_s)
    return tables


def _table(edges: np.ndarray, values: np.ndarray, classes: Sequence[str], duration_s: float) -> pd.DataFrame:
    """Score table from 0 s to the end; before the first and after the last snippet every score is 0."""
    inside = edges[:-1] < duration_s
    edges = np.concatenate([np.maximum(edges[:-1][inside], 0), [min(edges[inside.sum()], duration_s)]])
    values = values[inside]
    silence = np.zeros((1, values.shape[1]))
    if edges[0] > 0:
        edges, values = np.concatenate([[0.0], edges]), np.concatenate([silence, values])
    if edges[-1] < duration_s:
        edges, values = np.concatenate([edges, [duration_s]]), np.concatenate([values, silence])
    return pd.DataFrame(np.column_stack([edges[:-1], edges[1:], values]), columns=["onset", "offset", *classes])


class _Writable(pd.DataFrame):
    """A table whose numbers may be written to, as sed_scores_eval 0.0.4 expects and pandas 3 no longer allows."""

    @property
    def _constructor(self) -> type["_Writable"]:
        return _Writable

    def to_numpy(self, *args: Any, **kwargs: Any) -> np.ndarray:  # noqa: ANN401
        return np.array(super().to_numpy(*args, **kwargs))


def _writable(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {name: _Writable(table) for name, table in tables.items()}


def event_f1(tables: Mapping[str, pd.DataFrame], truth: GroundTruth, collar: Collar = Collar()) -> dict[str, float]:
    """Event-based F1 of detections, class by class, with the mean of the classes as ``mean``.

    Args:
        tables: See :func:`staircases`.
        truth: Ground truth of the same recordings.
        collar: How far an event may lie from the true one.

    Raises:
        MissingPackageError: If ``sed_scores_eval`` is not installed.
    """
    with from_extra("sound"):
        from sed_scores_eval import collar_based
    f1, *_ = collar_based.fscore(
        _writable(tables),
        _events(truth),
        threshold=0.5,
        onset_collar=collar.onset_s,
        offset_collar=collar.offset_s,
        offset_collar_rate=collar.offset_share,
    )
    by_class = {name: float(f1[name]) for name in truth.class_names}
    return {**by_class, "mean": float(np.mean([*by_class.values()]))}


def psds(tables: Mapping[str, pd.DataFrame], truth: GroundTruth, durations_s: Mapping[str, float]) -> dict[str, float]:
    """Polyphonic sound detection scores by the settings of :data:`PSDS`, for up to 100 false events an hour.

    Args:
        tables: See :func:`curves`.
        truth: Ground truth of the same recordings.
        durations_s: Durations of the recordings.

    Raises:
        MissingPackageError: If ``sed_scores_eval`` is not installed.
    """
    with from_extra("sound"):
        from sed_scores_eval import intersection_based
    events = _events(truth)
    return {
        name: float(
            intersection_based.psds(_writable(tables), events, dict(durations_s), max_efpr=100.0, **settings)[0]
        )
        for name, settings in PSDS.items()
    }


def _events(truth: GroundTruth) -> dict[str, list[tuple[float, float, str]]]:
    events: dict[str, list[tuple[float, float, str]]] = {name: [] for name in truth.video_ids}
    for name, label, start_s, end_s in truth.table[["video_id", "label", "start_s", "end_s"]].itertuples(index=False):
        events[str(name)].append((float(start_s), float(end_s), str(label)))
    return {name: sorted(found) for name, found in events.items()}

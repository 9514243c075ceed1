"""Why a method fails: the kinds of its false positives, the instances that it misses, and the cost of each in mAP.

Source:
    DETAD, Alwassel et al., Diagnosing Error in Temporal Action Detectors, ECCV 2018, arXiv:1807.10706. Differences from
    its public code: the mean number of instances per class is not rounded down; each tIoU threshold is evaluated
    independently (their sensitivity drops detections cumulatively over the thresholds); of two instances of equal tIoU,
    the one with the label of the detection determines its kind (every cliff dive of THUMOS14 is also a dive).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from wtal.functional.average_precision import best_first_by_class, match
from wtal.functional.segments import elementwise_iou, overlapping_pairs

__all__ = ["ACTIVITYNET_BINS", "KINDS", "THUMOS14_BINS", "Bins", "Diagnosis", "Kind", "diagnose", "kinds_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Kind = Literal["true", "double detection", "wrong label", "localization", "confusion", "background"]

# In the order of the cases in `kinds_of`.
KINDS: tuple[Kind, ...] = ("true", "double detection", "wrong label", "localization", "confusion", "background")
_SIZES = ("XS", "S", "M", "L", "XL")


@dataclass(frozen=True)
class Bins:
    """Edges of the groups of instances; a group includes its upper edge, the first group also its lower edge.

    Args:
        coverage: Edges of the share of the video that an instance covers.
        length_s: Edges of the length of an instance in seconds.
        instances: Edges of the number of instances of the same class in the video.
    """

    coverage: tuple[float, ...]
    length_s: tuple[float, ...]
    instances: tuple[float, ...]

    def ranges(self, characteristic: str) -> dict[str, str]:
        """Range of each group of a characteristic in :class:`Diagnosis`, by name of the group; empty for classes.

        >>> THUMOS14_BINS.ranges("length")
        {'XS': '≤ 3 s', 'S': '3 - 6 s', 'M': '6 - 12 s', 'L': '12 - 18 s', 'XL': '> 18 s'}
        >>> THUMOS14_BINS.ranges("instances")
        {'XS': '≤ 1', 'S': '2 - 40', 'M': '41 - 80', 'L': '> 80'}
        """
        known = {"coverage": (self.coverage, ""), "length": (self.length_s, " s"), "instances": (self.instances, "")}
        edges, unit = known.get(characteristic, ((), ""))
        # counts are integers, so a group begins at the integer after its lower edge
        beyond = int(characteristic == "instances")
        texts = [f"{low + beyond:g} - {high:g}" for low, high in pairwise(edges)]
        if texts:
            texts[0] = f"≤ {edges[1]:g}"
        if texts and characteristic != "coverage":
            texts[-1] = f"> {edges[-2]:g}"
        return {size: text + unit for size, text in zip(_SIZES, texts, strict=False)}


THUMOS14_BINS = Bins((0, 0.02, 0.04, 0.06, 0.08, 1), (0, 3, 6, 12, 18, np.inf), (-1, 1, 40, 80, np.inf))
ACTIVITYNET_BINS = Bins((0, 0.2, 0.4, 0.6, 0.8, 1), (0, 30, 60, 120, 180, np.inf), (-1, 1, 4, 8, np.inf))


@dataclass(frozen=True)
class Diagnosis:
    """Tables of a diagnosis, averaged over the tIoU thresholds; all shares and mAP are fractions.

    mAP_N is the mean over the classes of the average precision that a class would have if all were equally frequent.

    Args:
        false_positives: Columns ``cut``, ``kind`` and its ``share`` of the detections of the cut. The ranked detections
            of each class are cut into runs as long as the number of its instances (1G, 2G ...).
        gains: Columns ``kind`` of false positive, and the ``gain`` in mAP_N without it, for the detections of all cuts.
        false_negatives: Columns ``characteristic``, ``bin``, ``range`` of the bin, number of ``instances``, and the
            ``rate`` of those that are missed: no detection of a normalized precision above 0.05 finds them.
        sensitivity: Columns ``characteristic``, ``bin``, ``range``, ``instances``, ``mAP_N`` on the instances of the
            bin only, and the same ``relative`` to that on all instances.
        mAP_N: mAP_N of all detections.
        left_out: Number of instances without length, or longer than their video, which are ignored.
    """

    false_positives: pd.DataFrame
    gains: pd.DataFrame
    false_negatives: pd.DataFrame
    sensitivity: pd.DataFrame
    mAP_N: float  # noqa: N815  as in the paper
    left_out: int


def diagnose(
    detections: ArrayLike,
    segments: ArrayLike,
    duration_s: ArrayLike,
    tious: Sequence[float],
    bins: Bins,
    class_names: Sequence[str],
    cuts: int = 10,
) -> Diagnosis:
    """Diagnose detections of any number of videos and classes.

    Args:
        detections: ``(N, 5)`` rows of video, label, start, end, score.
        segments: Ground truth, ``(M, 4)`` rows of video, label, start, end.
        duration_s: Duration of each video by index, NaN where unknown; coverage needs all of them.
        tious: Thresholds, ``(K,)``; DETAD uses 0.5 for THUMOS14 and 0.5 to 0.95 for ActivityNet.
        bins: Edges of the groups of instances.
        class_names: Names of the classes by label.
        cuts: Number of runs of detections to analyze.
    """
    truth = np.asarray(segments, dtype=float).reshape(-1, 4)
    lengths, durations = truth[:, 3] - truth[:, 2], np.asarray(duration_s, dtype=float)[truth[:, 0].astype(int)]
    sensible = (lengths > 0) & ~(lengths > durations)
    truth, durations = truth[sensible], durations[sensible]
    found = best_first_by_class(np.asarray(detections, dtype=float).reshape(-1, 5))
    matched = _Matched(found, truth, tious)
    groups = _groups(truth, durations, bins, class_names)
    whole = matched.mean_ap(matched.is_true, ~matched.is_true)
    profile, gains = _false_positives(found, truth, tious, cuts)
    missed, sensitivity = _false_negatives(matched, groups), _sensitivity(matched, groups, whole)
    for table in (missed, sensitivity):
        pairs = zip(table["characteristic"], table["bin"], strict=True)
        table.insert(2, "range", [bins.ranges(name).get(label, "") for name, label in pairs])
    return Diagnosis(profile, gains, missed, sensitivity, whole, int((~sensible).sum()))


class _Matched:
    """Detections, best first within each class, and the instances that they take.

    Args:
        found: ``(N, 5)``, as :func:`best_first_by_class` orders them.
        truth: ``(M, 4)``.
        tious: ``(K,)``.
    """

    def __init__(self, found: Floats, truth: Floats, tious: Sequence[float]) -> None:
        self.taken = match(found, truth, tious)  # (K, N)
        self.is_true: Bools = self.taken >= 0
        self.instance_label = truth[:, 1]
        labels, self.instances = np.unique(truth[:, 1], return_counts=True)
        begin, end = (np.searchsorted(found[:, 1], labels, side) for side in ("left", "right"))
        self.slices = [slice(i, j) for i, j in zip(begin, end, strict=True)]
        self.labels, self.average = labels, len(truth) / max(len(labels), 1)

    def precision(self, is_true: Bools, is_false: Bools, instances: int) -> Floats:
        """Precision at each detection of a class if the class had the average number of instances, ``(K, n)``."""
        recalled = np.cumsum(is_true, axis=1) / max(instances, 1) * self.average
        counted = recalled + np.cumsum(is_false, axis=1)
        return np.asarray(np.divide(recalled, counted, out=np.zeros_like(recalled), where=counted > 0))

    def mean_ap(self, is_true: Bools, is_false: Bools, kept: Bools | None = None) -> float:
        """mAP_N, optionally on some instances ``(M,)`` only; detections that are neither true nor false are ignored."""
        values = []
        for label, rows, instances in zip(self.labels, self.slices, self.instances, strict=True):
            if kept is not None:
                instances = int((kept & (self.instance_label == label)).sum())
            if instances:
                precision = self.precision(is_true[:, rows], is_false[:, rows], instances)
                best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
                values.append(((best * is_true[:, rows]).sum(axis=1) / instances).mean())
        return float(np.mean(values)) if values else float("nan")


# False positives ----------------------------------------------------------------------------------------------------


def kinds_of(found: Floats, truth: Floats, tiou: float, least: float = 0.1) -> Ints:
    """Kind of each detection, as an index in :data:`KINDS`.

    A detection that takes no instance is judged by the instance of largest tIoU in the video, of any class. If the
    classes agree, it is a ``double detection`` from the threshold on, else ``localization``; if not, ``wrong label``
    from the threshold on, else ``confusion``; below ``least``, ``background``.

    Args:
        found: ``(N, 5)`` rows of video, label, start, end, score, best first within a class.
        truth: ``(M, 4)`` rows of video, label, start, end.
        tiou: Threshold of a true positive.
        least: tIoU below which a detection is background.

    Returns:
        Kinds, ``(N,)``.

    >>> found = np.array([[0, 0, 0, 10, 0.9], [0, 0, 1, 10, 0.8], [0, 0, 0, 3, 0.7], [0, 0, 30, 40, 0.6]])
    >>> [KINDS[kind] for kind in kinds_of(found, np.array([[0.0, 0, 0, 10]]), 0.5)]
    ['true', 'double detection', 'localization', 'background']
    """
    best, same = np.zeros(len(found)), np.zeros(len(found), dtype=bool)
    videos = np.unique(np.concatenate([found[:, 0], truth[:, 0]]), return_inverse=True)[1]
    for row, other in overlapping_pairs(videos[: len(found)], found[:, 2:4], videos[len(found) :], truth[:, 2:4]):
        overlap, equal = elementwise_iou(found[row, 2:4], truth[other, 2:4]), found[row, 1] == truth[other, 1]
        order = np.lexsort((equal, overlap, row))
        last = order[np.append(row[order][1:] != row[order][:-1], True)[: len(order)]]
        best[row[last]], same[row[last]] = overlap[last], equal[last]
    near = best >= tiou
    kinds = np.select(
        [near & same, near, (best >= least) & same, best >= least],
        [
            KINDS.index("double detection"),
            KINDS.index("wrong label"),
            KINDS.index("localization"),
            KINDS.index("confusion"),
        ],
        KINDS.index("background"),
    )
    return np.where(match(found, truth, [tiou])[0] >= 0, KINDS.index("true"), kinds)


def _false_positives(
    found: Floats, truth: Floats, tious: Sequence[float], cuts: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Share of each kind by cut, and the gain in mAP_N without each kind of false positive."""
    labels, instances = np.unique(truth[:, 1], return_counts=True)
    rank = np.arange(len(found)) - np.searchsorted(found[:, 1], found[:, 1])
    place = np.searchsorted(labels, found[:, 1]) % max(len(labels), 1)
    known = labels[place] == found[:, 1] if len(labels) else np.zeros(len(found), dtype=bool)
    cut = np.where(known, rank // instances[place] if len(labels) else 0, cuts)
    found, cut = found[cut < cuts], cut[cut < cuts]
    kinds = np.stack([kinds_of(found, truth, tiou) for tiou in tious])
    rows = []
    for number in range(cuts):
        inside = kinds[:, cut == number]
        for kind, name in enumerate(KINDS):
            share = float((inside == kind).mean()) if inside.size else float("nan")
            rows.append((f"{number + 1}G", name, share))
    matched = _Matched(found, truth, tious)
    whole = matched.mean_ap(kinds == 0, kinds > 0)
    gains = [
        (name, matched.mean_ap(kinds == 0, (kinds > 0) & (kinds != kind)) - whole)
        for kind, name in enumerate(KINDS)
        if kind
    ]
    return pd.DataFrame(rows, columns=["cut", "kind", "share"]), pd.DataFrame(gains, columns=["kind", "gain"])


# Instances ----------------------------------------------------------------------------------------------------------


def _groups(truth: Floats, durations: Floats, bins: Bins, class_names: Sequence[str]) -> pd.DataFrame:
    """One row per instance: its bin of each characteristic, as a category."""
    lengths = truth[:, 3] - truth[:, 2]
    siblings = pd.DataFrame(truth[:, :2]).groupby([0, 1])[0].transform("size").to_numpy() if len(truth) else lengths
    cut = {
        "coverage": (lengths / durations, bins.coverage),
        "length": (lengths, bins.length_s),
        "instances": (siblings, bins.instances),
    }
    table = {
        name: pd.cut(values, edges, labels=_SIZES[: len(edges) - 1], include_lowest=True)
        for name, (values, edges) in cut.items()
        if np.isfinite(values).all()
    }
    named = [class_names[int(label)] for label in truth[:, 1]]
    return pd.DataFrame({**table, "class": pd.Categorical(named, sorted(set(named)))})


def _by_bin(groups: pd.DataFrame) -> list[tuple[str, str, Bools]]:
    """Characteristic, bin and mask of its instances, without empty bins."""
    return [
        (str(name), str(label), (groups[name] == label).to_numpy())
        for name in groups
        for label in groups[name].cat.categories
        if (groups[name] == label).any()
    ]


def _false_negatives(matched: _Matched, groups: pd.DataFrame, least: float = 0.05) -> pd.DataFrame:
    counts = np.zeros_like(matched.is_true)
    for rows, instances in zip(matched.slices, matched.instances, strict=True):
        is_true = matched.is_true[:, rows]
        counts[:, rows] = is_true & (matched.precision(is_true, ~is_true, int(instances)) > least)
    missed = np.ones((len(matched.taken), len(groups)), dtype=bool)
    level, row = np.nonzero(counts)
    missed[level, matched.taken[level, row]] = False
    overall = ("all", "all", np.ones(len(groups), dtype=bool))
    rates = [
        (name, label, int(inside.sum()), float(missed[:, inside].mean()))
        for name, label, inside in [overall, *_by_bin(groups)]
        if inside.any()
    ]
    return pd.DataFrame(rates, columns=["characteristic", "bin", "instances", "rate"])


def _sensitivity(matched: _Matched, groups: pd.DataFrame, whole: float) -> pd.DataFrame:
    rows = [("all", "all", len(groups), whole, 1.0)]
    for name, label, inside in _by_bin(groups.drop(columns="class")):
        is_true = matched.is_true & np.append(inside, False)[matched.taken]
        value = matched.mean_ap(is_true, ~matched.is_true, inside)
        rows.append((name, label, int(inside.sum()), value, value / whole if whole else float("nan")))
    return pd.DataFrame(rows, columns=["characteristic", "bin", "instances", "mAP_N", "relative"])

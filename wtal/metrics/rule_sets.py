"""Rule sets of the evaluators in use: the same detections have a different mAP under each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtal.functional.average_precision import AveragePrecision, Takes, Ties, average_precision
from wtal.functional.recall import recall_at_multiples
from wtal.functional.segments import intersection, pairs_of_equal_key
from wtal.metrics.rule_names import RuleSetName

__all__ = ["RULE_SETS", "RuleSet", "Score", "evaluate"]

Floats = NDArray[np.float64]
_SNIPPETS_PER_S = 25 / 16


@dataclass(frozen=True)
class RuleSet:
    """How an evaluator treats detections and ground truth besides matching them.

    Args:
        name: Name of the rule set, as in the caption of a table.
        source: Code that the rules reproduce.
        unknown_labels: Whether a detection of a class without ground truth is an error (``refuse``) or is left out
            (``ignore``).
        drop_empty: Leave out instances that end where they start.
        drop_repeated: Leave out an instance if an earlier one of its video and class, itself not left out, has the same
            bounds to within a millisecond.
        snippets: Measure time in snippets of 16 frames at 25 frames per second, with instances rounded to whole
            snippets.
        round_detections: Also round detections to whole snippets.
        drop_ambiguous: Leave out detections that overlap an ambiguous segment, in whole snippets.
        takes: Which free instance above the threshold a detection takes: that of ``largest`` tIoU, or the ``first``.
        ties: Which of several detections of equal score comes first.
        interpolated: Whether the precision at a recall is the best one at that recall or a larger one.
        recall_multiples: Multiples ``k`` at which to compute recall as well: of the best detections of each video and
            class, ``k`` times as many as it has instances.
    """

    name: RuleSetName
    source: str
    unknown_labels: Literal["refuse", "ignore"] = "ignore"
    drop_empty: bool = False
    drop_repeated: bool = False
    snippets: bool = False
    round_detections: bool = False
    drop_ambiguous: bool = False
    takes: Takes = "largest"
    ties: Ties = "official"
    interpolated: bool = True
    recall_multiples: tuple[int, ...] = ()


RULE_SETS: dict[RuleSetName, RuleSet] = {
    rules.name: rules
    for rules in (
        RuleSet(
            "activitynet-official",
            "activitynet/ActivityNet, Evaluation/eval_detection.py",
            unknown_labels="refuse",
        ),
        RuleSet(
            "opentad",
            "sming256/OpenTAD, opentad/evaluations/mAP.py",
            drop_empty=True,
            drop_repeated=True,
            recall_multiples=(1, 5),
        ),
        RuleSet(
            "actionformer",
            "happyharrycn/actionformer_release, libs/utils/metrics.py",
            drop_empty=True,
            drop_repeated=True,
            recall_multiples=(1, 5),
        ),
        RuleSet(
            "co2net",
            "harlanhong/MM2021-CO2-Net and RenHuan1999/CVPR2023_P-MIL, eval_detection.py",
            snippets=True,
            drop_ambiguous=True,
        ),
        RuleSet(
            "wtalc",
            "sujoyp/wtalc-pytorch, detectionMAP.py",
            snippets=True,
            round_detections=True,
            drop_ambiguous=True,
            takes="first",
            ties="first",
            interpolated=False,
        ),
    )
}


class Score(NamedTuple):
    """Result of an evaluation; precision and recall in [0, 1]."""

    precision: AveragePrecision
    recall: Floats  # (K, R) by tIoU and multiple
    instances: int  # counted instances
    detections: int  # counted detections
    empty: int  # instances left out because they end where they start
    repeated: int  # instances left out because they repeat another
    ambiguous: int  # detections left out because they overlap an ambiguous segment


def evaluate(
    detections: ArrayLike,
    segments: ArrayLike,
    tious: Sequence[float],
    rules: RuleSet = RULE_SETS["activitynet-official"],
    ambiguous: ArrayLike = (),
) -> Score:
    """Evaluate detections under a rule set.

    Args:
        detections: ``(N, 5)`` rows of video, label, start, end in seconds, score.
        segments: Ground truth, ``(M, 4)`` rows of video, label, start, end in seconds.
        tious: Thresholds, ``(K,)``.
        rules: A rule set of :data:`RULE_SETS`, or your own.
        ambiguous: Ambiguous segments, ``(A, 3)`` rows of video, start, end in seconds.

    Raises:
        ValueError: See :func:`~wtal.functional.average_precision.average_precision`.

    >>> truth = [[0, 0, 0.0, 10.0], [0, 0, 0.0, 10.0]]
    >>> for name in ("activitynet-official", "opentad"):
    ...     evaluate([[0, 0, 0.0, 9.0, 0.5]], truth, [0.5], RULE_SETS[name]).precision.mean.tolist()
    [0.5]
    [1.0]
    """
    found = np.asarray(detections, dtype=float).reshape(-1, 5)
    truth = np.asarray(segments, dtype=float).reshape(-1, 4)
    unclear = np.asarray(ambiguous, dtype=float).reshape(-1, 3)
    empty = truth[:, 3] <= truth[:, 2] if rules.drop_empty else np.zeros(len(truth), dtype=bool)
    truth = truth[~empty]
    repeated = _repeated(truth) if rules.drop_repeated else np.zeros(len(truth), dtype=bool)
    truth = truth[~repeated]
    if rules.snippets:
        truth, found = _in_snippets(truth), found.copy()
        found[:, 2:4] *= _SNIPPETS_PER_S
        unclear = np.column_stack([unclear[:, 0], np.rint(unclear[:, 1:] * _SNIPPETS_PER_S)])
        if rules.round_detections:
            found[:, 2:4] = np.rint(found[:, 2:4])
    meets = _meets(found, unclear) if rules.drop_ambiguous else np.zeros(len(found), dtype=bool)
    found = found[~meets]
    return Score(
        average_precision(found, truth, tious, rules.ties, rules.interpolated, rules.takes),
        recall_at_multiples(found, truth, tious, rules.recall_multiples),
        len(truth),
        len(found),
        int(empty.sum()),
        int(repeated.sum()),
        int(meets.sum()),
    )


def _in_snippets(truth: Floats) -> Floats:
    return np.column_stack([truth[:, :2], np.rint(truth[:, 2:] * _SNIPPETS_PER_S)])


def _repeated(truth: Floats, tolerance_s: float = 1e-3) -> NDArray[np.bool_]:
    """Mask of the instances that repeat an earlier one that does not itself repeat another."""
    repeated = np.zeros(len(truth), dtype=bool)
    key = np.unique(truth[:, :2], axis=0, return_inverse=True)[1].reshape(-1)
    for row, other in pairs_of_equal_key(key, key):
        near = (other < row) & (np.abs(truth[row, 2:] - truth[other, 2:]) <= tolerance_s).all(axis=1)
        for later, earlier in zip(row[near], other[near], strict=True):  # the order matters; there are few
            repeated[later] |= not repeated[earlier]
    return repeated


def _meets(found: Floats, unclear: Floats) -> NDArray[np.bool_]:
    """Mask of the detections that overlap an ambiguous segment, with both truncated to whole units."""
    meets = np.zeros(len(found), dtype=bool)
    for row, other in pairs_of_equal_key(found[:, 0].astype(int), unclear[:, 0].astype(int)):
        shared = intersection(np.trunc(found[row, 2:4]), np.trunc(unclear[other, 1:]))
        meets[row[shared > 0]] = True
    return meets

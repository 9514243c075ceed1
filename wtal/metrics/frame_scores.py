"""How well scores of frames tell abnormal ones from normal ones, by the rules of the evaluators in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtal.metrics.rule_names import FrameRulesName

__all__ = [
    "FRAMES_OF_SNIPPET",
    "FRAME_RULE_SETS",
    "FrameRules",
    "FrameScore",
    "VideoFrames",
    "frame_mask",
    "frame_score",
    "precision_area",
    "roc_area",
]

FRAMES_OF_SNIPPET = 16  # in the features of all public code, whose evaluators repeat each score as often

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FrameRules:
    """How an evaluator of video anomaly detection counts.

    Args:
        name: Name of the rule set, as in the caption of a table.
        source: Code that the rules reproduce.
        last_frame: Whether the last frame of an annotated interval is abnormal.
        trapezoid: Whether the area under precision over recall is that of straight lines between its points, and not
            average precision. Straight lines are optimistic; the two numbers differ and are both called AP.
        normal_class: What the fine-grained mAP makes of normal videos: ``left out``; ``a class`` of its own, with each
            normal video as one instance; or ``a class without instances``, whose average precision is always 0.
        interpolated: Whether the precision at a recall is the best one at that recall or a larger one.
        zero_without_proposals: Whether the fine-grained mAP is 0 as soon as one class has no proposal in any video.
    """

    name: FrameRulesName
    source: str
    last_frame: bool = True
    trapezoid: bool = False
    normal_class: Literal["left out", "a class", "a class without instances"] = "left out"
    interpolated: bool = True
    zero_without_proposals: bool = False

    @property
    def precision_name(self) -> str:
        """Name of the measure of precision over recall.

        >>> [FRAME_RULE_SETS[name].precision_name for name in ("wtal", "rtfm")]
        ['AP', 'PR-AUC']
        """
        return "PR-AUC" if self.trapezoid else "AP"


FRAME_RULE_SETS: dict[FrameRulesName, FrameRules] = {
    rules.name: rules
    for rules in (
        FrameRules("wtal", "average precision and interpolated fine-grained mAP of the kinds of anomaly alone"),
        FrameRules("rtfm", "tianyu0207/RTFM, test_10crop.py and list/make_gt_ucf.py", trapezoid=True),
        FrameRules("ur-dmu", "henrryzh1/UR-DMU, ucf_test.py and xd_test.py, on RTFM's ground truth", trapezoid=True),
        FrameRules(
            "vadclip-ucf",
            "nwpu-zxr/VadCLIP, src/ucf_test.py and list/make_gt_mAP_ucf.py, which calls normal videos A, not Normal",
            last_frame=False,
            normal_class="a class without instances",
            interpolated=False,
            zero_without_proposals=True,
        ),
        FrameRules(
            "vadclip-xd",
            "nwpu-zxr/VadCLIP, src/xd_test.py and list/make_gt_mAP_xd.py",
            last_frame=False,
            normal_class="a class",
            interpolated=False,
            zero_without_proposals=True,
        ),
    )
}


class VideoFrames(NamedTuple):
    """Scores and truth of the frames of one video."""

    score: Floats  # (F,) any real numbers, larger for more abnormal
    abnormal: NDArray[np.bool_]  # (F,)
    labels: tuple[int, ...] = ()  # kinds of anomaly in the video; none if it is normal


class FrameScore(NamedTuple):
    """Result of an evaluation of frame scores; all areas in [0, 1], NaN where they are not defined."""

    auc: float  # area under the ROC of all frames
    precision: float  # average precision or its trapezoid, see `FrameRules`
    auc_abnormal: float  # area under the ROC of the frames of abnormal videos alone
    auc_of_label: dict[int, float]  # the same of the videos of each kind of anomaly
    frames: int
    abnormal: int  # frames


def frame_mask(intervals: ArrayLike, frames: int, last_frame: bool = True) -> NDArray[np.bool_]:
    """Which frames lie in an annotated interval.

    Args:
        intervals: First and last frame of each interval, ``(N, 2)``, counted from 0.
        frames: Number of frames of the video, ``F``; what lies beyond is cut off.
        last_frame: Whether the last frame belongs to the interval.

    Returns:
        ``(F,)``.

    >>> [frame_mask([[1, 2]], 4, last).astype(int).tolist() for last in (True, False)]
    [[0, 1, 1, 0], [0, 1, 0, 0]]
    """
    mask = np.zeros(frames, dtype=bool)
    for first, last in np.asarray(intervals, dtype=int).reshape(-1, 2):
        mask[max(0, first) : max(0, last + last_frame)] = True
    return mask


def frame_score(videos: Sequence[VideoFrames], rules: FrameRules = FRAME_RULE_SETS["wtal"]) -> FrameScore:
    """Measure the scores of the frames of videos, which are ranked all together.

    Args:
        videos: Scores and truth of each video.
        rules: A rule set of :data:`FRAME_RULE_SETS`, or your own.

    Raises:
        ValueError: If scores and truth of a video differ in length, or a score is not finite.
    """
    _check(videos)
    score, abnormal = _joined(videos)
    of_abnormal = [video for video in videos if video.labels or video.abnormal.any()]
    labels = sorted({label for video in videos for label in video.labels})
    return FrameScore(
        roc_area(score, abnormal),
        precision_area(score, abnormal, rules.trapezoid),
        roc_area(*_joined(of_abnormal)),
        {label: roc_area(*_joined([video for video in videos if label in video.labels])) for label in labels},
        len(score),
        int(abnormal.sum()),
    )


def _check(videos: Sequence[VideoFrames]) -> None:
    for number, video in enumerate(videos):
        if video.score.shape != video.abnormal.shape or video.score.ndim != 1:
            raise ValueError(f"Video {number}: scores {video.score.shape} and truth {video.abnormal.shape} disagree.")
        if not np.isfinite(video.score).all():
            raise ValueError(f"Video {number} has a score that is not finite.")


def _joined(videos: Sequence[VideoFrames]) -> tuple[Floats, NDArray[np.bool_]]:
    scores = np.concatenate([np.empty(0), *(video.score for video in videos)])
    return scores, np.concatenate([np.empty(0, bool), *(video.abnormal for video in videos)])


def roc_area(score: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC: how often a positive outranks a negative, ties counting one half.

    Args:
        score: Scores, ``(N,)``.
        positive: Truth, ``(N,)`` bool.

    Returns:
        NaN if there is no positive or no negative.

    >>> roc_area([0.9, 0.5, 0.5], [True, True, False])
    0.75
    """
    true, false = _counts(score, positive)
    if true[-1] == 0 or false[-1] == 0:
        return float("nan")
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / (2 * true[-1] * false[-1]))


def precision_area(score: ArrayLike, positive: ArrayLike, trapezoid: bool = False) -> float:
    """Area under precision over recall, one point for each distinct score.

    Args:
        score: Scores, ``(N,)``.
        positive: Truth, ``(N,)`` bool.
        trapezoid: Join the points, and a precision of 1 at a recall of 0, by straight lines; otherwise the precision of
            a point holds for all recall that it adds (average precision).

    Returns:
        NaN if there is no positive.

    Source:
        scikit-learn: ``average_precision_score``; ``auc`` of ``precision_recall_curve``.

    >>> [round(precision_area([0.9, 0.5], [False, True], trapezoid), 3) for trapezoid in (False, True)]
    [0.5, 0.25]
    """
    true, false = _counts(score, positive)
    if true[-1] == 0:
        return float("nan")
    precision = np.concatenate([[1.0], true[1:] / (true[1:] + false[1:])])
    height = (precision[1:] + precision[:-1]) / 2 if trapezoid else precision[1:]
    return float(np.sum(np.diff(true) * height) / true[-1])


def _counts(score: ArrayLike, positive: ArrayLike) -> tuple[Floats, Floats]:
    """Numbers of positives and negatives at each distinct score or above, from 0 to all, ``(K + 1,)`` each."""
    scores, positives = np.asarray(score, dtype=float), np.asarray(positive, dtype=bool)
    order = np.argsort(-scores, kind="stable")
    scores, positives = scores[order], positives[order]
    ends = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.empty(0, int)
    true = np.concatenate([[0.0], np.cumsum(positives, dtype=float)[ends]])
    return true, np.concatenate([[0.0], ends + 1.0]) - true

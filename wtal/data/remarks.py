"""What a user should know about annotations before a training: videos in no split, segments that cannot be found."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from difflib import get_close_matches

import pandas as pd

from wtal.data.annotations import Annotations, first
from wtal.data.splits import WithoutAction, remark_on_unlabelled
from wtal.errors import AnnotationError
from wtal.types import Video

__all__ = ["before_training", "in_no_split", "of_unfindable", "of_untimed"]


def before_training(
    annotations: Annotations,
    train_table: Callable[[], pd.DataFrame],
    test_table: Callable[[], pd.DataFrame],
    names: Sequence[str],
    without_action: WithoutAction,
) -> list[str]:
    """How the annotations were read, and which videos are in no split or have no label.

    Args:
        annotations: The annotations.
        train_table: Function that returns the rows of the training videos, or raises an AnnotationError.
        test_table: The same for the test videos.
        names: Names of the subsets that are used.
        without_action: What happens to training videos without a label.
    """
    used: set[str] = set()
    unlabelled: list[str] = []
    with suppress(AnnotationError):  # a split that nobody may need is empty
        used.update(test_table().index)
    with suppress(AnnotationError):
        used.update(train_table().index)
        unlabelled = remark_on_unlabelled(train_table(), without_action)
    return [*annotations.notes, *in_no_split(annotations, used, names), *unlabelled]


def in_no_split(annotations: Annotations, used: Collection[str], names: Sequence[str]) -> list[str]:
    """A remark about annotated videos in no split, if there are any.

    A subset of which no video has a label is the secret test set of a public benchmark, and is not counted.

    Args:
        annotations: The annotations.
        used: Names of the videos of all splits.
        names: Names of the subsets that are used.
    """
    videos = annotations.videos
    subset = videos["subset"].str.lower()
    labelled = set(subset[videos["labels"].map(bool)])
    rest = videos[~videos.index.isin(list(used)) & subset.isin(labelled | {""})]
    if rest.empty or len(rest) == len(videos):
        return []
    spelled = ", ".join(_with_guess(name, names) for name in dict.fromkeys(rest["subset"]))
    return [
        f"{len(rest)} of {len(videos)} annotated videos are in no split (subset {spelled}), such as {rest.index[0]}: "
        "correct the subset, or name it in `data.train_subset` or `data.test_subset`."
    ]


def _with_guess(name: str, names: Sequence[str]) -> str:
    """A subset for a message, with the one that may have been meant.

    >>> [_with_guess(name, ("train", "test")) for name in ("traning", "val", "")]
    ["'traning' instead of 'train'?", "'val'", 'none']
    """
    meant = get_close_matches(name.lower(), names, n=1, cutoff=0.75)
    return (repr(name) + (f" instead of {meant[0]!r}?" if meant else "")) if name else "none"


def of_untimed(labels: pd.Series, timed: Collection[str]) -> list[str]:
    """A remark about test videos that have labels but no segments, where others have some.

    Args:
        labels: Labels of each test video, by its name.
        timed: Names of the videos that have segments.
    """
    untimed = [name for name, found in labels.items() if found and name not in timed]
    if not untimed or not timed:
        return []
    return [
        f"{len(untimed)} of {len(labels)} test videos have labels but no segments, such as {untimed[0]}: whatever is "
        "found there counts as false; add their `start` and `end`."
    ]


def of_unfindable(truth: pd.DataFrame | None, videos: Sequence[Video], labels: pd.Series) -> list[str]:
    """Remarks about segments that are missing, or that start after the end of their video.

    Args:
        truth: The segments, see :meth:`~wtal.data.datamodule.SnippetDataModule.ground_truth`.
        videos: The videos that they lie in.
        labels: Labels of each of these videos, by its name.
    """
    if truth is None:
        return [
            "The test videos have no segments, so the localization cannot be measured: add `start` and `end` to "
            "the annotations. Detections are still written."
        ]
    remarks = of_untimed(labels, {videos[row].video_id for row in truth["video"]})
    late = truth["start_s"] >= [videos[row].duration_s for row in truth["video"]]
    if not late.any():
        return remarks
    counts = Counter(videos[row].video_id for row in truth["video"][late])
    names = [f"{video_id} ({count})" for video_id, count in counts.most_common()]
    return [
        *remarks,
        f"{late.sum()} test segments start after the end of their video and can never be found: {first(names)}.",
    ]

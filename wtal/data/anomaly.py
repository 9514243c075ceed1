"""UCF-Crime, XD-Violence and ShanghaiTech: videos in which something abnormal happens, and normal ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from wtal.data.annotations import Annotations, first
from wtal.data.anomaly_lists import ListedVideo, read_video_list
from wtal.data.anomaly_names import ANOMALY, UCF_CRIME_CLASSES, XD_VIOLENCE_CLASSES
from wtal.data.anomaly_truth import AnnotatedVideo, read_frame_annotations
from wtal.data.datamodule import SnippetDataModule
from wtal.data.features import FeatureSource
from wtal.errors import AnnotationError
from wtal.types import Benchmark

__all__ = ["AnomalyDataModule", "anomaly_annotations"]

_CLASSES = {"ucf-crime": UCF_CRIME_CLASSES, "xd-violence": XD_VIOLENCE_CLASSES, "shanghaitech": (ANOMALY,)}
_TIOUS = (0.1, 0.2, 0.3, 0.4, 0.5)


class AnomalyDataModule(SnippetDataModule):
    """A data set of anomalies by its lists of videos and the annotation of its test videos.

    Training sees kinds of anomaly a video, never when they happen; normal videos have no label and teach what is
    normal. A video is abnormal if its label or its name says so, wherever it stands in a list.

    Args:
        dataset: Name of the data set, which gives the classes and their order.
        train_list: List of the training videos, see :func:`~wtal.data.anomaly_lists.read_video_list`.
        test_list: List of the test videos; None takes the annotated ones, for UCF-Crime all.
        annotations: Anomalies of the test videos in frames, see
            :func:`~wtal.data.anomaly_truth.read_frame_annotations`.
        i3d: Source of the I3D features, as RTFM and UR-DMU have them; its crops are averaged unless one is chosen.
        clip: Source of the CLIP features, as VadCLIP has them; likewise.
        fps: Frame rate in which seconds are shown. Features are of 16 frames and truth is in frames, so no measure
            depends on it; it takes the place of the rate of the sources.
        **options: See :class:`~wtal.data.datamodule.SnippetDataModule`.

    Raises:
        AnnotationError: If a file is unreadable, a video is in both lists, or an abnormal test video is not annotated.
    """

    def __init__(
        self,
        dataset: Literal["ucf-crime", "xd-violence", "shanghaitech"],
        train_list: Path,
        annotations: Path,
        test_list: Path | None = None,
        i3d: FeatureSource | None = None,
        clip: FeatureSource | None = None,
        fps: float = 30.0,
        **options: Any,  # noqa: ANN401  the base class types them
    ) -> None:
        train = read_video_list(Path(train_list))
        test = None if test_list is None else read_video_list(Path(test_list))
        content = anomaly_annotations(
            Path(annotations), train, test, read_frame_annotations(Path(annotations)), _CLASSES[dataset], fps
        )
        sources = [None if source is None else replace(source, fps=fps) for source in (i3d, clip)]
        super().__init__(content, Benchmark(dataset, _TIOUS, ((0.1, 0.5),), "anomaly"), *sources, **options)


def anomaly_annotations(
    path: Path,
    train: Sequence[ListedVideo],
    test: Sequence[ListedVideo] | None,
    annotated: Sequence[AnnotatedVideo],
    class_names: Sequence[str],
    fps: float,
) -> Annotations:
    """Annotations of a data set of anomalies, with the subsets ``train`` and ``test``.

    Args:
        path: Annotation file, for messages.
        train: Training videos.
        test: Test videos; None for the annotated ones.
        annotated: Videos whose anomalies are known.
        class_names: Names of the kinds of anomaly, in their order.
        fps: Frame rate for the times.

    Raises:
        AnnotationError: If a video is in both lists, an abnormal test video is not annotated, list and annotation
            contradict each other, or a kind is not among the class names.
    """
    truth = {video.video_id: video for video in annotated}
    tested = {video.video_id: video.kinds for video in (annotated if test is None else test)}
    _check_lists(path, [video.video_id for video in train], tested, truth)
    kinds: list[_Row] = [(video.video_id, "train", video.kinds, None) for video in train]
    kinds += [(name, "test", _kinds(named, truth.get(name)), truth.get(name)) for name, named in tested.items()]
    _check_kinds(path, kinds, class_names)
    guessed = sum(known.guessed for name in tested if (known := truth.get(name)))
    notes = [
        f"{path} does not say of which kind the anomalies of {guessed} videos with several kinds are; the first kind "
        "of the name is taken. XD-Violence's `annotations_multiclasses.txt` says it."
    ] * bool(guessed)
    return Annotations(
        path,
        _videos(kinds, class_names, fps),
        _segments(truth, tested, fps),
        tuple(class_names),
        _NO_SPANS,
        tuple(notes),
    )


_NO_SPANS = pd.DataFrame({"video_id": pd.Series(dtype=object), "start_s": [], "end_s": []})
_Row = tuple[str, str, tuple[str, ...], AnnotatedVideo | None]


def _check_lists(
    path: Path,
    train: Iterable[str],
    tested: Mapping[str, tuple[str, ...]],
    truth: Mapping[str, AnnotatedVideo],
) -> None:
    both = sorted(tested.keys() & set(train))
    if both:
        raise AnnotationError(
            f"{len(both)} videos are in the list of training and in that of test videos: {first(both)}."
        )
    lacking = sorted(name for name, kinds in tested.items() if kinds and not _intervals(truth.get(name)))
    if lacking:
        raise AnnotationError(
            f"{path} says nothing about {len(lacking)} abnormal test videos, such as {lacking[0]}: give the annotation "
            "file of this list."
        )
    contrary = sorted(name for name, kinds in tested.items() if not kinds and _intervals(truth.get(name)))
    if contrary:
        raise AnnotationError(
            f"{path} has anomalies in {contrary[0]}, which is normal by the list: correct one of them."
        )


def _intervals(video: AnnotatedVideo | None) -> bool:
    return video is not None and bool(video.intervals)


def _kinds(named: tuple[str, ...], video: AnnotatedVideo | None) -> tuple[str, ...]:
    """Kinds of anomaly in a test video: those that happen in it, or those of its name."""
    found = () if video is None else tuple(dict.fromkeys(one.kind for one in video.intervals))
    return tuple(dict.fromkeys([*named, *found]))


def _check_kinds(path: Path, rows: Iterable[_Row], class_names: Sequence[str]) -> None:
    for name, _, kinds, _ in rows:
        unknown = next((kind for kind in kinds if kind not in class_names), None)
        if unknown is not None:
            raise AnnotationError(
                f"{path}: the kind {unknown!r} of video {name} is not among those of the data set "
                f"({', '.join(class_names)}): give the lists and annotations of one data set."
            )


def _videos(rows: Iterable[_Row], class_names: Sequence[str], fps: float) -> pd.DataFrame:
    order = {name: place for place, name in enumerate(class_names)}
    table = [
        (
            name,
            subset,
            float("nan") if known is None or known.frames is None else known.frames / fps,
            tuple(sorted(kinds, key=order.__getitem__)),
            "",
        )
        for name, subset, kinds, known in rows
    ]
    columns = ["video_id", "subset", "duration_s", "labels", "alias"]
    return pd.DataFrame(table, columns=columns).set_index("video_id")


def _segments(truth: Mapping[str, AnnotatedVideo], tested: Iterable[str], fps: float) -> pd.DataFrame:
    """The anomalies of the test videos in seconds, the last frame included."""
    rows = [
        (name, one.kind, one.first / fps, (one.last + 1) / fps)
        for name in tested
        if name in truth
        for one in truth[name].intervals
    ]
    table = pd.DataFrame(rows, columns=["video_id", "label", "start_s", "end_s"])
    return table.astype({"start_s": float, "end_s": float})
